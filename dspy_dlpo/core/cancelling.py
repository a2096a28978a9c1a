"""How a caller that does not wait for a run any more has it end: what is in flight is finished, and nothing follows."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

# Says whether the caller has gone; whoever drives a run from elsewhere sets it in the context that the run works in.
CANCELLED: ContextVar[Callable[[], bool]] = ContextVar("dlpo_cancelled", default=lambda: False)


class RunCancelled(BaseException):
    """Nobody waits for the run any more: nothing more is sent, and nothing is chosen.

    As it is no `Exception`, no handler takes it for a failure of a model, a program or a metric.
    """


def is_cancelled() -> bool:
    """Whether the caller has gone."""
    return CANCELLED.get()()


def check_cancelled() -> None:
    """Make sure that somebody waits for what is about to be sent.

    Raises:
        RunCancelled: If nobody does.
    """
    if is_cancelled():
        raise RunCancelled
