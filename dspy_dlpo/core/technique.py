"""A technique shapes the request to the writer, and through its constraints limits what comes back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from dspy_dlpo.core.history import StepContext
from dspy_dlpo.core.update import Update


class Technique(ABC):
    """One idea that shapes the request to the writer.

    Subclasses are frozen dataclasses with one method, `apply`. They hold no state (the history is in the context), do
    no input or output, and call no model; all chance comes from ``ctx.rng``. Nothing needs to be registered. What a run
    must know of a technique before its first step, the other members say; few techniques have anything to say there.
    """

    @abstractmethod
    def apply(self, update: Update, ctx: StepContext) -> Update:
        """Add notes and constraints to an update.

        Args:
            update: The request so far; not changed.
            ctx: The step, the progress from 0 to 1, the history and the source of randomness.

        Returns:
            The update to pass on; `update` itself if there is nothing to say.
        """

    def word_limit(self) -> int | None:
        """The length in words past which no edit may lengthen the prompt of one predictor; None for no limit.

        It is what `apply` enforces by a constraint; the price of a run is estimated from it.
        """
        return None

    @property
    def prunes(self) -> bool:
        """Whether finalists are to lose their sentences without effect before they are compared."""
        return False


def apply_all(techniques: Sequence[Technique], update: Update, ctx: StepContext) -> Update:
    """Pass an update through techniques from left to right."""
    for technique in techniques:
        update = technique.apply(update, ctx)
    return update
