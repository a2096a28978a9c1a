"""Who is calling: the rollout and the attempt of the public call around an engine call.

DSPy strips ``rollout_id`` before the engine sees the request. A callback on the LM sees it; a context variable carries
it to the engine, which runs in the same context, whatever the thread.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from dspy.utils.callback import BaseCallback


class Call:
    """One public call of the LM: its rollout, and how often each request was tried in it.

    Args:
        rollout: As the caller numbered it; empty when it did not.
        failures: How often the call failed before, where each try is a call of its own, as on the wire. It varies the
            faults, never the answers.
    """

    def __init__(self, rollout: str = "", failures: int = 0) -> None:
        self.rollout = rollout
        self.failures = failures
        self._tries: dict[str, int] = {}

    def attempt(self, request: str) -> int:
        """How many times this request was sent before in this call, from 0; counts this time."""
        number = self._tries.get(request, 0)
        self._tries[request] = number + 1
        return number


_CURRENT: ContextVar[Call | None] = ContextVar("simulated_call", default=None)
_LOCAL = threading.local()


class RolloutCallback(BaseCallback):  # type: ignore[misc]  # DSPy ships no types
    """Remembers the rollout of each call of the LM it is attached to; stateless, shared by copies."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "RolloutCallback":
        return self

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Open a call."""
        given = (inputs.get("kwargs") or {}).get("rollout_id", getattr(instance, "kwargs", {}).get("rollout_id"))
        _CURRENT.set(Call("" if given is None else str(given)))

    def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        """Close it."""
        _CURRENT.set(None)


@contextmanager
def opened(call: Call) -> Iterator[None]:
    """Everything the engine answers inside belongs to this call."""
    token = _CURRENT.set(call)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_call(request: str) -> Call:
    """The open call.

    Without a callback (a loaded LM) it is one that lasts while the same request fails on this thread.
    """
    call = _CURRENT.get()
    if call is not None:
        return call
    key, lonely = getattr(_LOCAL, "lonely", ("", Call()))
    if key != request:
        lonely = Call()
        _LOCAL.lonely = (request, lonely)
    return lonely


def close_lonely() -> None:
    """Forget the call that ``current_call`` made for want of a callback: its request has been answered."""
    _LOCAL.lonely = ("", Call())
