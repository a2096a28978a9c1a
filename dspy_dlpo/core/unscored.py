"""Runs that the metric gave no score: what they count as, and when they are so many that the metric is at fault."""

from __future__ import annotations

from collections import Counter

from dspy_dlpo.core.errors import MetricError
from dspy_dlpo.core.roles import Failure, Row
from dspy_dlpo.core.thresholds import THRESHOLDS


class Unscored:
    """The runs on a set of examples that the metric gave no score.

    Args:
        low: The lowest legal score; None for the lowest so far.
    """

    def __init__(self, low: float | None) -> None:
        self.total = 0
        self._low = low
        self._lowest: float | None = None
        self._counts: Counter[tuple[str, int]] = Counter()
        self._tried: set[int] = set()  # examples on which the metric was asked
        self._scored: set[int] = set()  # examples on which any prompts have a score
        self._out: set[int] = set()  # examples on which any left the range
        self._first = ""  # the key of the prompts that ran first: those that the metric was written for
        self._first_tried: set[int] = set()
        self._first_missed: set[int] = set()
        self._last = ""

    def add(self, key: str, example: int, row: Row) -> None:
        """Take a run in, with or without a score, under the key of its prompts."""
        if row.score is None and not row.is_unscored:
            return
        self._first = self._first or key
        self._tried.add(example)
        if key == self._first:
            self._first_tried.add(example)
        if row.score is not None:
            self._scored.add(example)
            self._lowest = row.score if self._lowest is None else min(self._lowest, row.score)
            return
        self.total += 1
        self._counts[key, example] += 1
        self._last = row.error
        if row.failure == Failure.RANGE:
            self._out.add(example)
        if key == self._first:
            self._first_missed.add(example)

    def count(self, key: tuple[str, int]) -> int:
        """How many runs of prompts on an example have no score."""
        return self._counts[key] if self.total else 0

    def counted(self, key: tuple[str, int]) -> tuple[float, ...]:
        """What they count as: nothing where no prompts have a score, else the lowest."""
        if not self.total or not self._counts[key] or key[1] not in self._scored:
            return ()
        low = self._lowest if self._low is None else self._low
        return () if low is None else (low,) * self._counts[key]

    def check(self) -> None:
        """End a metric that gives the first prompts no score on most examples, or leaves its range on many.

        One bad label does neither, however many prompts run on it; nor do other prompts that the metric cannot read.
        With a range of 0 to 1 for a metric of 0 to 100, and 5 of 24 examples right at the start, each example that
        proposals repair is one more out of range: the run ends at the eighth, not with its budget.

        Raises:
            MetricError: If so.
        """
        out, tried = len(self._out), len(self._tried)
        missed, ran = len(self._first_missed), len(self._first_tried)
        limits = THRESHOLDS
        is_many = out >= limits.out_of_range and out > limits.out_of_range_share * tried
        if is_many or (out >= limits.unscored and out > limits.unscored_share * tried):
            raise MetricError(f"{self._last} Scores on {out} of {tried} examples were out of range.")
        if missed >= THRESHOLDS.unscored and missed > THRESHOLDS.unscored_share * ran:
            raise MetricError(
                f"The metric gave no score on {missed} of {ran} examples: {self._last.rstrip('.')}. Make it return a "
                "number for every answer, such as the lowest score for one that it cannot read."
            )
