"""The log of a run: what happens is written down first, and only then part of what the run knows."""

from __future__ import annotations

from collections.abc import Callable

from dspy_dlpo.core.events import Done, DoneKey, Event, Taken
from dspy_dlpo.core.state import RunState


class RunLog:
    """Takes events in, one at a time, on one thread.

    Args:
        write: Writes an event down; None for a run that nobody can go on with.
        state: What was known before.
    """

    def __init__(self, write: Callable[[Event], None] | None = None, state: RunState | None = None) -> None:
        self._write = write
        self.state = RunState() if state is None else state

    @property
    def is_written(self) -> bool:
        """Whether another process may go on with the run."""
        return self._write is not None

    def add(self, event: Event) -> None:
        """Write an event down, and take it in.

        Raises:
            RunDirectoryError: If it cannot be written.
        """
        if self._write is not None:
            self._write(event)
        self.state.apply(event)

    def take(self, key: DoneKey) -> Done | None:
        """What came back to an earlier process and was not taken yet, at no cost; None if there is no such thing."""
        if key not in self.state.open:
            return None
        self.add(Taken(key))
        return self.state.done[key]
