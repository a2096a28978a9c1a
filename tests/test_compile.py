"""The main job, end to end, on the simulated model."""

import json
import subprocess
import sys

import dspy
import pytest
from event_logs import events

from dspy_dlpo import Budget, DLPOTeleprompter, EditJudge, Stopping, paper_settings, tgd_settings
from dspy_dlpo.core.history import prompts_key
from dspy_dlpo.core.sentences import count_words
from dspy_dlpo.core.storage import read_history, read_state
from dspy_dlpo.simulation import Landscape, Noise, engine_of, simulated_lm, simulated_task


def compiled(name="object_counting", *, calls=300, seed=0, lm=None, n_val=30, **settings):
    task = simulated_task(name, n_train=40, n_val=n_val, n_test=4, seed=seed)
    with dspy.context(lm=lm or simulated_lm(seed)):
        optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=calls), seed=seed, **settings)
        return task, optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)


def without_clock(result):
    """Every record as plain data, less the seconds it took."""
    return [{**record, "seconds": 0} for record in result.to_dict()["history"]]


@pytest.mark.parametrize("name", ["object_counting", "support_desk"])
def test_a_program_gets_better_instructions(name):
    task, better = compiled(name, calls=600)
    landscape, result = Landscape(task), better.detailed_results
    assert landscape.accuracy(result.best_prompts) > landscape.accuracy(result.start_prompts) + 0.2
    assert {key: p.signature.instructions for key, p in better.named_predictors()} == result.best_prompts
    assert "points on valset (95% interval" in result.verdict


@pytest.mark.parametrize("preset", [paper_settings, tgd_settings])
def test_the_other_presets_run(preset):
    _, better = compiled(calls=200, **preset())
    assert any(record.accepted for record in better.detailed_results.history.steps())


def test_the_student_is_not_changed():
    task = simulated_task("support_desk", n_train=30, n_val=10)
    own = simulated_lm(7)
    task.program.extract.lm = own
    task.program.extract.demos = [dspy.Example(ticket="a", facts="b")]
    before = {name: p.signature for name, p in task.program.named_predictors()}
    with dspy.context(lm=simulated_lm(0)):
        better = DLPOTeleprompter(task.metric, budget=Budget(120)).compile(task.program, trainset=task.trainset)
    assert {name: p.signature for name, p in task.program.named_predictors()} == before
    assert better.extract.lm is own
    assert task.program.extract.lm is own
    assert better.extract.demos == task.program.extract.demos
    assert not hasattr(task.program, "detailed_results")


def test_the_result_saves_and_loads_with_dspys_own_save_and_load(tmp_path):
    task, better = compiled(calls=250)
    better.save(tmp_path / "better.json")
    loaded = simulated_task("object_counting").program
    loaded.load(tmp_path / "better.json")
    with dspy.context(lm=simulated_lm(0)):
        for example in task.testset:
            assert loaded(**example.inputs()).answer == better(**example.inputs()).answer


def test_the_result_can_be_read_as_plain_data_and_saved(tmp_path):
    _, better = compiled(calls=150)
    result = better.detailed_results
    result.save(tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text()) == result.to_dict()
    assert result.curve[0][1] == pytest.approx(result.history[0].score)
    assert [number for number, *_ in result.steps] == list(range(len(result.history)))


def test_the_thread_count_does_not_change_the_run():
    histories = [without_clock(compiled(num_threads=threads)[1].detailed_results) for threads in (1, 16)]
    assert histories[0] == histories[1]


def test_two_compiles_of_one_object_give_the_same():
    task = simulated_task("object_counting", n_train=30, n_val=10)
    with dspy.context(lm=simulated_lm(0)):
        optimizer = DLPOTeleprompter(task.metric, budget=Budget(150))
        runs = [optimizer.compile(task.program, trainset=task.trainset, valset=task.valset) for _ in range(2)]
    assert without_clock(runs[0].detailed_results) == without_clock(runs[1].detailed_results)


SCRIPT = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
from test_compile import compiled, without_clock
text = json.dumps(without_clock(compiled(calls=150)[1].detailed_results))
print(hashlib.sha256(text.encode()).hexdigest())
"""


@pytest.mark.slow
def test_processes_with_different_hash_seeds_give_the_same_run(request):
    folder = str(request.path.parent)
    digests = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", SCRIPT, folder]
        done = subprocess.run(command, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True)
        digests.add(done.stdout.strip())
    assert len(digests) == 1


def test_another_seed_gives_another_run():
    task = simulated_task("object_counting", n_train=40, n_val=10)
    lm = simulated_lm(0)
    with dspy.context(lm=lm):
        runs = [
            DLPOTeleprompter(task.metric, budget=Budget(120), seed=seed).compile(
                task.program, trainset=task.trainset, valset=task.valset
            )
            for seed in (0, 1)
        ]
    assert without_clock(runs[0].detailed_results) != without_clock(runs[1].detailed_results)


@pytest.mark.few(3)
@pytest.mark.parametrize("calls", [60, 123, 400])
@pytest.mark.parametrize("threads", [1, 32])
def test_the_budget_is_never_exceeded_counted_at_the_engine(calls, threads):
    task_lm = simulated_lm(0)
    _, better = compiled(calls=calls, num_threads=threads, task_model=task_lm, prompt_model=simulated_lm(1))
    assert engine_of(task_lm).counts.calls <= calls
    assert better.detailed_results.spent["metric_calls"] == engine_of(task_lm).counts.calls


@pytest.mark.parametrize("critic", [True, False])
def test_what_was_spent_is_told_by_role(critic):
    task_lm, prompt_lm = simulated_lm(0), simulated_lm(1)
    _, better = compiled(task_model=task_lm, prompt_model=prompt_lm, critic=critic)
    spent = better.detailed_results.spent
    assert spent["task"]["calls"] == engine_of(task_lm).counts.calls
    roles = [spent[role] for role in ("critic", "writer") if role in spent]
    assert sum(role["calls"] for role in roles) == engine_of(prompt_lm).counts.calls
    assert len(roles) == 1 + critic
    assert all(role["input_tokens"] > 0 for role in roles)


def test_without_a_valset_some_of_the_trainset_is_held_out():
    task = simulated_task("object_counting", n_train=80)
    with dspy.context(lm=simulated_lm(0)):
        better = DLPOTeleprompter(task.metric, budget=Budget(500)).compile(task.program, trainset=task.trainset)
    assert "40 examples held out of the trainset" in better.detailed_results.verdict
    assert better.detailed_results.comparison.examples == 40


def test_when_nothing_may_be_held_out_the_verdict_says_so():
    task = simulated_task("object_counting", n_train=40)
    with dspy.context(lm=simulated_lm(0)):
        optimizer = DLPOTeleprompter(task.metric, budget=Budget(200), judging=EditJudge(holdout=0))
        better = optimizer.compile(task.program, trainset=task.trainset)
    assert "nothing was held out" in better.detailed_results.verdict
    assert better.detailed_results.best_prompts != better.detailed_results.start_prompts


def test_with_few_held_out_examples_the_verdict_says_too_few_to_tell():
    _, better = compiled(n_val=12)
    assert better.detailed_results.verdict.startswith("too few to tell")


@pytest.mark.parametrize("seed", range(3))
def test_the_result_is_never_worse_on_valset_than_the_start(seed):
    comparison = compiled(seed=seed, calls=200, lm=simulated_lm(seed, noise=Noise(fresh=0.2)))[
        1
    ].detailed_results.comparison
    assert comparison.start is None or comparison.best >= comparison.start


def test_the_run_directory_holds_settings_history_and_every_call(tmp_path):
    log_dir = tmp_path / "run"
    _, better = compiled(calls=150, log_dir=log_dir)
    result = better.detailed_results
    assert [record.reason for record in read_history(log_dir)] == [record.reason for record in result.history]
    assert json.loads((log_dir / "run.json").read_text())["settings"]["seed"] == 0
    assert read_state(log_dir).budgets == [{"metric_calls": 150, "from_record": 0}]
    task_calls = events(log_dir, "RunDone")
    assert len(task_calls) == result.spent["metric_calls"]
    keys = [(call["set"], call["prompts"], call["row"]["example"], call["rollout"]) for call in task_calls]
    assert len(set(keys)) == len(keys), "no run is paid for twice"
    assert prompts_key(result.start_prompts) in {call["prompts"] for call in task_calls}
    assert len(events(log_dir, "ReplyDone")) == result.spent["writer"]["calls"]
    assert json.loads((log_dir / "result.json").read_text())["verdict"] == result.verdict
    assert log_dir.stat().st_mode & 0o077 == 0


def test_frozen_predictors_and_frozen_text_stay():
    task = simulated_task("support_desk", n_train=40, n_val=20)
    with dspy.context(lm=simulated_lm(0)):
        optimizer = DLPOTeleprompter(task.metric, budget=Budget(300), frozen=["extract", "for these facts"])
        better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
    result = better.detailed_results
    assert result.best_prompts["extract"] == result.start_prompts["extract"]
    for record in result.history:
        assert "for these facts" in record.proposal["decide"]
        assert record.proposal["extract"] == result.start_prompts["extract"]


def test_the_steps_limit_ends_the_run_and_is_the_clock():
    _, better = compiled(calls=600, stopping=Stopping(max_steps=4))
    history = better.detailed_results.history
    assert [record.kind for record in history].count("prune") == len(history) - 5
    assert [round(record.progress, 2) for record in history[1:5]] == [0.0, 0.25, 0.5, 0.75]
    assert better.detailed_results.ended == "4 steps are done"


def test_every_record_is_told_as_it_is_made():
    told = []
    _, better = compiled(calls=150, on_record=told.append)
    assert told == list(better.detailed_results.history)


def test_a_feedback_metric_reaches_the_critic():
    task = simulated_task("object_counting", n_train=30, n_val=10)
    with dspy.context(lm=simulated_lm(0)):
        optimizer = DLPOTeleprompter(task.feedback_metric, budget=Budget(120))
        better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
    assert better.detailed_results.history.steps()


def test_prompts_stay_within_the_word_limit():
    _, better = compiled(calls=400)
    assert all(count_words(text) <= 200 for text in better.detailed_results.best_prompts.values())


def test_parameters_are_a_copy_that_names_models_only():
    lm = simulated_lm(0)
    optimizer = DLPOTeleprompter(lambda gold, pred: 1.0, prompt_model=lm)
    params = optimizer.get_params()
    assert params["prompt_model"] == lm.model
    params["seed"] = 99
    assert optimizer.get_params()["seed"] == 0
