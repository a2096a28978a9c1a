"""What was judged to its end when the budget ended is compared on held-out examples, and is the same after a kill."""

import math
import re
from dataclasses import dataclass

import dspy
import pytest
from event_logs import cut, events, lines
from scripted import fields, given, scripted_lm
from test_resume import story

from dspy_dlpo import Acceptance, Bar, Budget, DLPOTeleprompter, EditJudge
from dspy_dlpo.core.history import History, StepContext, prompts_key

RULES = tuple(f"Rule {i:02d} says so." for i in range(6))
ORDER = list(range(24))
StepContext(0, 0.0, History(), 0).rng("judging set").shuffle(ORDER)
# Four are repaired and three broken, all of these in the last wave: a gain that is known to its end.
REPAIRED, BROKEN = ORDER[:4], ORDER[-3:]


class Pair(dspy.Module):
    """Two predictors; of a proposal for both that misses its bar, that for one of them is judged."""

    def __init__(self) -> None:
        super().__init__()
        self.first = dspy.Predict(dspy.Signature("question -> note", "Note a number."))
        self.second = dspy.Predict(dspy.Signature("question, note -> answer", "Say a number."))

    def forward(self, question: str) -> dspy.Prediction:
        return self.second(question=question, note=self.first(question=question).note)


def reply(system: str, user: str) -> str:
    """Writer and task model: each predictor is given a rule that repairs; that of the second breaks more."""
    if "begins with ADD:" in user:
        return f"ADD: {RULES[5] if 'Note a number.' in user else RULES[1]}"
    number = int(re.findall(r"number (\d+)", user)[-1])
    if "[[ ## note ## ]]" in system and "[[ ## answer ## ]]" not in system:
        return fields(note="yes" if RULES[5] in system else "no")
    if number % 100 in REPAIRED[:-1]:
        right = given(user, "note") == "yes"
    elif number % 100 in REPAIRED:
        right = RULES[1] in system
    else:
        right = number % 100 not in BROKEN or RULES[1] not in system
    return fields(answer=str(number) if right else "wrong")


def examples(start: int) -> list[dspy.Example]:
    numbers = range(start, start + 24)
    return [dspy.Example(question=f"number {n}", answer=str(n)).with_inputs("question") for n in numbers]


def metric(gold, pred, trace=None):
    return float(gold.answer == pred.answer)


# It ends while the better half is judged.
CALLS = 100


@dataclass(frozen=True)
class Choosy(Acceptance):
    """Asks for two examples more than the prompts in force have."""

    def bar(self, incumbent, ctx) -> Bar:
        return Bar(math.fsum(incumbent) / len(incumbent) + 2 / len(incumbent), strict=False)


def compiled(log_dir, calls: int):
    lm = scripted_lm(reply)
    optimizer = DLPOTeleprompter(
        metric,
        task_model=lm,
        prompt_model=lm,
        techniques=(),
        acceptance=Choosy(),
        judging=EditJudge(first=24, wave=4),
        budget=Budget(metric_calls=calls),
        log_dir=log_dir,
        num_threads=1,
        gradients=1,
    )
    return optimizer.compile(Pair(), trainset=examples(0), valset=examples(100)).detailed_results


def compared(folder) -> set[str]:
    """The keys of the prompts that ran on validation examples."""
    return {event["prompts"] for event in events(folder, "RunDone") if event["set"] == "val"}


def is_kept(result) -> bool:
    """Whether a proposal that gains was judged to its end, and missed its bar."""
    return any(not each.accepted and each.complete and each.score > each.base for each in result.history.steps())


@pytest.mark.slow
def test_wherever_the_budget_ends_the_best_that_is_complete_is_compared(tmp_path):
    kept = 0
    for calls in range(60, 140, 4):
        result = compiled(tmp_path / str(calls), calls)
        assert result.spent["metric_calls"] <= calls
        best = result.history.ranked()[0].prompts
        kept += is_kept(result)
        if best != result.start_prompts:
            assert prompts_key(best) in compared(tmp_path / str(calls)), calls
    assert kept


@pytest.mark.slow
def test_what_the_budget_cut_short_is_the_same_after_a_kill(tmp_path):
    folder = tmp_path / "whole"
    result = compiled(folder, CALLS)
    assert is_kept(result)
    assert prompts_key(result.history[-1].proposal) in compared(folder)
    for count in range(0, len(lines(folder)), 9):
        again = compiled(cut(folder, tmp_path / str(count), count), CALLS)
        assert again.best_prompts == result.best_prompts, count
        assert story(again) == story(result), count


def test_a_raised_budget_goes_on_from_what_was_kept(tmp_path):
    first = compiled(tmp_path / "run", CALLS)
    again = compiled(tmp_path / "run", 4 * CALLS)
    assert story(again)[: len(first.history)] == story(first)
    assert len(again.history) > len(first.history)
