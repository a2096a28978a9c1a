"""Event loops that are kept: a client that was opened on one is of no use on another, and least on one that is closed.

A piece of work, one run of the program with its score, has one loop for all that it awaits. It borrows that of a piece
that has ended: so there are no more loops than pieces in flight at a time, one for each worker, and with one worker
there is one loop for the whole run. They are not shared by pieces in flight, as one that blocks would hold up the
others. Where the caller awaits the run himself, his own loop runs what is async, beside all else that he does on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Any

from dspy_dlpo.core.cancelling import RunCancelled


class Loops:
    """Event loops for all that is awaited inside, kept until the end.

    Args:
        outer: Where they are borrowed; None to make them, and to close them in the end.
    """

    def __init__(self, outer: Loops | None = None) -> None:
        self._outer, self._idle, self._closed = outer, list[asyncio.AbstractEventLoop](), False

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Have what is awaited inside run on these."""
        token = _LOOPS.set(self)
        try:
            yield
        finally:
            _LOOPS.reset(token)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, on the loop that was used last if it is free."""
        loop = self._taken()
        try:
            return loop.run_until_complete(work)
        finally:
            self._give_back(loop)

    def close(self) -> None:
        """End what still runs on the loops that are free, and give them back or close them; the others follow."""
        self._closed = True
        while (loop := self._free()) is not None:
            if self._outer is None:
                _where_no_loop_runs(_close, loop)
            else:
                self._outer._give_back(loop)

    def _free(self) -> asyncio.AbstractEventLoop | None:
        try:  # one look: what was there a moment ago another thread may have by now
            return self._idle.pop()
        except IndexError:
            return None

    def _taken(self) -> asyncio.AbstractEventLoop:
        if (loop := self._free()) is not None:
            return loop
        return asyncio.new_event_loop() if self._outer is None else self._outer._taken()

    def _give_back(self, loop: asyncio.AbstractEventLoop) -> None:
        self._idle.append(loop)
        if self._closed:  # the work was given up before
            self.close()


@dataclass(frozen=True)
class CallersLoop:
    """The loop on which a run is awaited.

    Args:
        loop: The loop.
        thread: The thread that it runs in.
    """

    loop: asyncio.AbstractEventLoop
    thread: int

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, from another thread.

        Raises:
            RunCancelled: If the loop ends first, and cancels what runs on it.
        """
        try:
            future = asyncio.run_coroutine_threadsafe(work, self.loop)
        except RuntimeError:  # it is closed
            work.close()
            raise RunCancelled from None
        try:
            return future.result()
        except CancelledError:  # which says nothing of the program: no score may come of it
            raise RunCancelled from None


_LOOPS: ContextVar[Loops | None] = ContextVar("dlpo_loops", default=None)
CALLERS_LOOP: ContextVar[CallersLoop | None] = ContextVar("dlpo_callers_loop", default=None)


@contextmanager
def one_loop() -> Iterator[Loops]:
    """Have all that is awaited inside run on one loop; there is none if nothing is awaited."""
    loops = Loops(_LOOPS.get())
    try:
        with loops.in_force():
            yield loops
    finally:
        loops.close()


def loop_runs() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_on_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end under the caller's context: on the caller's own loop, or on one that is kept."""
    callers = CALLERS_LOOP.get()
    if callers is None or loop_runs():
        return _where_no_loop_runs(_run_here, work)
    return callers.run(work)


def _where_no_loop_runs(function: Callable[[Any], Any], argument: Any) -> Any:
    """What a function gives in this thread, or in another if a loop runs here, as in a notebook."""
    if not loop_runs():
        return function(argument)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, function, argument).result()


def _run_here(work: Coroutine[Any, Any, Any]) -> Any:
    with one_loop() as loops:
        return loops.run(work)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop as `asyncio.run` does, but for a wait for its threads, which may hang."""
    try:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
