"""Who is calling: the rollout and the attempt of the public call around an engine call.

DSPy strips ``rollout_id`` before the engine sees the request. A callback on the LM sees it; a context variable carries
it to the engine, which runs in the same context, whatever the thread.
"""

import threading
from contextvars import ContextVar
from typing import Any

from dspy.utils.callback import BaseCallback


class Call:
    """One public call of the LM: its rollout, and how often each request was tried in it."""

    def __init__(self, rollout: str = "") -> None:
        self.rollout = rollout
        self._tries: dict[str, int] = {}

    def attempt(self, request: str) -> int:
        """How many times this request was sent before in this call, from 0; counts this time."""
        number = self._tries.get(request, 0)
        self._tries[request] = number + 1
        return number


_CURRENT: ContextVar[Call | None] = ContextVar("simulated_call", default=None)
_LOCAL = threading.local()


class RolloutCallback(BaseCallback):
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


def current_call(request: str) -> Call:
    """The open call.

    Without a callback (a loaded LM, or HTTP) it is one that lasts while the same request fails on this thread.
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
