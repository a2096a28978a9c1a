"""Async programs and metrics are awaited, also where an event loop runs already, as in a notebook."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dspy


def awaited(value: Any) -> Any:
    """A value, run to its end first where it is a coroutine or anything else that must be awaited.

    It runs in an event loop of its own, as `dspy.syncify` has it, and under the caller's context: DSPy's settings, its
    trace and callbacks hold inside. A loop for all would let one run that blocks hold up the others.

    Raises:
        TypeError: If what comes of it is a generator, which is no result yet.
    """
    while inspect.isawaitable(value):
        value = _run(value)
    if inspect.isgenerator(value) or inspect.isasyncgen(value):
        raise TypeError(f"{value.__qualname__} yields its results one by one. Return one result instead.")
    return value


def is_only_async(module: dspy.Module) -> bool:
    """Whether a module runs by `acall` alone: it has ``aforward``, or an ``acall`` of its own, and no ``forward``."""
    kind = type(module)
    if "forward" in vars(module) or hasattr(kind, "forward") or kind.__call__ is not dspy.Module.__call__:
        return False
    return hasattr(module, "aforward") or kind.acall is not dspy.Module.acall


def _run(value: Awaitable[Any]) -> Any:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_wait(value))
    with ThreadPoolExecutor(1) as pool:  # this thread has a loop already
        return pool.submit(contextvars.copy_context().run, asyncio.run, _wait(value)).result()


async def _wait(value: Awaitable[Any]) -> Any:
    return await value
