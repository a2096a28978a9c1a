"""Whether one thing goes with another: rank correlation, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, correlation

# With fewer pairs an interval says nothing.
LEAST = 10


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation of two things.

    Args:
        value: -1 to 1: whether one is higher where the other is.
        interval: Its 95 % interval.
        pairs: How many pairs it is of.

    Source: Bonett and Wright, "Sample size requirements for estimating Pearson, Kendall and Spearman correlations"
        (2000), for the interval.
    """

    value: float
    interval: tuple[float, float]
    pairs: int

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:+.2f} (95% interval {low:+.2f} .. {high:+.2f})"


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> RankCorrelation | None:
    """The rank correlation of pairs; None of fewer than ten, or where one side is always the same."""
    n = len(first)
    if n < LEAST or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    value = correlation(_ranks(first), _ranks(second))
    error = NormalDist().inv_cdf(0.975) * math.sqrt((1 + value**2 / 2) / (n - 3))
    middle = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, value)))
    return RankCorrelation(value, (math.tanh(middle - error), math.tanh(middle + error)), n)


def _ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value; equal ones share the mean of theirs."""
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values)):
        places.setdefault(value, []).append(place)
    return [sum(places[value]) / len(places[value]) for value in values]
