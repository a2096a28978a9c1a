"""Do independent work in parallel, and give up on what hangs."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any


class Heartbeat:
    """When something last happened in a piece of work: it began, or a call of a language model began or ended.

    What it spends stands in `spent`, in tallies by role.
    """

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.spent: list[tuple[str, Any]] = []

    def beat(self, after: float = 0.0) -> None:
        """Something happened; or it will `after` so many seconds, and silence counts from then."""
        self.last = time.monotonic() + after


class AbandonedError(Exception):
    """Nothing happened in a piece of work for too long; it was left to itself.

    Args:
        timeout: How long, in seconds.
        heartbeat: That of the work.
    """

    def __init__(self, timeout: float, heartbeat: Heartbeat) -> None:
        super().__init__(f"nothing happened for {timeout:g} s")
        self.heartbeat = heartbeat


HEARTBEAT: contextvars.ContextVar[Heartbeat | None] = contextvars.ContextVar("dlpo_heartbeat", default=None)

# A result, or the exception that was raised instead.
Outcome = tuple[Any, BaseException | None]


def in_threads(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    num_threads: int,
    *,
    timeout: float | None = None,
    may_start: Callable[[int], bool] = lambda in_flight: True,
    on_done: Callable[[int, Any], None] = lambda index, result: None,
) -> list[Any]:
    """Apply a function to items, in parallel under the caller's context (DSPy's settings are part of it).

    Items are started in order. The threads are daemons: one that hangs holds up neither the caller nor the end of the
    process. After an exception no further item is started; those in flight are waited for.

    Args:
        function: Applied to each item.
        items: The items.
        num_threads: Items in flight at a time, at least 1.
        timeout: Seconds without a beat of its `Heartbeat` after which an item is abandoned; None to wait for ever.
        may_start: Asked before each item is started, with the number in flight; False starts no more.
        on_done: Told, on the caller's thread, of the index and the result of each item as it finishes. An abandoned
            item's result is its `AbandonedError`. What it raises counts as an exception of that item.

    Returns:
        The results in the order of the items; None for those that were not started.

    Raises:
        BaseException: The first exception, in the order of the items, once all in flight have ended.
    """
    outcomes: dict[int, Outcome] = {}
    for index, outcome in _finished(function, items, num_threads, timeout, may_start, outcomes):
        outcomes[index] = outcome
        if outcome[1] is None:
            try:
                on_done(index, outcome[0])
            except Exception as error:  # noqa: BLE001 - what is in flight is paid for: it is waited for, and told of
                outcomes[index] = (None, error)
    for index in sorted(outcomes):
        raised = outcomes[index][1]
        if raised is not None:
            raise raised
    return [outcomes[index][0] if index in outcomes else None for index in range(len(items))]


def _finished(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    num_threads: int,
    timeout: float | None,
    may_start: Callable[[int], bool],
    outcomes: dict[int, Outcome],
) -> Any:
    """Start the items, and yield index and outcome of each as it finishes or is abandoned."""
    if timeout is None and num_threads <= 1:  # what runs one by one may be bound to the caller's thread
        for index, item in enumerate(items):
            if any(error is not None for _, error in outcomes.values()) or not may_start(0):
                return
            yield index, (function(item), None)
        return
    done: queue.SimpleQueue[tuple[int, Outcome]] = queue.SimpleQueue()
    running: dict[int, Heartbeat] = {}
    started = 0
    while True:
        failed = any(error is not None for _, error in outcomes.values())
        while not failed and started < len(items) and len(running) < num_threads and may_start(len(running)):
            running[started] = _start(function, items[started], started, done)
            started += 1
        if not running:
            return
        try:
            index, outcome = done.get(timeout=_patience(running, timeout))
        except queue.Empty:
            for index in [i for i, heartbeat in running.items() if _is_late(heartbeat, timeout)]:
                yield index, (AbandonedError(timeout or 0.0, running.pop(index)), None)
            continue
        if running.pop(index, None) is not None:  # what was abandoned is not wanted any more
            yield index, outcome


def _start(
    function: Callable[[Any], Any], item: Any, index: int, done: queue.SimpleQueue[tuple[int, Outcome]]
) -> Heartbeat:
    heartbeat, context = Heartbeat(), contextvars.copy_context()
    context.run(HEARTBEAT.set, heartbeat)

    def work() -> None:
        try:
            outcome: Outcome = (context.run(function, item), None)
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            outcome = (None, error)
        done.put((index, outcome))

    threading.Thread(target=work, name=f"dlpo-{index}", daemon=True).start()
    return heartbeat


def _patience(running: dict[int, Heartbeat], timeout: float | None) -> float | None:
    """Seconds until the first of the items in flight is late."""
    if timeout is None:
        return None
    return max(0.0, min(heartbeat.last for heartbeat in running.values()) + timeout - time.monotonic()) + 0.001


def _is_late(heartbeat: Heartbeat, timeout: float | None) -> bool:
    return timeout is not None and time.monotonic() - heartbeat.last >= timeout
