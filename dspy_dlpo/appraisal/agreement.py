"""How two scorings of the same outputs agree."""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

# With so many different scores or fewer they are kinds of outputs, such as right and wrong; with more they are numbers.
FEW = 5


@dataclass(frozen=True)
class Agreement:
    """How two scorings of the same outputs agree.

    Args:
        outputs: How many outputs both scored.
        same: Share of them with the same score in both, 0 to 1.
        kappa: Cohen's kappa, at most 1: agreement beyond what chance would bring, which is 0. None where there are more
            than 5 different scores, or but one.
        concordance: Lin's concordance, -1 to 1: a correlation that is 1 only where the scores are the same, and not
            merely in line. None where no score differs from another.
        difference: Mean absolute difference of the two scores.
        shift: Mean of the second less the first.

    Source: Cohen, "A coefficient of agreement for nominal scales" (1960). Lin, "A concordance correlation coefficient
        to evaluate reproducibility" (1989): the intraclass correlation of absolute agreement, but for terms of 1/n,
        and the same as kappa with quadratic weights.
    """

    outputs: int
    same: float
    kappa: float | None
    concordance: float | None
    difference: float
    shift: float

    @property
    def value(self) -> float | None:
        """Kappa where there are few different scores, else the concordance; None where neither can be told."""
        return self.concordance if self.kappa is None else self.kappa

    def __str__(self) -> str:
        values = {"kappa": self.kappa, "concordance": self.concordance}
        parts = [f"{name} {value:.2f}" for name, value in values.items() if value is not None][:1]
        return ", ".join([f"{self.same:.0%} the same", *parts, f"mean difference {self.difference:.2f}"])


def agreement(first: Sequence[float], second: Sequence[float]) -> Agreement:
    """How two scorings agree.

    Args:
        first: A score for each output, at least one.
        second: Another, in the same order.
    """
    same = sum(map(operator.eq, first, second)) / len(first)
    return Agreement(
        len(first),
        same,
        _kappa(first, second, same),
        _concordance(first, second),
        fmean(abs(a - b) for a, b in zip(first, second, strict=True)),
        fmean(second) - fmean(first),
    )


def _kappa(first: Sequence[float], second: Sequence[float], same: float) -> float | None:
    counts = Counter(first), Counter(second)
    values = counts[0].keys() | counts[1].keys()
    if not 1 < len(values) <= FEW:
        return None
    by_chance = sum(counts[0][value] * counts[1][value] for value in values) / len(first) ** 2
    return (same - by_chance) / (1 - by_chance)


def _concordance(first: Sequence[float], second: Sequence[float]) -> float | None:
    means = fmean(first), fmean(second)
    off = [(a - means[0], b - means[1]) for a, b in zip(first, second, strict=True)]
    spread = math.fsum(a * a + b * b for a, b in off) / len(off) + (means[0] - means[1]) ** 2
    return 2 * math.fsum(a * b for a, b in off) / len(off) / spread if spread else None
