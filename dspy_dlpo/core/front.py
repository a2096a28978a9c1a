"""Score against length and money: the prompts of a run of which none is both less and at least as good."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dspy_dlpo.core.history import History, Prompts, Scored, judging_set, prompts_key


@dataclass(frozen=True)
class FrontPoint:
    """Prompts that no shorter ones of the run equal; or no cheaper ones.

    Args:
        prompts: The prompts, by predictor.
        words: Words of all of them together.
        score: Mean score on the training examples that the run judges on at its end, in the metric's units.
        error: Standard error of that mean, in the same units.
        examples: How many examples these are.
        usd: US dollars of one run of the program with these prompts, in the mean over these examples; what the metric
            asks is no part of it. None if it is not known: no price, no usage, or a cache answered.
    """

    prompts: Prompts
    words: int
    score: float
    error: float
    examples: int
    usd: float | None = None


# What a front holds against the score; None where it is not known.
Size = Callable[[FrontPoint], float | None]


def words(point: FrontPoint) -> float:
    """The length of a point's prompts."""
    return point.words


def money(point: FrontPoint) -> float | None:
    """What a run costs with a point's prompts; None if that is not known."""
    return point.usd


def judged_points(history: History, usd: Mapping[str, float] | None = None) -> list[FrontPoint]:
    """All prompts that have run on the whole judging set: a mean over fewer examples is another measure.

    Args:
        history: What the run did.
        usd: US dollars of a run by key of the prompts, as far as they are known.
    """
    examples = set(judging_set(history))
    return [_point(scored, usd or {}) for scored in history.scored() if examples <= scored.scores.keys()]


def front(history: History, usd: Mapping[str, float] | None = None, size: Size = words) -> tuple[FrontPoint, ...]:
    """The front of a run, least first: each point scores more than all that are less.

    Args:
        history: What the run did.
        usd: US dollars of a run by key of the prompts, as far as they are known.
        size: What is to be little; points of which it is not known are left out.
    """
    judged = judged_points(history, usd)
    sized = [(known, -point.score, i) for i, point in enumerate(judged) if (known := size(point)) is not None]
    points: list[FrontPoint] = []
    for _, _, i in sorted(sized):
        if not points or judged[i].score > points[-1].score + 1e-9:
            points.append(judged[i])
    return tuple(points)


def least(points: Iterable[FrontPoint]) -> FrontPoint | None:
    """The first point of a front within one standard error of its best one; None if there is none.

    Source: the one-standard-error rule of Breiman et al., "Classification and Regression Trees", 1984.
    """
    points = list(points)
    if not points:
        return None
    best = max(points, key=lambda point: point.score)
    return next(point for point in points if point.score >= best.score - best.error)


def _point(scored: Scored, usd: Mapping[str, float]) -> FrontPoint:
    values = list(scored.scores.values())
    mean = math.fsum(values) / len(values)
    spread = math.fsum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
    error, cost = math.sqrt(spread / len(values)), usd.get(prompts_key(scored.prompts))
    return FrontPoint(scored.prompts, scored.words, mean, error, len(values), cost)
