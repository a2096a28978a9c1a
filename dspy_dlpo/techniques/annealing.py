"""Textual simulated annealing (TSA): sometimes a step backwards, less often as the run cools."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from dspy_dlpo.core.acceptance import Acceptance, Bar
from dspy_dlpo.core.history import StepContext
from dspy_dlpo.core.schedule import Number, check_number, value_at
from dspy_dlpo.core.space import tunable


@dataclass(frozen=True)
class Annealing(Acceptance):
    """Accept a worse proposal sometimes, less often as the run cools.

    A proposal worse by ``d`` passes with probability ``exp(-d / (temperature * standard error))``; a gain always
    passes. The bar is drawn before judging, so that a judgement can stop as soon as the bar is out of reach. The best
    prompt ever seen is what the run returns.

    Args:
        temperature: In standard errors of the incumbent's judged mean, at least 0: a number or a schedule. At 1, a loss
            of one standard error passes 37 % of the time; 0 is greedy.

    Source: DLPO, "textual simulated annealing" (arXiv 2503.13413). Unlike the authors' program, the clock also advances
        on rejection, the temperature does not depend on the metric's scale, the first rewrite is judged like any other,
        and no size of loss is refused outright.
    """

    temperature: Number = tunable(1.0, low=0.0, high=3.0)

    def __post_init__(self) -> None:
        check_number("Annealing", "temperature", self.temperature, 0, float("inf"))

    def bar(self, incumbent: Sequence[float], ctx: StepContext) -> Bar:
        """Draw the bar of this step."""
        mean = math.fsum(incumbent) / max(1, len(incumbent))
        temperature = value_at(self.temperature, ctx.progress)
        if temperature == 0 or not incumbent:
            return Bar(mean)
        draw = 1.0 - ctx.rng("annealing").random()  # above 0, so that its logarithm is finite
        return Bar(mean + temperature * _standard_error(incumbent) * math.log(draw), strict=False)


def _standard_error(scores: Sequence[float]) -> float:
    """Standard error of the mean, never below that of one example in `scores` being off by the whole range."""
    spread = max(scores) - min(scores) or 1.0
    floor = spread / len(scores)
    if len(scores) < 2:
        return floor
    return max(statistics.stdev(scores) / math.sqrt(len(scores)), floor)
