"""A controller's choice holds for one step, stands in its record, and is refused where the plan refuses it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from world import Script, World, has, rule, run_of

from dspy_dlpo import Annealing, Controller, ControllerError, Dropout, LearningRate, LinearDecay, Momentum, Schedule
from dspy_dlpo.core.controller import controlled, step_numbers
from dspy_dlpo.core.edits import distance
from dspy_dlpo.core.history import History, StepContext
from dspy_dlpo.core.json_lines import to_json
from dspy_dlpo.core.judges import EditJudge, WholeJudge
from dspy_dlpo.core.plan import Plan, Stopping
from dspy_dlpo.core.reading import record_from_data
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.roles import Reply

QUIET = EditJudge(first=16, wave=4)
TECHNIQUES = (LearningRate(LinearDecay(8, 2)), Dropout(0.1), Momentum())
FIRST = StepContext(0, 0.0, History())


@dataclass(frozen=True)
class Fixed(Controller):
    """Chooses the same in every step."""

    numbers: Mapping[str, Any] = field(default_factory=dict)

    def choose(self, plan, ctx):
        return self.numbers


@dataclass(frozen=True)
class Counting(Controller):
    """Chooses as many edits, and examples, as steps were made before; keeps what it was asked."""

    asked: list = field(default_factory=list)

    def choose(self, plan, ctx):
        self.asked.append((plan, ctx))
        count = 1 + len(ctx.history.steps())
        return {"LearningRate.max_edits": count, "batch_size": count}


def rewards(text: str, x: int, rollout: int) -> float:
    return float(has(text, x % 4))


def bold(step: int, prompt: str) -> Reply:
    return Reply(tuple(rule(number) for number in range(4, 10) if not has(prompt, number)))


def run_with(controller, reply=bold, **changes):
    plan = {"techniques": TECHNIQUES, "judging": QUIET, "stopping": Stopping(max_steps=8), "limit": 900, **changes}
    run = run_of(World(rewards), Script(reply), start="Start. More words. Rule 00.", controller=controller, **plan)
    list(run.records())
    return run


def story(run):
    return [replace(record, chosen={}) for record in run.history]


# --- what is chosen holds --------------------------------------------------------------------------------------------


def test_the_record_of_each_step_shows_what_was_chosen_and_no_other_record_does() -> None:
    run = run_with(Counting())
    steps = run.history.steps()
    assert len(steps) >= 3
    assert [step.chosen for step in steps] == [
        {"LearningRate.max_edits": i, "batch_size": i} for i in range(1, len(steps) + 1)
    ]
    assert {record.kind for record in run.history} > {"step"}
    assert not any(record.chosen for record in run.history if record.kind != "step")


def test_the_chosen_limit_of_edits_is_enforced_whatever_the_writer_answers() -> None:
    run = run_with(Counting(), techniques=(LearningRate(10),), judging=WholeJudge(wave=4))
    steps = run.history.steps()
    assert [len(step.edits) for step in steps[:3]] == [1, 2, 3]
    for limit, step in enumerate(steps, start=1):
        assert distance(step.prompts["solve"], step.proposal["solve"]) <= limit
        assert any("in one step" in each.reason for each in step.dropped) == (limit < len(bold(0, "").edits))


def test_the_chosen_limit_of_edits_is_told_to_the_writer() -> None:
    script = Script(bold)
    run = run_of(World(rewards), script, techniques=(LearningRate(10),), judging=QUIET, controller=Counting())
    list(run.records())
    told = [update.constraints[-1].text.split(".")[0] for update in script.updates[:3]]
    assert told == [f"Change at most {count}" for count in ("one sentence", "2 sentences", "3 sentences")]


def test_as_many_failing_examples_are_shown_as_were_chosen() -> None:
    steps = run_with(Counting()).history.steps()
    assert [len(step.batch) for step in steps] == list(range(1, len(steps) + 1))


def test_a_batch_larger_than_what_fails_shows_all_that_fails() -> None:
    steps = run_with(Fixed({"batch_size": 1000})).history.steps()
    assert [len(step.batch) for step in steps] == [12] * len(steps)
    assert steps


CHOICE = {"LearningRate.max_edits": 3, "batch_size": 2, "Dropout.p": 0.4, "Annealing.temperature": 2.5}


def test_a_run_of_constant_choices_is_the_run_with_these_numbers_in_its_plan() -> None:
    chosen = run_with(Fixed(CHOICE), acceptance=Annealing(LinearDecay(1.0, 0.0)))
    techniques = (LearningRate(3), Dropout(0.4), Momentum())
    planned = run_with(None, techniques=techniques, acceptance=Annealing(2.5), batch_size=2)
    assert story(chosen) == story(planned)
    unchosen = run_with(None, acceptance=Annealing(LinearDecay(1.0, 0.0)))
    assert story(chosen) != story(unchosen)


def test_what_is_left_out_stays_as_the_plan_says() -> None:
    assert story(run_with(Fixed({}))) == story(run_with(None))


def test_without_a_controller_nothing_is_chosen() -> None:
    assert not any(record.chosen for record in run_with(None).history)


def test_the_controller_is_given_the_plan_as_it_was_made_and_the_history_so_far() -> None:
    controller = Counting()
    run = run_with(controller)
    assert [plan for plan, _ in controller.asked] == [run.plan] * len(run.history.steps())
    steps = [record.index for record in run.history.steps()]
    assert [ctx.index for _, ctx in controller.asked] == steps
    assert [len(ctx.history) for _, ctx in controller.asked] == steps
    assert [ctx.progress for _, ctx in controller.asked] == [record.progress for record in run.history.steps()]


def test_a_step_that_comes_to_nothing_shows_what_was_chosen_too() -> None:
    run = run_with(Fixed({"batch_size": 3}), reply=lambda step, prompt: Reply())
    assert run.history.steps()[0].reason.why is Why.NOTHING_PROPOSED
    assert run.history.steps()[0].chosen == {"batch_size": 3}


def test_a_step_that_the_budget_cuts_shows_what_was_chosen_too() -> None:
    run = run_with(Fixed({"batch_size": 3}), limit=20)
    assert run.history[-1].reason.why is Why.BUDGET_ENDED
    assert run.history[-1].chosen == {"batch_size": 3}


# --- the record on disk ----------------------------------------------------------------------------------------------


def test_what_was_chosen_survives_the_file_whole_numbers_as_such() -> None:
    record = run_with(Fixed({"batch_size": 2, "Dropout.p": 0.4})).history.steps()[0]
    again = record_from_data(json.loads(to_json(record)))
    assert again == record
    assert {name: type(value) for name, value in again.chosen.items()} == {"batch_size": int, "Dropout.p": float}


def test_a_record_written_before_there_were_controllers_can_be_read() -> None:
    record = run_with(None).history[1]
    old = json.loads(to_json(record))
    del old["chosen"]
    assert record_from_data(old) == record


# --- illegal choices -------------------------------------------------------------------------------------------------

ILLEGAL = [
    (
        {"LearningRate.edits": 3},
        "LearningRate.edits=3, which this plan does not have. It has Annealing.temperature, Dro",
    ),
    ({"judging.first": 8}, "judging.first=8, which this plan does not have"),
    ({"techniques.0.max_edits": 3}, "techniques.0.max_edits=3, which this plan does not have"),
    (
        {"LearningRate.max_edits": 0},
        "LearningRate.max_edits=0, which the plan refuses: LearningRate(max_edits=0) must be",
    ),
    ({"Dropout.p": 1.5}, "Dropout.p=1.5, which the plan refuses: Dropout(p=1.5) must be at least 0 and at most 1"),
    ({"Annealing.temperature": -0.1}, "Annealing.temperature=-0.1, which the plan refuses"),
    ({"batch_size": 0}, "batch_size=0, which the plan refuses: batch_size=0 must be a whole number of at least 1"),
    ({"batch_size": 2.5}, "batch_size=2.5, which the plan refuses: batch_size=2.5 must be a whole number"),
    ({"Momentum.window": 2.0}, "Momentum.window=2.0, which the plan refuses"),
    ({"Dropout.p": math.nan}, "Dropout.p=nan, which is no finite number"),
    ({"Dropout.p": True}, "Dropout.p=True, which is no finite number"),
    ({"Dropout.p": "0.1"}, "Dropout.p='0.1', which is no finite number"),
    ({"Dropout.p": LinearDecay(0.5, 0.0)}, "which is no finite number"),
    (None, "chose None. Return numbers by name"),
    ([("Dropout.p", 0.1)], "Return numbers by name"),
]


@pytest.mark.parametrize(("choice", "said"), ILLEGAL, ids=lambda value: str(value)[:40])
def test_an_illegal_choice_is_told_with_the_controller_the_name_and_the_value(choice, said: str) -> None:
    plan = Plan(TECHNIQUES, Annealing(), controller=Fixed(choice))
    with pytest.raises(ControllerError) as caught:
        controlled(plan, FIRST)
    assert said in str(caught.value)
    assert str(caught.value).startswith("Fixed(numbers=")


def test_an_illegal_choice_in_mid_run_ends_it_with_the_history_kept() -> None:
    @dataclass(frozen=True)
    class Growing(Controller):
        def choose(self, plan, ctx):
            return {"Dropout.p": 0.4 * len(ctx.history.steps())}

    run = run_with(Growing())
    assert len(run.history.steps()) == 3
    assert "Dropout.p=1.2" in str(run.ended)
    assert not run.ended_for_good


def test_a_plan_without_a_controller_is_its_own_plan_of_each_step() -> None:
    plan = Plan(TECHNIQUES)
    assert controlled(plan, FIRST) == (plan, {})
    assert controlled(plan, FIRST)[0] is plan


# --- what may be chosen ----------------------------------------------------------------------------------------------


def test_the_numbers_of_a_step_are_those_of_techniques_acceptance_and_batch() -> None:
    plan = Plan(TECHNIQUES, Annealing(LinearDecay(1.0, 0.0)), batch_size=8)
    found = step_numbers(plan)
    assert {name: each.path for name, each in found.items()} == {
        "LearningRate.max_edits": "techniques.0.max_edits",
        "Dropout.p": "techniques.1.p",
        "Momentum.window": "techniques.2.window",
        "Momentum.decay": "techniques.2.decay",
        "Annealing.temperature": "acceptance.temperature",
        "batch_size": "batch_size",
    }
    assert found["Annealing.temperature"].at(0.25) == 0.75
    assert [found["LearningRate.max_edits"].at(progress) for progress in (0.0, 0.3, 1.0)] == [8, 6, 2]
    assert isinstance(found["LearningRate.max_edits"].at(0.3), int)


def test_a_plan_without_techniques_still_has_its_batch() -> None:
    assert set(step_numbers(Plan())) == {"batch_size"}


@pytest.mark.parametrize("size", [0, -1, 2.5, "4", None, True])
def test_an_illegal_batch_is_refused_by_the_plan(size) -> None:
    with pytest.raises((ValueError, TypeError), match="batch_size="):
        Plan(batch_size=size)


def test_a_schedule_is_never_chosen_but_may_be_replaced() -> None:
    plan, _ = controlled(Plan(TECHNIQUES, controller=Fixed({"LearningRate.max_edits": 5})), FIRST)
    assert plan.techniques[0] == LearningRate(5)
    assert not isinstance(plan.techniques[0].max_edits, Schedule)
    assert plan.techniques[1:] == TECHNIQUES[1:]
