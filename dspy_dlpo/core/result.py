"""What the returned prompts gain on held-out examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """The returned prompts against the user's own, on held-out examples.

    Args:
        start: Mean score of the user's prompts; None if nothing was held out.
        best: Mean score of the returned prompts.
        difference: Mean paired difference, best minus start.
        interval: 95 % interval of the difference; it counts that the best of several was chosen.
        examples: Held-out examples that both have run on.
        candidates: Prompts that were compared beside the user's own.
        scores: Score of every compared set of prompts by example; the user's own first.
        chosen: Which of these was returned; 0 for the user's own.
    """

    start: float | None = None
    best: float | None = None
    difference: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    examples: int = 0
    candidates: int = 0
    scores: tuple[Mapping[int, float], ...] = ()
    chosen: int = 0
