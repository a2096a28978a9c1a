"""Async programs and metrics are awaited, also where an event loop runs already, as in a notebook."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from typing import Any

import dspy

from dspy_dlpo.host.loops import run_on_loop


def awaited(value: Any) -> Any:
    """A value, run to its end first where it is a coroutine or anything else that must be awaited.

    It runs under the caller's context, so that DSPy's settings, its trace and callbacks hold inside, on the event loop
    of the piece of work that it is part of (see `dspy_dlpo.host.loops`).

    Raises:
        TypeError: If what comes of it is a generator, which is no result yet.
    """
    while inspect.isawaitable(value):
        value = run_on_loop(_wait(value))
    if inspect.isgenerator(value) or inspect.isasyncgen(value):
        raise TypeError(f"{value.__qualname__} yields its results one by one. Return one result instead.")
    return value


def is_only_async(module: dspy.Module) -> bool:
    """Whether a module runs by `acall` alone: it has ``aforward``, or an ``acall`` of its own, and no ``forward``."""
    if "forward" in vars(module) or hasattr(type(module), "forward") or not has_plain_call(module):
        return False
    return hasattr(module, "aforward") or type(module).acall is not dspy.Module.acall


def has_plain_call(module: dspy.Module) -> bool:
    """Whether calling a module does what DSPy has it do."""
    return type(module).__call__ is dspy.Module.__call__


async def _wait(value: Awaitable[Any]) -> Any:
    return await value
