"""What was paid for is not thrown away: the best part of a proposal competes, whatever becomes of the search."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from dspy_dlpo.core.acceptance import TOLERANCE, Bar
from dspy_dlpo.core.attribution import Judged
from dspy_dlpo.core.edits import Edits
from dspy_dlpo.core.history import LedgerEntry, Prompts, ledger_as_one
from dspy_dlpo.core.judging import Incumbent, Judgement, known
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.sentences import words_of


@dataclass(frozen=True)
class Kept:
    """Edits that were judged together on the whole judging set, and gain."""

    edits: Edits
    prompts: Prompts
    judgement: Judgement

    @property
    def score(self) -> float:
        """Mean score on the judging set; minus infinity if it has none."""
        return -math.inf if self.judgement.score is None else self.judgement.score

    @property
    def rank(self) -> tuple[float, int]:
        """The higher the score the better; of equal ones, the fewer words."""
        return round(self.score, 9), -words_of(self.prompts.values())

    def ledger(self) -> tuple[LedgerEntry, ...]:
        """Its edits, where nothing more is known of them."""
        return ledger_as_one(self.edits, Why.TAKEN_WHOLE)


def best_part(incumbent: Incumbent, bar: Bar, is_legal: Callable[[Edits], bool], *, cut: bool = False) -> Kept | None:
    """The best legal part of a proposal that has run on the whole judging set and beats the prompts in force.

    Args:
        incumbent: What the proposal was judged on.
        bar: The bar that it was judged by.
        is_legal: Whether the constraints admit a set of edits as it stands.
        cut: Whether the budget ended: then runs that went out ahead of a decision count too. Otherwise they do not, so
            that each judgement decides as it would without them.

    Returns:
        The part of the highest score, of equals the one of fewest words; None if there is none.
    """
    examples = set(incumbent.examples)
    parts = (part for part in incumbent.parts if cut or part.asked >= examples)
    judged = [Kept(part.edits, part.prompts, known(incumbent, part.prompts, bar)) for part in parts]
    better = [each for each in judged if each.score > incumbent.mean + TOLERANCE and is_legal(each.edits)]
    return max(better, key=lambda each: each.rank, default=None)


def or_better(judged: Judged, best: Kept | None) -> Judged:
    """What was judged, or the best part in its place if that scores higher, or what was judged has no full score."""
    _, judgement, ledger = judged
    if best is None or (judgement.score is not None and best.score <= judgement.score + TOLERANCE):
        return judged
    return best.prompts, best.judgement, tuple(_kept_instead(entry, entry.edit in best.edits) for entry in ledger)


def _kept_instead(entry: LedgerEntry, kept: bool) -> LedgerEntry:
    return (
        entry
        if entry.kept == kept
        else replace(entry, kept=kept, reason=(Why.TAKEN_WHOLE if kept else Why.OUTDONE).because())
    )
