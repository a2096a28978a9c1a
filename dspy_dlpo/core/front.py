"""Score against length: the prompts of a run of which none is both shorter and at least as good."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dspy_dlpo.core.history import History, Prompts, Scored


@dataclass(frozen=True)
class FrontPoint:
    """Prompts that no shorter ones of the run equal.

    Args:
        prompts: The prompts, by predictor.
        words: Words of all of them together.
        score: Mean score on the training examples that the run judges on at its end, in the metric's units.
        error: Standard error of that mean, in the same units.
        examples: How many examples these are.
    """

    prompts: Prompts
    words: int
    score: float
    error: float
    examples: int


def front(history: History) -> tuple[FrontPoint, ...]:
    """The front of a run, shortest first: each point scores more than all that are shorter.

    Only prompts that have run on the whole judging set compare: a mean over fewer examples is another measure.
    """
    judging_set = {x for record in history if record.kind.enlarges for x in record.batch}
    whole = [scored for scored in history.scored() if judging_set <= scored.scores.keys()]
    points: list[FrontPoint] = []
    for point in sorted(map(_point, whole), key=lambda point: (point.words, -point.score)):
        if not points or point.score > points[-1].score + 1e-9:
            points.append(point)
    return tuple(points)


def shortest(points: Iterable[FrontPoint]) -> FrontPoint | None:
    """The shortest point within one standard error of the best one; None if there is none.

    Source: the one-standard-error rule of Breiman et al., "Classification and Regression Trees", 1984.
    """
    points = list(points)
    if not points:
        return None
    best = max(points, key=lambda point: point.score)
    return min((p for p in points if p.score >= best.score - best.error), key=lambda point: point.words)


def _point(scored: Scored) -> FrontPoint:
    values = list(scored.scores.values())
    mean = math.fsum(values) / len(values)
    spread = math.fsum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
    return FrontPoint(scored.prompts, scored.words, mean, math.sqrt(spread / len(values)), len(values))
