"""What a run will cost, as a user is told it: ranges of calls, tokens and money, by model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Span:
    """A range, both ends included."""

    low: float
    high: float

    def __str__(self) -> str:
        low, high = _short(self.low), _short(self.high)
        return high if low == high else f"{low} to {high}"


@dataclass(frozen=True)
class ModelEstimate:
    """What one model will be asked in one role.

    Args:
        role: ``"task"`` or ``"prompt"``.
        model: Its name.
        calls: Calls.
        input_tokens: Tokens in.
        output_tokens: Tokens out.
        usd: US dollars; None if the price is unknown.
    """

    role: str
    model: str
    calls: Span
    input_tokens: Span
    output_tokens: Span
    usd: Span | None


@dataclass(frozen=True)
class Estimate:
    """What a run will cost. What is printed of it is a table.

    Args:
        metric_calls: Runs of the program, selection included; the upper end is never exceeded.
        models: What each model will be asked.
        probed: Runs of the program that were made to measure; they are not part of the budget.
        notes: What the figures do not cover, in words.
        seconds: How long the run takes at least, where ``rates=`` slow its calls; as probes measured if that is longer.
            None without rates.
    """

    metric_calls: Span
    models: tuple[ModelEstimate, ...]
    probed: int = 0
    notes: tuple[str, ...] = ()
    seconds: Span | None = None

    @property
    def time(self) -> str:
        """How long it takes, in a line; empty without rates."""
        if self.seconds is None:
            return ""
        return f"{Span(self.seconds.low / 60, self.seconds.high / 60)} minutes at these rates"

    @property
    def calls(self) -> Span:
        """Calls of all models."""
        return _sum([each.calls for each in self.models])

    @property
    def tokens(self) -> Span:
        """Tokens in and out, of all models."""
        return _sum([span for each in self.models for span in (each.input_tokens, each.output_tokens)])

    @property
    def usd(self) -> Span | None:
        """US dollars in all; None if a price is unknown."""
        known = [each.usd for each in self.models if each.usd is not None]
        return _sum(known) if len(known) == len(self.models) else None

    def to_dict(self) -> dict[str, Any]:
        """The estimate as plain data that JSON can hold."""
        usd = None if self.usd is None else asdict(self.usd)
        return {**asdict(self), "calls": asdict(self.calls), "tokens": asdict(self.tokens), "usd": usd}

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """The table: role, model, calls, tokens in, tokens out, US dollars; the total last."""
        rows = [
            (each.role, each.model, str(each.calls), str(each.input_tokens), str(each.output_tokens), _money(each.usd))
            for each in self.models
        ]
        total_in, total_out = (_sum([getattr(each, side) for each in self.models]) for side in _SIDES)
        return [*rows, ("total", "", str(self.calls), str(total_in), str(total_out), _money(self.usd))]

    def __str__(self) -> str:
        head = ("role", "model", "calls", "tokens in", "tokens out", "US dollars")
        table = [head, *self.rows()]
        widths = [max(len(row[i]) for row in table) for i in range(len(head))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        last = [self.time] if self.seconds else []
        return "\n".join([f"{self.metric_calls} runs of the program", *lines, *last, *self.notes])


_SIDES = ("input_tokens", "output_tokens")


def _sum(spans: Sequence[Span]) -> Span:
    return Span(math.fsum(span.low for span in spans), math.fsum(span.high for span in spans))


def _short(number: float) -> str:
    """A number as a person reads it: from 10,000 in thousands, from 10 million in millions."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if number >= 10 * unit:
            return f"{number / unit:,.0f}{letter}"
    return f"{number:,.0f}"


def _money(span: Span | None) -> str:
    return "unknown" if span is None else f"{span.low:.2g} to {span.high:.2g}" if span.high else "0"
