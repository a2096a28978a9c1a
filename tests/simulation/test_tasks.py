"""Every task is solved right by one who knows all, badly by one who knows nothing, and better with every rule."""

import json
import os
from pathlib import Path

import dspy
import pytest

from dspy_dlpo.simulation import Landscape, simulated_lm, simulated_task, task_names
from dspy_dlpo.simulation.knowledge import knowledge
from dspy_dlpo.simulation.skills import taught_by
from dspy_dlpo.simulation.tasks import STAGES, TASKS

# The real questions are not part of the repository: they lie where DLPO_DATA_DIR says, or beside it.
BBH = Path(os.environ.get("DLPO_DATA_DIR", Path(__file__).parents[3] / "shared" / "data")) / "bbh.jsonl"


@pytest.mark.parametrize("name", task_names())
def test_start_and_all_taught_accuracies_are_in_range(name: str) -> None:
    landscape = Landscape(name)
    assert 0.15 <= landscape.accuracy({}) <= 0.45
    assert landscape.best >= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("name", task_names())
def test_no_single_rule_is_worth_more_than_a_quarter_from_the_start(name: str) -> None:
    landscape = Landscape(name)
    for predictor, stage in TASKS[name].stages:
        assert 6 <= len(stage.skills) <= 14
        for skill in stage.skills:
            gain = landscape.accuracy({predictor: f"{stage.start} {skill.wordings[0]}"}) - landscape.accuracy({})
            assert -0.02 <= gain <= 0.25, skill.name


@pytest.mark.slow
@pytest.mark.skipif(not BBH.is_file(), reason=f"no real questions at {BBH}; set DLPO_DATA_DIR to their directory")
@pytest.mark.parametrize("name", sorted(set(TASKS) - {"support_desk"}))
def test_every_real_question_is_solved_right_when_all_is_taught(name: str) -> None:
    task = simulated_task(name, data=BBH)
    rows = [*task.trainset, *task.valset, *task.testset]
    assert [len(task.trainset), len(task.valset), len(task.testset)] == [50, 50, 150]
    assert [TASKS[name].truth(row.question) for row in rows] == [row.answer for row in rows]
    landscape = Landscape(task, examples=rows)
    assert 0.15 <= landscape.accuracy({}) <= 0.45
    program = task.program.deepcopy()
    program.solve.signature = program.solve.signature.with_instructions(landscape.best_prompts()["solve"])
    with dspy.context(lm=simulated_lm(0)):
        right = sum(task.metric(row, program(question=row.question)) for row in rows)
    assert right / len(rows) >= 0.98


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_each_wording_teaches_its_own_rule_and_vague_ones_teach_none(stage) -> None:
    def names(text: str) -> list[str]:
        return [skill.name for skill in taught_by(stage.skills, text)]

    assert names(stage.start) == []
    for skill in stage.skills:
        assert [names(text) for text in skill.wordings] == [[skill.name]] * len(skill.wordings)
        assert all(skill.name in names(text) for text in skill.missing)
        assert not any(names(text) for text in skill.vague)
        assert all(skill.contradicts(text) and not names(text) for text in skill.contrary)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_skill_names_are_unique_and_contexts_stand_earlier(stage) -> None:
    names = [skill.name for skill in stage.skills]
    assert len(set(names)) == len(names)
    assert all(skill.after in names[:place] for place, skill in enumerate(stage.skills) if skill.after)


def test_a_persons_own_wording_teaches_too() -> None:
    stage = TASKS["object_counting"].stages[0][1]
    own = "whenever it says TWO of something, please count both of them"
    assert [skill.name for skill in taught_by(stage.skills, own)] == ["small_numbers"]


@pytest.mark.parametrize("name", task_names())
def test_shifted_questions_differ_and_are_understood(name: str) -> None:
    plain, shifted = simulated_task(name, n_test=60), simulated_task(name, n_test=60, shifted=True)
    source = TASKS[name].stages[0][1].source
    assert {row[source] for row in plain.testset} != {row[source] for row in shifted.testset}
    assert Landscape(shifted).best >= 0.98
    assert Landscape(shifted).accuracy({}) != Landscape(plain).accuracy({})


def test_generated_sets_do_not_overlap_and_repeat_with_the_seed() -> None:
    one, two = simulated_task("object_counting", seed=3), simulated_task("object_counting", seed=3)
    questions = [row.question for row in (*one.trainset, *one.valset, *one.testset)]
    assert len(set(questions)) == len(questions) == 250
    assert [row.question for row in two.testset] == [row.question for row in one.testset]


def test_unknown_task_and_wrong_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a simulated task"):
        simulated_task("poetry")
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"question": "", "answer": "", "split": "train", "task": "other"}) + "\n")
    with pytest.raises(ValueError, match="holds no questions"):
        simulated_task("object_counting", data=file)
    with pytest.raises(ValueError, match="shifted"):
        simulated_task("object_counting", data=file, shifted=True)


def test_feedback_metric_says_what_was_expected() -> None:
    task = simulated_task("object_counting")
    verdict = task.feedback_metric(task.trainset[0], dspy.Prediction(answer="99"), None, "solve", None)
    assert verdict.score == 0.0
    assert task.trainset[0].answer in verdict.feedback
    assert task.metric(task.trainset[0], dspy.Prediction(answer=task.trainset[0].answer)) == 1.0


@pytest.mark.parametrize("name", task_names())
def test_a_question_in_the_prompt_is_no_rule(name: str) -> None:
    stage = TASKS[name].stages[0][1]
    for row in simulated_task(name).trainset:
        case = stage.parse(row[stage.source])
        assert case is not None
        quoted = f'For example, "{case.text}" has the answer {stage.truth(case)}.'
        assert knowledge(stage, quoted).taught == frozenset()
        words = " ".join(case.text.split()[:4])
        assert not taught_by(stage.skills, f'In "{words} ..." what was given is wrong.')
