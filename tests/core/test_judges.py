"""Judges: the contract, judges of one's own, and the former name."""

import contextlib
import dataclasses
import random

import pytest
from world import Script, World, has, rule, run_of

from dspy_dlpo import Bar, EditJudge, Judge, Judging, Stopping, WholeJudge
from dspy_dlpo.core.budget import BudgetSpent
from dspy_dlpo.core.history import LedgerEntry
from dspy_dlpo.core.judging import Judgement, judge
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.roles import Reply
from dspy_dlpo.testing import check_judge


@dataclasses.dataclass(frozen=True)
class OneByOne(Judge):
    """Keeps each edit that alone is no worse than none; or breaks the contract in the way that `how` names."""

    how: str = ""

    def judge(self, incumbent, edits, bar, rules):
        if self.how == "ignores the budget":
            with contextlib.suppress(BudgetSpent):
                return self._judged(incumbent, edits, bar, rules)
            return dict(incumbent.prompts), Judgement(False, False, None, Why.OTHER.because("no money")), ()
        return self._judged(incumbent, edits, bar, rules)

    def _judged(self, incumbent, edits, bar, rules):
        verdicts = {
            edit: judge(incumbent, incumbent.part((edit,)), Bar(incumbent.mean, strict=False)).passed for edit in edits
        }
        kept = tuple(edit for edit in edits if verdicts[edit])
        kept = kept if self.how == "ignores the rules" else rules.legal(kept)
        prompts = incumbent.part(kept)
        judgement = judge(incumbent, prompts, bar)
        match self.how:
            case "chance":
                judgement = dataclasses.replace(judgement, reason=Why.OTHER.because(random.random()))
            case "says why in a sentence":
                judgement = dataclasses.replace(judgement, reason="it pays")
            case "scores too well":
                judgement = dataclasses.replace(judgement, score=1.0)
            case "keeps more than it says":
                return (
                    incumbent.part(edits),
                    judge(incumbent, incumbent.part(edits), Bar(-1.0)),
                    self._ledger(edits[:1], kept),
                )
            case "says of other prompts":
                return incumbent.prompts, judgement, self._ledger(edits, edits)
        return prompts, judgement, self._ledger(edits, kept)

    def _ledger(self, edits, kept):
        return tuple(LedgerEntry(edit, kept=edit in kept, reason=Why.OTHER.because("one by one")) for edit in edits)

    def first_examples(self, count):
        return 0 if self.how == "begins with none" else count


def test_judges_that_keep_the_contract_pass() -> None:
    for each in (OneByOne(), EditJudge(), EditJudge(wave=3), WholeJudge()):
        check_judge(each)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("chance", "the same runs give something else"),
        ("says why in a sentence", "'it pays' is no Reason"),
        ("ignores the rules", "the rules do not admit together"),
        ("ignores the budget", "let BudgetSpent through"),
        ("scores too well", "its score is 1.0, not"),
        ("keeps more than it says", "does not tell of each edit once"),
        ("says of other prompts", "not what the kept edits lead to"),
        ("begins with none", r"first_examples\(1\) is 0"),
    ],
)
def test_contract_names_what_a_judge_breaks(how: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_judge(OneByOne(how=how))


def test_a_judge_of_ones_own_judges_a_run() -> None:
    def score(text: str, x: int, rollout: int) -> float:
        return float(has(text, x % 4) and not (has(text, 9) and x % 2))

    script = Script(lambda step, prompt: Reply((rule(0), rule(9), rule(1))))
    run = run_of(World(score), script, judging=OneByOne(wave=4), stopping=Stopping(max_steps=1))
    list(run.records())
    assert [str(entry.reason) for entry in run.history[1].ledger] == ["one by one"] * 3
    assert [has(run.prompts["solve"], number) for number in (0, 1, 9)] == [True, True, True]


@pytest.mark.parametrize(
    ("by", "judge"),
    [("edit", EditJudge(first=8, wave=4)), ("whole", WholeJudge(wave=4, trials=True))],
)
def test_the_former_name_gives_the_judge_and_says_so(by, judge) -> None:
    with pytest.warns(DeprecationWarning, match=rf"is now {type(judge).__name__}\(\)"):
        assert Judging(by=by, first=8, wave=4) == judge


def test_the_former_name_refuses_what_is_none() -> None:
    with pytest.raises(ValueError, match="Pass an EditJudge or a WholeJudge"):
        Judging(by="sentence")
