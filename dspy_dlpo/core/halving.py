"""Judge a proposal: the whole of it, and where that fails, the half that does best on what the whole changed.

Most edits of a proposal change few examples, and those are known once the whole has run. So a half need only run there
to be compared with the other half: with 16 judged examples of which 4 changed, that takes 8 runs for both, and 12 more
to judge the better one to its end. To ask of every edit what it does takes several times as much, and on many worlds
brought less than the steps that it costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from dspy_dlpo.core.acceptance import TOLERANCE, Bar
from dspy_dlpo.core.budget import BudgetSpent, RunEnds
from dspy_dlpo.core.edits import Edit, Edits
from dspy_dlpo.core.history import LedgerEntry, Prompts, ledger_as_one
from dspy_dlpo.core.judging import Incumbent, Judgement, judge
from dspy_dlpo.core.reasons import Reason, Why
from dspy_dlpo.core.thresholds import THRESHOLDS

# The prompts that came of a proposal, their judgement, and what became of each edit.
Judged = tuple[Prompts, Judgement, tuple[LedgerEntry, ...]]


class CutShort(BudgetSpent):
    """The budget ends among the halves of a proposal of which a part was judged to its end, and gains.

    Args:
        end: How the budget ended.
        judged: The best of what was judged: it competes.
    """

    def __init__(self, end: BudgetSpent, judged: Judged) -> None:
        RunEnds.__init__(self, end.ending)
        self.judged = judged


def judge_by_halves(
    incumbent: Incumbent,
    edits: Edits,
    bar: Bar,
    is_legal: Callable[[Edits], bool] = lambda edits: True,
    must_pay: Callable[[Edit], bool] = lambda edit: False,
) -> Judged:
    """Judge edits as a whole; where they fail, their better half, and of that the better half again.

    Edits of several predictors are halved by predictor first: so it shows which of them is at fault.

    Args:
        incumbent: What they are compared with, on the judging set.
        edits: Edits of the incumbent that the constraints admit, at least one.
        bar: The bar, set for the incumbent as it stands.
        is_legal: Whether the constraints admit some of the edits as they stand.
        must_pay: Whether an edit may only come into force with a gain: where edits pass that gain nothing, those of
            them that need not pay are judged in their place.

    Returns:
        The prompts of the part that passes, else of the best that was judged, its judgement, and what became of each
        edit.

    Raises:
        BudgetSpent: When a wave cannot be paid for; `CutShort` if some of the edits were judged to the end by then, and
            gain.
    """
    tried: list[tuple[Edits, Judgement]] = []
    part: Edits | None = edits
    try:
        while part is not None:
            order = _in_order(incumbent, part, tried[-1][0] if tried else ())
            judgement = judge(incumbent, incumbent.part(part), bar, order)
            spared = judgement.passed and not _gains(incumbent, judgement) and any(map(must_pay, part))
            if spared:
                judgement = replace(judgement, passed=False, reason=Why.GAINS_NOTHING.because())
            tried.append((part, judgement))
            if judgement.passed or len(tried) > THRESHOLDS.halvings:
                break
            part = _others(part, is_legal, must_pay) if spared else _better_half(incumbent, part, is_legal)
    except BudgetSpent as end:
        if any(_gains(incumbent, judgement) for _, judgement in tried):
            raise CutShort(end, _best(incumbent, edits, tried)) from end
        raise
    return _best(incumbent, edits, tried)


def _gains(incumbent: Incumbent, judgement: Judgement) -> bool:
    """Whether what was judged to its end scores higher than the incumbent."""
    return judgement.score is not None and judgement.score > incumbent.mean + TOLERANCE


def _best(incumbent: Incumbent, edits: Edits, tried: Sequence[tuple[Edits, Judgement]]) -> Judged:
    """The part that passed, else the one that scores highest; of what was refused early, the one judged last."""

    def rank(each: tuple[Edits, Judgement]) -> tuple[bool, float, int]:
        part, judgement = each
        return judgement.passed, -math.inf if judgement.score is None else judgement.score, -len(part)

    part, judgement = max(tried, key=rank)
    return incumbent.part(part), judgement, ledger_of(incumbent, edits, part, judgement)


def _others(edits: Edits, is_legal: Callable[[Edits], bool], must_pay: Callable[[Edit], bool]) -> Edits | None:
    """The edits that need not pay; None where there are none, or they are not legal without the others."""
    others = tuple(edit for edit in edits if not must_pay(edit))
    return others if others and is_legal(others) else None


def _better_half(incumbent: Incumbent, edits: Edits, is_legal: Callable[[Edits], bool]) -> Edits | None:
    """The half that gains most where all of them changed an example; None where no half gains.

    What only deletes need not gain: it may lose nothing.
    """
    changes = incumbent.changes(incumbent.part(edits))
    if not (_only_deletes(edits) or any(change > 0 for change in changes.values())):
        return None
    halves = [half for half in _halves(edits) if is_legal(half)]
    incumbent.runs.ensure([(incumbent.part(half), x) for half in halves for x in changes])
    net = {half: incumbent.net(incumbent.part(half)) for half in halves}
    best = max(halves, key=lambda half: (net[half], -len(half)), default=None)
    least = -TOLERANCE if _only_deletes(edits) else TOLERANCE
    return best if best is not None and net[best] > least else None


def _only_deletes(edits: Edits) -> bool:
    return all(edit.op == "delete" for edit in edits)


def _halves(edits: Edits) -> list[Edits]:
    """Two parts of several edits: of half of the predictors each, or of one predictor every second edit.

    The edits of two replies take turns, so every second one is of one reply, which meant them to go together.
    """
    names = list(dict.fromkeys(edit.predictor for edit in edits))
    if len(names) > 1:
        first = set(names[: len(names) // 2])
        return [tuple(edit for edit in edits if (edit.predictor in first) is side) for side in (True, False)]
    return [edits[::2], edits[1::2]] if len(edits) > 1 else []


def _in_order(incumbent: Incumbent, edits: Edits, halved: Edits) -> list[int]:
    """The judging set: first what the edits that were halved have changed, as both of their halves have run there.

    Then the failing examples; where all edits delete the passing ones, as deletions can only lose.
    """
    first = incumbent.changes(incumbent.part(halved)) if halved else {}
    failing, passing = incumbent.failing(), incumbent.passing()
    rest = (*passing, *failing) if _only_deletes(edits) else (*failing, *passing)
    return [*first, *(x for x in rest if x not in first)]


def ledger_of(incumbent: Incumbent, edits: Edits, part: Edits, judgement: Judgement) -> tuple[LedgerEntry, ...]:
    """What became of each edit; what it gained and lost is known of one that was judged alone."""
    passed = judgement.passed
    together, beside = (Why.TAKEN_WHOLE, Why.OUTDONE) if passed else (Why.JUDGED_WHOLE, Why.JUDGED_WHOLE)
    if len(part) == 1:
        own: tuple[LedgerEntry, ...] = (_judged_alone(incumbent, part, judgement),)
    else:
        own = ledger_as_one(part, together, kept=passed)
    known = {entry.edit: entry for entry in (*ledger_as_one(edits, beside, kept=False), *own)}
    return tuple(known[edit] for edit in edits)


def _judged_alone(incumbent: Incumbent, edits: Edits, judgement: Judgement) -> LedgerEntry:
    """What became of the only edit of a proposal, with the examples that it gained and lost."""
    changes = incumbent.changes(incumbent.part(edits))
    gained, lost = (tuple(sorted(x for x, change in changes.items() if sign * change > 0)) for sign in (1, -1))
    return LedgerEntry(edits[0], gained, lost, judgement.passed, _reason(incumbent, edits, judgement, changes))


def _reason(incumbent: Incumbent, edits: Edits, judgement: Judgement, changes: Mapping[int, float]) -> Reason:
    repairs = any(change > 0 for change in changes.values())
    if judgement.passed:
        return (Why.PAYS if repairs else Why.HARMLESS).because()
    if judgement.reason.why in (Why.CANNOT_REACH_BAR, Why.MISSES_BAR):
        if not repairs:
            return Why.REPAIRS_NOTHING.because()
        if incumbent.net(incumbent.part(edits)) < TOLERANCE:
            return Why.LOSES_MORE.because()
    return judgement.reason
