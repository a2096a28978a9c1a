"""Whether a proposal is kept: a bar, drawn before the proposal is judged."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from dspy_dlpo.core.history import StepContext
from dspy_dlpo.core.space import tunable

# Scores are means of floats: two that differ by less than this are equal.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Bar:
    """The lowest judged score that will be accepted.

    Args:
        lowest: In the metric's units; minus infinity accepts everything.
        strict: Whether a proposal must be above it rather than on it. A proposal that shortens the prompt need only
            reach it.
    """

    lowest: float
    strict: bool = True

    def passes(self, score: float, *, shorter: bool = False) -> bool:
        """Whether a score is accepted."""
        if self.strict and not shorter:
            return score > self.lowest + TOLERANCE
        return score >= self.lowest - TOLERANCE


class Acceptance(ABC):
    """How good a proposal must be to be kept. Subclasses are frozen dataclasses with this one method."""

    @abstractmethod
    def bar(self, incumbent: Sequence[float], ctx: StepContext) -> Bar:
        """Set the bar before the proposal is judged.

        Args:
            incumbent: Scores of the prompt in force, one per example of the judging set.
            ctx: The step, the progress from 0 to 1, the history and the source of randomness.
        """


@dataclass(frozen=True)
class Greedy(Acceptance):
    """Keep a proposal only if it scores higher, or as high with fewer words.

    Args:
        strict: Whether it must score higher, so that one that scores as high is refused unless it is shorter. What a
            sentence is good for often shows only on examples that are not judged on yet.
    """

    strict: bool = tunable(True, options=(True, False))

    def bar(self, incumbent: Sequence[float], ctx: StepContext) -> Bar:
        """The incumbent's mean."""
        return Bar(math.fsum(incumbent) / max(1, len(incumbent)), self.strict)


@dataclass(frozen=True)
class AcceptAll(Acceptance):
    """Keep every proposal, as plain textual gradient descent does."""

    def bar(self, incumbent: Sequence[float], ctx: StepContext) -> Bar:
        """Minus infinity."""
        return Bar(-math.inf, strict=False)
