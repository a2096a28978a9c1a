"""What a score on a world is worth: its share of what could be gained, and summaries over worlds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# Where the best known prompts gain less than this over the start, the share of it says little.
SMALLEST_RANGE = 0.1
# Normalized scores that differ by no more than this are tied.
TIE = 0.01
RESAMPLES = 4000


def normalized(test: float, start: float, best: float) -> float | None:
    """The share of the possible gain that was reached: 0 at the start prompts, 1 at the best known, below 0 if worse.

    Args:
        test: Test score, 0 to 1.
        start: That of the start prompts.
        best: That of the best known prompts.

    Returns:
        None where the range is below `SMALLEST_RANGE`: such worlds are told apart.
    """
    return (test - start) / (best - start) if best - start >= SMALLEST_RANGE else None


@dataclass(frozen=True)
class Summary:
    """A mean over worlds.

    Args:
        mean: Of all.
        low: Lower end of its 95 % interval, by bootstrap over worlds.
        high: Upper end.
        worlds: How many.
        p: Two-sided p-value of the bootstrap, that it is 0.
    """

    mean: float
    low: float
    high: float
    worlds: int
    p: float


def summary(values: Sequence[float], seed: int = 0) -> Summary:
    """Mean and interval of one number a world.

    Raises:
        ValueError: If there are none.
    """
    if not values:
        raise ValueError("values is empty. Pass one number for each world, of one world at least.")
    table = np.asarray(values, dtype=float)
    drawn = np.random.default_rng(seed).integers(0, len(table), (RESAMPLES, len(table)))
    means = table[drawn].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    tail = min(float(np.mean(means <= 0)), float(np.mean(means >= 0)))
    p = min(1.0, max(2 * tail, 1 / RESAMPLES))
    return Summary(statistics.fmean(values), float(low), float(high), len(table), p)


def share_won(first: Mapping[int, float], second: Mapping[int, float]) -> float | None:
    """Share of the worlds that both have in which the first is ahead; a tie (`TIE`) counts half.

    Args:
        first: Score by world.
        second: The same.

    Returns:
        0 to 1; None if they have no world in common.
    """
    # Half a billionth more, so that 0.51 and 0.50 are tied whatever their last bits.
    differences = [first[world] - second[world] for world in first.keys() & second.keys()]
    points = [0.5 if abs(each) <= TIE + 5e-10 else float(each > 0) for each in differences]
    return statistics.fmean(points) if points else None
