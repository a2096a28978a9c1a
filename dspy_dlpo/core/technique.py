"""A technique shapes the request to the writer, and through its constraints limits what comes back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from dspy_dlpo.core.history import StepContext
from dspy_dlpo.core.update import Update


class Technique(ABC):
    """One idea that shapes the request to the writer.

    Subclasses are frozen dataclasses with this one method. They hold no state (the history is in the context), do no
    input or output, and call no model; all chance comes from ``ctx.rng``. Nothing needs to be registered.
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


def apply_all(techniques: Sequence[Technique], update: Update, ctx: StepContext) -> Update:
    """Pass an update through techniques from left to right."""
    for technique in techniques:
        update = technique.apply(update, ctx)
    return update
