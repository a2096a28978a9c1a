"""How large a gain the noise of a metric alone may bring."""

from __future__ import annotations

import math
from statistics import NormalDist


def gain_by_noise(noise: float, examples: int) -> float:
    """The mean gain on so many examples that repetition alone exceeds in 5 % of comparisons, in either direction.

    Both prompts are scored once on each example, and nothing but the metric's noise differs: with a noise of 0.2, two
    scorings of the same 60 outputs differ by up to ``1.96 * 0.2 * sqrt(2 / 60)``, which is 0.07, in the mean.

    Args:
        noise: Standard deviation of a score that is given again, at least 0, in the metric's units.
        examples: How many, at least 1.
    """
    return NormalDist().inv_cdf(0.975) * noise * math.sqrt(2 / examples)
