"""What the rows of a grid say: scores, paired differences with intervals, spread, gaps, cost.

A paired difference compares two arms on the same task, seed and questions. Its interval is a bootstrap over seeds and,
in each, over questions; tasks are fixed and weigh the same. Of the comparisons of one table the p-values are corrected
by Holm's method.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Row = Mapping[str, Any]
RESAMPLES = 2000
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Difference:
    """A paired difference of test scores, first arm minus second.

    Args:
        mean: Over tasks, seeds and questions.
        low: Lower end of the 95 % interval.
        high: Upper end.
        p: Two-sided p-value of the bootstrap.
        tasks: Mean difference by task.
    """

    mean: float
    low: float
    high: float
    p: float
    tasks: Mapping[str, float]

    @property
    def record(self) -> tuple[int, int, int]:
        """Tasks won, tied (less than half a point apart) and lost."""
        won = sum(value > 0.005 for value in self.tasks.values())
        lost = sum(value < -0.005 for value in self.tasks.values())
        return won, len(self.tasks) - won - lost, lost


def pick(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    """The rows with given values."""
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def score(row: Row) -> float:
    """Share of the test questions that were answered right."""
    return statistics.fmean(row["test"])


def by_task(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by task, sorted."""
    tasks: dict[str, list[Row]] = {}
    for row in rows:
        tasks.setdefault(row["task"], []).append(row)
    return {task: tasks[task] for task in sorted(tasks)}


def mean_score(rows: Iterable[Row]) -> float:
    """Mean test score, every task weighing the same; not a number if there are no rows."""
    means = [statistics.fmean(map(score, group)) for group in by_task(rows).values()]
    return statistics.fmean(means) if means else math.nan


def spread(rows: Iterable[Row]) -> float:
    """Standard deviation of the test score over seeds, mean over tasks."""
    deviations = [statistics.stdev(map(score, group)) for group in by_task(rows).values() if len(group) > 1]
    return statistics.fmean(deviations) if deviations else math.nan


def gap(rows: Iterable[Row], between: str = "train", and_: str = "test") -> float:
    """Mean of one score less another, such as training less test."""
    found = [statistics.fmean(row[between]) - statistics.fmean(row[and_]) for row in rows if row[between] and row[and_]]
    return statistics.fmean(found) if found else math.nan


def mean_of(rows: Iterable[Row], name: str) -> float:
    """Mean of a number of every row."""
    values = [float(row[name]) for row in rows if row.get(name) is not None]
    return statistics.fmean(values) if values else math.nan


def difference(first: Sequence[Row], second: Sequence[Row], seed: int = 0) -> Difference | None:
    """Compare two arms on what both have run.

    Returns:
        The paired difference; None if they have nothing in common.
    """
    tables = {}
    others = {(row["task"], row["seed"]): row["test"] for row in second}
    for task, group in by_task(first).items():
        pairs = [(row["test"], others[task, row["seed"]]) for row in group if (task, row["seed"]) in others]
        pairs = [(ours, theirs) for ours, theirs in pairs if len(ours) == len(theirs) and ours]
        if pairs:
            tables[task] = np.array([np.subtract(ours, theirs) for ours, theirs in pairs], dtype=float)
    if not tables:
        return None
    rng = np.random.default_rng(seed)
    resampled = np.mean([resampled_means(table, rng) for table in tables.values()], axis=0)
    means = {task: float(table.mean()) for task, table in tables.items()}
    tail = min(float(np.mean(resampled <= 0)), float(np.mean(resampled >= 0)))
    low, high = np.quantile(resampled, [0.025, 0.975])
    p = min(1.0, max(2 * tail, 1 / RESAMPLES))
    return Difference(statistics.fmean(means.values()), float(low), float(high), p, means)


def resampled_means(table: Array, rng: np.random.Generator) -> Array:
    """Means of resamples of seeds, and in each of questions.

    A resample of questions is a draw of how often each value of a seed occurs, and values are few: so it is drawn.
    """
    seeds, questions = table.shape
    values = np.unique(table)
    shares = (table[:, :, None] == values).mean(axis=1)
    chosen = shares[rng.integers(0, seeds, (RESAMPLES, seeds))]
    return np.asarray(rng.multinomial(questions, chosen) @ values).mean(axis=1) / questions


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values corrected for being the least of several, by Holm's method."""
    ordered = sorted(p_values, key=lambda name: p_values[name])
    corrected, last = {}, 0.0
    for i, name in enumerate(ordered):
        last = max(last, min(1.0, (len(ordered) - i) * p_values[name]))
        corrected[name] = last
    return corrected


def ranks(rows: Sequence[Row], arms: Sequence[str]) -> dict[str, float]:
    """Mean rank of each arm over tasks by mean test score; 1 is best, ties share."""
    places: dict[str, list[float]] = {arm: [] for arm in arms}
    for group in by_task(rows).values():
        means = {arm: mean_score(pick(group, arm=arm)) for arm in arms if pick(group, arm=arm)}
        for arm, mean in means.items():
            above = sum(other > mean + 1e-9 for other in means.values())
            equal = sum(abs(other - mean) <= 1e-9 for other in means.values())
            places[arm].append(above + (equal + 1) / 2)
    return {arm: statistics.fmean(found) for arm, found in places.items() if found}
