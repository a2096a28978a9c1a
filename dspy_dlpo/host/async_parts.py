"""Tools and modules of a program that are async behind a sync face: they are awaited on the loop of their run.

DSPy would make a new loop for each call of one, and close it: what a client has opened on it is of no use to the next.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any

import dspy

from dspy_dlpo.host.awaiting import awaited, has_plain_call
from dspy_dlpo.host.loops import loop_runs

# The attribute of an evaluation copy that is run by `acall`, though it could be called.
BY_ACALL = "_dlpo_by_acall"
_SYNCIFY = "dspy.utils.syncify"


def has_async_parts(program: dspy.Module) -> bool:
    """Whether a program holds async tools, or modules that `dspy.syncify` made sync."""
    return bool(_async_tools(program) or _syncified(program))


def keep_on_loop(program: dspy.Module) -> None:
    """Have the async parts of an evaluation copy awaited on the loop of each run.

    Async tools are called from sync code only where the user has DSPy allow it (``allow_tool_async_sync_conversion``).
    Where he has not, a program that can be awaited is, as only so its tools do anything.
    """
    for module in _syncified(program):
        target = module if "forward" in vars(module) else module.program
        vars(module)["forward"] = MethodType(_forward, target)
    tools = _async_tools(program)
    if dspy.settings.allow_tool_async_sync_conversion:
        for tool in tools:
            tool.func = _Awaited(tool.func)
    elif tools and hasattr(program, "aforward") and has_plain_call(program):
        setattr(program, BY_ACALL, True)


class _Awaited:
    """An async function that can be called from sync code, too.

    Args:
        function: The function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, **arguments: Any) -> Any:
        result = self._function(**arguments)
        return result if loop_runs() else awaited(result)  # where a loop runs, `acall` awaits it


def _forward(module: dspy.Module, *args: Any, **kwargs: Any) -> Any:
    return awaited(module.aforward(*args, **kwargs))


def _async_tools(program: dspy.Module) -> list[dspy.Tool]:
    tools = [tool for _, tool in program.named_sub_modules(type_=dspy.Tool)]
    return [each for each in tools if any(map(inspect.iscoroutinefunction, (each.func, type(each.func).__call__)))]


def _syncified(program: dspy.Module) -> list[dspy.Module]:
    """The modules that `dspy.syncify` has given a `forward`, or wrapped."""
    return [
        module
        for _, module in program.named_sub_modules(type_=dspy.Module)
        if _SYNCIFY in (type(module).__module__, getattr(vars(module).get("forward"), "__module__", ""))
    ]
