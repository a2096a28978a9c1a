"""Scores of whole sets of runs, each worked out once, and what an example is worth to them.

The contributions of the examples of a set are the jackknife's pseudo-values, shifted so that their mean is the score of
the set: so all that reads a mean over examples reads that score, and their standard error is the jackknife's.

Source: Tukey, "Bias and confidence in not quite large samples", Annals of Mathematical Statistics 29, 1958.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from dspy_dlpo.core.acceptance import TOLERANCE
from dspy_dlpo.core.errors import MetricError, RangeError
from dspy_dlpo.core.roles import Row

logger = logging.getLogger(__name__)

# The key of some prompts, and the examples of a set, in order.
PromptSet = tuple[str, tuple[int, ...]]


class SetScore(Protocol):
    """Score a set of runs; the metric."""

    @property
    def resamples(self) -> int:
        """Resamples of a bootstrap."""

    def __call__(self, rows: Sequence[Row], ideal: Collection[int] = ()) -> float:
        """The score of runs, one of which may stand there several times.

        Args:
            rows: The runs.
            ideal: Examples whose runs are taken to have answered as the labels say.

        Raises:
            MetricError: If there is none.
        """

    def try_out(self, row: Row) -> None:
        """Find out early, from one run, whether the metric cannot work.

        Raises:
            MetricError: If so.
        """


class SetScores:
    """Scores of sets. One that the metric cannot score counts as the lowest, once it has scored one.

    Args:
        score: The metric.
        answers: The run of each prompts, by their key, and example; more may come.
        low: The lowest legal score; None for the lowest so far.
        works: Whether the metric has scored a set before.
        checks_range: Whether a score out of range ends the run: what comes later would be worth nothing.
    """

    def __init__(
        self,
        score: SetScore,
        answers: Mapping[tuple[str, int], Row],
        low: float | None,
        *,
        works: bool,
        checks_range: bool,
    ) -> None:
        self._score, self._answers, self._low = score, answers, low
        self.works, self._checks_range = works, checks_range
        self.undefined: set[PromptSet] = set()  # those without a score
        self._wholes: dict[PromptSet, float] = {}
        self._rests: dict[PromptSet, tuple[float, ...]] = {}
        self._ideals: dict[PromptSet, Mapping[int, float]] = {}
        self._swaps: dict[tuple[PromptSet, PromptSet], Mapping[int, float]] = {}

    @property
    def known(self) -> Collection[PromptSet]:
        """The sets that were scored so far."""
        return self._wholes.keys()

    @property
    def lowest(self) -> float:
        """What a set without a score counts as."""
        return min(self._wholes.values(), default=0.0) if self._low is None else self._low

    def whole(self, this: PromptSet) -> float:
        """The score of a set.

        Raises:
            MetricError: If the metric has never scored one, or its range is wrong.
        """
        if this not in self._wholes:
            try:
                self._wholes[this] = self._score(self._rows(this))
            except MetricError as error:
                if not self.works or (self._checks_range and isinstance(error, RangeError)):
                    raise MetricError(str(error)) from error
                if not self.undefined:
                    logger.warning("%s This set counts as the lowest score; later ones like it are counted.", error)
                self.undefined.add(this)
                self._wholes[this] = self.lowest
            self.works = True
        return self._wholes[this]

    def part(self, rows: Sequence[Row], ideal: Collection[int] = ()) -> float:
        """The score of runs that is not said of any prompts."""
        try:
            return self._score(rows, ideal)
        except MetricError:
            return self.lowest

    def contributions(self, this: PromptSet) -> dict[int, float]:
        """What each example contributes to the score of a set, which is their mean."""
        whole, rests = self.whole(this), self._without_each(this)
        middle, most = math.fsum(rests) / max(1, len(rests)), len(rests) - 1
        return {x: whole + most * (middle - rest) for x, rest in zip(this[1], rests, strict=True)}

    def costs(self, this: PromptSet) -> dict[int, float]:
        """By how much the score would be higher without each example."""
        return {x: rest - self.whole(this) for x, rest in zip(this[1], self._without_each(this), strict=True)}

    def ideal(self, this: PromptSet) -> Mapping[int, float]:
        """The score where one example is answered as its labels say, of those examples that would raise it so."""
        if this not in self._ideals:
            whole, rows = self.whole(this), self._rows(this)
            ideals = {x: self.part(rows, (x,)) for x in this[1]}
            self._ideals[this] = {x: score for x, score in ideals.items() if score > whole + TOLERANCE}
        return self._ideals[this]

    def swaps(self, this: PromptSet, other: PromptSet) -> Mapping[int, float]:
        """What each answer of other prompts changes if it alone takes the place of the old one; see `exchanged`."""
        if (this, other) not in self._swaps:
            changes = {x: self.exchanged(this, other, [x]) for x in self.differing(this, other)}
            self._swaps[this, other] = {x: change for x, change in changes.items() if abs(change) > TOLERANCE}
        return self._swaps[this, other]

    def differing(self, this: PromptSet, other: PromptSet) -> list[int]:
        """The examples that both have run, with other answers."""
        others = set(other[1])
        both = [x for x in this[1] if x in others]
        return [x for x in both if _answer(self._answers[this[0], x]) != _answer(self._answers[other[0], x])]

    def exchanged(self, this: PromptSet, other: PromptSet, examples: Sequence[int]) -> float:
        """The change of the score where some answers take the place of others, in the units of contributions.

        These are such that the mean over the set is the change of its score.
        """
        found = set(examples)
        rows = [self._answers[other[0] if x in found else this[0], x] for x in this[1]]
        return len(rows) * (self.part(rows) - self.whole(this)) if found else 0.0

    def _rows(self, this: PromptSet) -> list[Row]:
        return [self._answers[this[0], x] for x in this[1]]

    def _without_each(self, this: PromptSet) -> tuple[float, ...]:
        """The score of a set without each of its examples; of one alone its own."""
        if this not in self._rests:
            rows = self._rows(this)
            alone = [self.whole(this)] if rows else []
            rests = [self.part([*rows[:i], *rows[i + 1 :]]) for i in range(len(rows))] if len(rows) > 1 else alone
            self._rests[this] = tuple(rests)
        return self._rests[this]


def _answer(row: Row) -> tuple[Any, ...]:
    """What the metric sees of a run."""
    return (True,) if row.failure else (False, row.outputs, row.values)
