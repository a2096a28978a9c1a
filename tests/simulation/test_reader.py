"""What makes the simulated task model like a real one: each phenomenon appears when turned up and is gone when off."""

import dspy
import pytest

from dspy_dlpo.simulation import Landscape, Noise, Reader, simulated_lm, simulated_task, task_names
from dspy_dlpo.simulation.drafting import USELESS
from dspy_dlpo.simulation.tasks import TASKS

TASK = simulated_task("object_counting", n_test=120)
BEST = Landscape(TASK).best_prompts()["solve"]


def with_prompt(text: str, demos: list[dspy.Example] | None = None) -> dspy.Module:
    program = TASK.program.deepcopy()
    program.solve.signature = program.solve.signature.with_instructions(text)
    program.solve.demos = demos or []
    return program


def answers(lm: dspy.LM, text: str, demos: list[dspy.Example] | None = None, **config: object) -> list[str]:
    program = with_prompt(text, demos)
    with dspy.context(lm=lm):
        return [program.solve(question=row.question, config=dict(config)).answer for row in TASK.testset]


def accuracy(lm: dspy.LM, text: str, demos: list[dspy.Example] | None = None, **config: object) -> float:
    return sum(a == row.answer for a, row in zip(answers(lm, text, demos, **config), TASK.testset, strict=True)) / len(
        TASK.testset
    )


def test_measured_accuracy_agrees_with_the_landscape() -> None:
    landscape = Landscape(TASK)
    assert accuracy(simulated_lm(0), BEST) == landscape.best == 1.0
    start = TASKS["object_counting"].stages[0][1].start
    means = [accuracy(simulated_lm(seed), start) for seed in range(8)]
    assert sum(means) / len(means) == pytest.approx(landscape.accuracy({}), abs=0.04)


@pytest.mark.parametrize("name", task_names())
def test_instructions_matter_only_as_far_as_the_task_is_difficult(name: str) -> None:
    easy = Landscape(name, reader=Reader(difficulty=0.0))
    half = Landscape(name, reader=Reader(difficulty=0.5))
    whole = Landscape(name)
    assert easy.accuracy({}) == pytest.approx(1.0)
    assert whole.accuracy({}) + 0.1 < half.accuracy({}) < 0.95
    assert whole.best == half.best == pytest.approx(1.0)


def test_nothing_is_slipped_when_nothing_is_difficult() -> None:
    start = TASKS["object_counting"].stages[0][1].start
    assert accuracy(simulated_lm(0, reader=Reader(difficulty=0.0)), start) == 1.0
    assert accuracy(simulated_lm(0), start) < 0.5


def test_a_weak_reader_replies_malformed_sometimes_and_a_strong_one_never() -> None:
    def unparsed(strength: float) -> int:
        lm, failed = simulated_lm(0, reader=Reader(strength=strength)), 0
        program = with_prompt(BEST)
        with dspy.context(lm=lm, adapter=dspy.ChatAdapter(use_json_adapter_fallback=False)):
            for row in TASK.testset:
                try:
                    program(question=row.question)
                except dspy.AdapterParseError:
                    failed += 1
        return failed

    assert unparsed(1.0) == 0
    assert 4 <= unparsed(0.0) <= 24  # a tenth of 120


def test_useless_sentences_harm_only_when_bloat_does() -> None:
    long = " ".join((BEST, *USELESS))
    assert Landscape(TASK, reader=Reader(bloat_harm=0.02)).accuracy({"solve": long}) < 0.9
    assert Landscape(TASK, reader=Reader(bloat_harm=0.0)).accuracy({"solve": long}) == pytest.approx(1.0)


def test_a_weak_reader_ignores_rules() -> None:
    assert Landscape(TASK, reader=Reader(strength=0.0)).best < 0.8
    assert accuracy(simulated_lm(0, reader=Reader(strength=0.3)), BEST) < 1.0


def test_a_sentence_needs_its_context_before_it_when_interactions_are_on() -> None:
    skills = {skill.name: skill.wordings[0] for skill in TASKS["object_counting"].stages[0][1].skills}
    first, then = skills.pop("itemize"), skills.pop("running_total")
    right, wrong = (" ".join(("Answer.", *order, *skills.values())) for order in ((first, then), (then, first)))
    assert Landscape(TASK).accuracy({"solve": wrong}) < Landscape(TASK).accuracy({"solve": right})
    off = Landscape(TASK, reader=Reader(interactions=False))
    assert off.accuracy({"solve": wrong}) == pytest.approx(off.accuracy({"solve": right}))


def test_contradictions_harm_when_interactions_are_on() -> None:
    spoiled = f"{BEST} Count everything on the list, whatever its kind."
    assert Landscape(TASK, reader=Reader(bloat_harm=0)).accuracy({"solve": spoiled}) < 0.97
    assert Landscape(TASK, reader=Reader(bloat_harm=0, interactions=False)).accuracy(
        {"solve": spoiled}
    ) == pytest.approx(1.0)


def test_copied_answers_help_there_and_loose_claims_hurt_elsewhere() -> None:
    row = TASK.testset[0]
    copied = Landscape(TASK, examples=[row]).accuracy(
        {"solve": f'For example, "{row.question}" has the answer {row.answer}.'}
    )
    assert copied == 1.0
    off = Landscape(TASK, reader=Reader(overfit_pull=0.0), examples=[row])
    assert off.accuracy({"solve": f'For example, "{row.question}" has the answer {row.answer}.'}) < 1.0
    claim = {"solve": f"{BEST} The answer is usually 77."}
    assert Landscape(TASK, reader=Reader(overfit_pull=0.3, bloat_harm=0)).accuracy(claim) == pytest.approx(
        0.7, abs=0.01
    )
    assert Landscape(TASK, reader=Reader(overfit_pull=0.0, bloat_harm=0)).accuracy(claim) == pytest.approx(1.0)


def test_worked_examples_teach_when_they_may() -> None:
    demos = [dspy.Example(question=row.question, answer=row.answer) for row in TASK.trainset[:16]]
    start = TASKS["object_counting"].stages[0][1].start
    none = accuracy(simulated_lm(0, reader=Reader(demo_teaches=0.0)), start, demos)
    assert none == accuracy(simulated_lm(0), start)
    assert accuracy(simulated_lm(0, reader=Reader(demo_teaches=0.5)), start, demos) > none + 0.2


def test_fixed_noise_repeats_and_is_reshuffled_by_every_change_of_the_prompt() -> None:
    lm = simulated_lm(0, noise=Noise(fixed=0.3))
    once = answers(lm, BEST, rollout_id=1)
    assert once == answers(lm, BEST, rollout_id=2)
    assert once != answers(lm, f"{BEST} ")[:1] or once != answers(lm, f"{BEST} Fine.")
    assert accuracy(lm, BEST) == pytest.approx(0.7, abs=0.12)
    assert Landscape(TASK, noise=Noise(fixed=0.3)).best == pytest.approx(0.7, abs=0.02)


def test_fresh_noise_differs_from_rollout_to_rollout_at_temperature_zero_too() -> None:
    lm = simulated_lm(0, noise=Noise(fresh=0.3))
    first, again, other = (answers(lm, BEST, rollout_id=k) for k in (1, 1, 2))
    assert first == again != other


def test_without_noise_rollouts_agree_unless_the_temperature_varies_them() -> None:
    start = TASKS["object_counting"].stages[0][1].start
    lm = simulated_lm(0)
    assert answers(lm, start, rollout_id=1) == answers(lm, start, rollout_id=2)
    warm = [answers(lm, start, rollout_id=k, temperature=1.0) for k in (1, 2)]
    assert warm[0] != warm[1]
    still = simulated_lm(0, reader=Reader(variability=0.0))
    assert answers(still, start, rollout_id=1, temperature=1.0) == answers(still, start, rollout_id=2, temperature=1.0)


@pytest.mark.parametrize(
    "adapter", [dspy.ChatAdapter(), dspy.JSONAdapter(), dspy.XMLAdapter()], ids=lambda a: type(a).__name__
)
def test_every_layout_of_dspy_is_read(adapter: dspy.Adapter) -> None:
    with dspy.context(adapter=adapter):
        assert accuracy(simulated_lm(0), BEST) == 1.0


def test_plain_chat_and_thinking_aloud_are_read() -> None:
    lm, row = simulated_lm(0), TASK.testset[0]
    assert lm(f"{BEST}\n\n{row.question}") == [row.answer]
    with dspy.context(lm=lm):
        thought = dspy.ChainOfThought(dspy.Signature("question -> answer", BEST))(question=row.question)
    assert thought.answer == row.answer
    assert thought.reasoning


def test_two_predictors_have_their_own_rules() -> None:
    landscape = Landscape("support_desk")
    best = landscape.best_prompts()
    halves = [landscape.accuracy({name: best[name]}) for name in best]
    assert all(landscape.accuracy({}) < half < landscape.best - 0.1 for half in halves)
    crossed = {"extract": best["decide"], "decide": best["extract"]}
    assert landscape.accuracy(crossed) < 0.5


def test_regret_is_the_distance_to_the_best() -> None:
    landscape = Landscape("object_counting")
    assert landscape.regret(landscape.best_prompts()) == 0.0
    assert landscape.regret({}) == pytest.approx(landscape.best - landscape.accuracy({}))
    with pytest.raises(ValueError, match="at least one example"):
        Landscape("object_counting", examples=[])


def test_rates_outside_zero_to_one_are_refused() -> None:
    for make in (lambda: Reader(strength=2.0), lambda: Noise(fresh=-0.1)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            make()
