"""How far a step departs from the plan, and what came of it: what a controller learns from within a run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from dspy_dlpo.core.history import History, Record, RecordKind
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.space import TunableNumber


@dataclass(frozen=True)
class Reach:
    """How far a step may depart from what the plan holds for one number."""

    field: TunableNumber
    share: float

    def value(self, progress: float, departure: float) -> float:
        """The number at a departure from -1 to 1."""
        planned, side = self._sides(progress, departure)
        at = planned + departure * side
        value = math.exp(at) if self.field.range.log else at
        value = round(value) if self.field.range.integer else value
        return min(max(value, self.field.range.low), self.field.range.high) if departure else self.field.at(progress)

    def departure(self, progress: float, value: float) -> float:
        """The departure that a number was."""
        away = self._scaled(value) - self._scaled(self.field.at(progress))
        _, side = self._sides(progress, away)
        return min(1.0, max(-1.0, away / side)) if side else 0.0

    def _sides(self, progress: float, sign: float) -> tuple[float, float]:
        """On the scale of the range: what is planned, and how far it is from there to the end of the reach."""
        planned, low, high = map(self._scaled, (self.field.at(progress), self.field.range.low, self.field.range.high))
        room = high - planned if sign > 0 else planned - low
        return planned, min(room, self.share * (high - low))

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.field.range.log else value


@dataclass(frozen=True)
class StepOutcome:
    """A past step: the share of the missing score that it gained, and its program runs in passes of the judging set."""

    record: Record
    gain: float
    passes: float


def step_outcomes(history: History, high: float | None) -> Iterator[StepOutcome]:
    """What came of the past steps, less those that the end of the budget cut short."""
    size, before = 0, 0
    for record in history:
        size += len(record.batch) if record.kind.enlarges else 0
        if record.kind == RecordKind.STEP and record.reason.why is not Why.BUDGET_ENDED:
            # A step that came to nothing before any run still took a critique: it counts as one run.
            yield StepOutcome(record, _gain(record, high), max(1, record.cost - before) / max(1, size))
        before = record.cost


def _gain(record: Record, high: float | None) -> float:
    if not record.accepted or record.score is None or record.base is None:
        return 0.0
    missing = 1.0 if high is None or high <= record.base else high - record.base
    return (record.score - record.base) / missing
