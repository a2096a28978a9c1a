"""Work that takes long, awaited: it is done in a thread of its own, and the event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from typing import TypeVar

from dspy_dlpo.core.cancelling import CANCELLED, RunCancelled
from dspy_dlpo.host.loops import CALLERS_LOOP, CallersLoop

Result = TypeVar("Result")


async def in_background(work: Callable[[], Result], context: Context | None = None) -> Result:
    """Do work in a thread, under a context; what it awaits runs on this event loop.

    Where it is cancelled, no further call is sent. Those in flight are waited for, as they are paid for; to be
    cancelled once more ends that wait, and they finish by themselves.

    Args:
        work: What to do.
        context: Where it is done, in a copy; None for the caller's.

    Raises:
        asyncio.CancelledError: If it is cancelled.
    """
    # A copy: work that is done elsewhere later must not wait for a loop that may be blocked then.
    loop, context, gone = asyncio.get_running_loop(), (context or copy_context()).copy(), threading.Event()
    done: asyncio.Future[tuple[Result | None, BaseException | None]] = loop.create_future()
    context.run(CANCELLED.set, gone.is_set)
    context.run(CALLERS_LOOP.set, CallersLoop(loop, threading.get_ident()))

    def do() -> None:
        outcome: tuple[Result | None, BaseException | None]
        try:
            outcome = context.run(work), None
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            outcome = None, error
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(done.set_result, outcome)

    # A daemon of its own: a pool would be waited for at the end of the process, and of the loop.
    threading.Thread(target=do, name="dlpo-run", daemon=True).start()
    try:
        await asyncio.wait([done])
    except asyncio.CancelledError:
        gone.set()
        await asyncio.wait([done])
        raise
    result, error = done.result()
    if isinstance(error, RunCancelled):  # the loop has cancelled what was awaited on it
        raise asyncio.CancelledError
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
