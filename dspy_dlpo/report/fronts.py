"""Score against length and against money, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dspy_dlpo.core.front import FrontPoint
from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.report.facts import money

NOT_KNOWN = (
    "What they cost in money is not known: a model has no known price or reported no tokens, or a cache answered in "
    "its place."
)


@dataclass(frozen=True)
class FrontTable:
    """A front.

    Args:
        title: What the score is held against.
        said: What the rows are.
        head: The names of the columns.
        rows: Their cells as texts.
    """

    title: str
    said: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def front_tables(result: DLPOResult) -> tuple[FrontTable, ...]:
    """Score against length, and against money if that is another front; nothing where there is nothing to choose."""
    short, cheap = result.front, result.cost_front
    differ = bool(cheap) and [each.prompts for each in cheap] != [each.prompts for each in short]
    if len(short) < 2 and not differ:
        return ()
    said = f"shorter and at least as good {_where(short)}. Each run of the program pays for their words."
    length = _table("Score against length", f"{said} {'' if result.run_usd else NOT_KNOWN}".rstrip(), short, result)
    if not differ:
        return (length,)
    said = f"cheaper and at least as good {_where(cheap)}, by what one run of the program cost on these."
    return length, _table("Score against money", f"{said} What a cache answered is not counted.", cheap, result)


def _where(points: Sequence[FrontPoint]) -> str:
    return f"on the {points[0].examples} training examples that it judged on in the end"


def _table(title: str, said: str, points: Sequence[FrontPoint], result: DLPOResult) -> FrontTable:
    money_known = bool(result.run_usd)
    head = ("words", *(["1,000 runs cost"] if money_known else []), "score", "standard error", "returned")
    rows = []
    for each in points:
        usd = "not known" if each.usd is None else money(1000 * each.usd)
        returned = "yes" if each.prompts == result.best_prompts else "no"
        rows.append(
            (f"{each.words:,}", *([usd] if money_known else []), f"{each.score:.3f}", f"{each.error:.3f}", returned)
        )
    return FrontTable(title, f"Prompts of this run of which none is both {said}", head, tuple(rows))
