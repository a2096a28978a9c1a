"""Judge a proposal: the whole of it first, and where that fails, which edit gained and which lost what.

Several edits are judged together, because changes of score are few and it is cheap to find the edit behind each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

from dspy_dlpo.core.acceptance import TOLERANCE, Bar
from dspy_dlpo.core.edits import Edit, Edits, shortens
from dspy_dlpo.core.history import LedgerEntry, Prompts, ledger_as_one
from dspy_dlpo.core.judging import Incumbent, Judgement, judge
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.thresholds import THRESHOLDS

# The prompts that came of a proposal, their judgement, and what each edit was found to do.
Judged = tuple[Prompts, Judgement, tuple[LedgerEntry, ...]]


@dataclass
class _Account:
    """What one edit has been found to do so far: signed changes of score by example."""

    edit: Edit
    shortens: bool
    gained: dict[int, float] = field(default_factory=dict)
    lost: dict[int, float] = field(default_factory=dict)
    why: Why | None = None  # why it goes; None while it stays

    @property
    def net(self) -> float:
        return math.fsum(self.gained.values()) + math.fsum(self.lost.values())


def judge_edits(
    incumbent: Incumbent, edits: Edits, bar: Bar, must_pay: Callable[[Edit], bool] = lambda edit: False
) -> Judged:
    """Judge a proposal as a whole; if it fails, edit by edit.

    What reaches the bar is in force at once, and trials look into its sentences later, as far as that pays: to find the
    best part first may take more than a budget has. 13 edits took 124 of 300 runs. Edits of several predictors are
    taken whole only if they gain while the bar lies below the incumbent, and attributed else: that also tells which
    predictor was at fault, and fewer riders of others pass.

    Args:
        incumbent: What it is compared with, on the judging set.
        edits: Edits of the incumbent that the constraints admit.
        bar: The bar, set for the incumbent as it stands.
        must_pay: Which edits must repair something, even where the bar would let one pass that has no effect: with one
            of them a proposal is taken whole only if it gains.

    Returns:
        The surviving prompts, their judgement, and what each edit gained and lost, as far as that is known.

    Raises:
        BudgetSpent: When a wave cannot be paid for.
    """
    is_hot, several = bar.lowest < incumbent.mean - TOLERANCE, _of_several(edits)
    if len(edits) > 1 and (is_hot or not several):
        together = incumbent.part(edits)
        judgement = judge(incumbent.trusting, together, bar)
        gains = judgement.score is not None and judgement.score > incumbent.mean + TOLERANCE
        if judgement.passed and (gains or not (several or any(map(must_pay, edits)))):
            return together, judgement, ledger_as_one(edits, Why.TAKEN_WHOLE)
    return judge_by_edit(incumbent, edits, bar, must_pay)


def judge_by_edit(
    incumbent: Incumbent,
    edits: Edits,
    bar: Bar,
    must_pay: Callable[[Edit], bool] = lambda edit: False,
    *,
    idle: bool = False,
) -> Judged:
    """Attribute what edits change, drop those that do not pay, and judge what survives.

    All edits run together on the incumbent's failures, and each change of score there is attributed. Edits that repair
    nothing go, unless they shorten, or are all of one predictor and the bar lies below the incumbent: a rider in a
    predictor that is not at fault must go. The others run on the passing examples, losses are attributed alike, and
    edits that cost more than the bar allows go. What survives is one fixed prompt, which `judge` judges. No run is made
    twice.

    Args:
        incumbent: What it is compared with, on the judging set.
        edits: Edits of the incumbent that the constraints admit.
        bar: The bar, set for the incumbent as it stands.
        must_pay: Which edits must repair something, even where the bar would let one pass that has no effect.
        idle: Whether edits without effect may pass where the bar does not lie below the incumbent, too.

    Returns:
        The surviving prompts, their judgement, and what each edit gained and lost.

    Raises:
        BudgetSpent: When a wave cannot be paid for.
    """
    accounts = [_Account(edit, shortens(edit, incumbent.prompts[edit.predictor])) for edit in edits]
    allowed = (bar.lowest - incumbent.mean) * len(incumbent.examples)
    idle_may_pass = idle or (allowed < -TOLERANCE and not _of_several(edits))
    idle_is_fine = [(account.shortens or idle_may_pass) and not must_pay(account.edit) for account in accounts]
    # Where no edit need repair anything, all of them come to the passing examples.
    sure = incumbent.runs.wave if all(idle_is_fine) else 0
    _attribute(incumbent, accounts, incumbent.failing(), incumbent.passing(), expected=sure)
    for account, fine in zip(accounts, idle_is_fine, strict=True):
        if not account.gained and not fine:
            account.why = Why.REPAIRS_NOTHING
    alive = _without_losers(incumbent, _affordable(accounts, allowed), allowed)
    prompts = incumbent.part([account.edit for account in alive])
    if not alive:
        judgement = Judgement(False, False, None, Why.NO_EDIT_PAYS.because(_reasons(accounts)))
    else:
        judgement = judge(incumbent, prompts, bar)
    return prompts, judgement, tuple(_entry(account, account in alive) for account in accounts)


def _of_several(edits: Edits) -> bool:
    """Whether edits are of more than one predictor."""
    return len({edit.predictor for edit in edits}) > 1


def _without_losers(incumbent: Incumbent, alive: list[_Account], allowed: float) -> list[_Account]:
    """Run the edits together on the passing examples, wave by wave, and drop those found to cost too much.

    After a drop the others go on with the examples not seen yet: `judge` completes what survives on the earlier ones.
    """
    passing = incumbent.passing()
    harmless = 0  # so many examples in a row on which no edit was dropped
    for start in range(0, len(passing), incumbent.runs.wave):
        if not alive:
            break
        done = start + incumbent.runs.wave
        _attribute(incumbent, alive, passing[start:done], passing[done:], expected=harmless)
        left = _affordable(alive, allowed)
        harmless = harmless + incumbent.runs.wave if len(left) == len(alive) else 0
        alive = left
    return alive


def _affordable(accounts: list[_Account], allowed: float) -> list[_Account]:
    """The edits that are still in; those that cost more than the bar allows are told why they are not."""
    for account in accounts:
        if account.why is None and account.net < allowed - TOLERANCE:
            account.why = Why.LOSES_MORE
    return [account for account in accounts if account.why is None]


def _attribute(
    incumbent: Incumbent,
    accounts: list[_Account],
    examples: Sequence[int],
    prefetch: Sequence[int] = (),
    expected: int = 0,
) -> None:
    """Run all edits together on examples, and book each change of score on the edits that cause it.

    The examples that will be run on next, if the edits survive, may go out along.
    """
    together = incumbent.part([account.edit for account in accounts])
    pairs = [(together, x) for x in examples]
    if incumbent.runs.can_pay_for(3 * len(pairs)):  # with every change confirmed; else the last waves matter
        incumbent.ensure(pairs, [(together, x) for x in prefetch], expected)
    single = cache(lambda i: incumbent.part([accounts[i].edit]))
    changes: list[float] = []
    for start in range(0, len(pairs), incumbent.runs.wave):
        part = pairs[start : start + incumbent.runs.wave]
        # What `_alone` will run if these changes are confirmed, as they are where no repeated run has differed yet.
        sure = 1 < len(accounts) <= THRESHOLDS.many_edits and not incumbent.runs.differ
        changed = [x for _, x in part if incumbent.change(together, x)] if sure else []
        alone = [(single(i), x) for x in changed for i in range(len(accounts))]
        changes += incumbent.changes(part, alone, expected=THRESHOLDS.waves_ahead * incumbent.runs.wave)
    pending = {x: change for x, change in zip(examples, changes, strict=True) if change}
    if len(accounts) == 1:
        for x, change in pending.items():
            _book(accounts[0], x, change)
        return
    for x in _alone(incumbent, accounts, pending, single):
        _jointly(incumbent, accounts, x, pending[x])


def _alone(
    incumbent: Incumbent, accounts: list[_Account], pending: dict[int, float], single: Callable[[int], Prompts]
) -> list[int]:
    """Run changed examples with single edits, as `single` makes them, until the one behind each is found.

    The edits that explain most so far come first. All examples advance together, one edit each in a wave.

    Returns:
        The examples that no single edit explains.
    """
    untried = _narrowed(incumbent, accounts, pending)
    while any(untried.values()):
        tries = {x: _likeliest(accounts, left, pending[x]) for x, left in untried.items() if left}
        pairs = [(single(i), x) for x, i in tries.items()]
        prefetch = [(single(i), x) for x in tries for i in untried[x] if i != tries[x]]
        changes = incumbent.changes(pairs, prefetch, expected=THRESHOLDS.waves_ahead * incumbent.runs.wave)
        for (x, i), change in zip(tries.items(), changes, strict=True):
            untried[x].remove(i)
            if change * pending[x] > 0:
                _book(accounts[i], x, change)
                del untried[x]
    return list(untried)


def _narrowed(incumbent: Incumbent, accounts: list[_Account], pending: dict[int, float]) -> dict[int, list[int]]:
    """The edits that may be behind each change: all of them, or where they are many, those left after halving.

    The half that brings the change goes on; if the first does not, it is taken to be the other.
    """
    left = {x: list(range(len(accounts))) for x in pending}
    while halved := {x: each[: len(each) // 2] for x, each in left.items() if len(each) > THRESHOLDS.many_edits}:
        pairs = [(incumbent.part([accounts[i].edit for i in half]), x) for x, half in halved.items()]
        for (x, half), change in zip(halved.items(), incumbent.changes(pairs), strict=True):
            left[x] = half if change * pending[x] > 0 else left[x][len(half) :]
    return left


def _likeliest(accounts: list[_Account], left: list[int], change: float) -> int:
    """Of the edits left to try, the one that has explained most changes in this direction."""
    return min(left, key=lambda i: -len(accounts[i].gained if change > 0 else accounts[i].lost))


def _jointly(incumbent: Incumbent, accounts: list[_Account], example: int, change: float) -> None:
    """Leave edits out one at a time: those without which the change is gone share it."""
    others = [[other.edit for other in accounts if other is not account] for account in accounts]
    pairs = [(incumbent.part(edits), example) for edits in others]
    without = incumbent.changes(pairs)
    needed = [account for account, rest in zip(accounts, without, strict=True) if rest * change <= 0]
    for account in needed:
        _book(account, example, change / len(needed))


def _book(account: _Account, example: int, change: float) -> None:
    (account.gained if change > 0 else account.lost)[example] = change


def _reasons(accounts: list[_Account]) -> str:
    return ", ".join(sorted({account.why.sentence for account in accounts if account.why}))


def _entry(account: _Account, kept: bool) -> LedgerEntry:
    harmless = Why.SHORTENS if account.shortens else Why.HARMLESS
    why = account.why or (Why.PAYS if account.gained else harmless)
    return LedgerEntry(account.edit, tuple(sorted(account.gained)), tuple(sorted(account.lost)), kept, why.because())
