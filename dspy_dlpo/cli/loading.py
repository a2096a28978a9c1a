"""Find a task by its import path, as the command line names it."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from dspy_dlpo.core.task import Task


def load_tasks(path: str) -> list[Task]:
    """The tasks at ``module:name``: one `Task`, several in a list, or a function that returns either.

    Raises:
        ValueError: If the path has not that form, nothing is there, or it is no task.
    """
    found = _load(path)
    tasks = list(found) if isinstance(found, (list, tuple)) else [found]
    if not tasks:
        raise ValueError(f"{path!r} holds no task. Put at least one into it.")
    return [_checked(path, task) for task in tasks]


def load_task(path: str) -> Task:
    """The task at ``module:name``; the working directory is searched first.

    Args:
        path: A module, a colon, and the name of a `Task`, or of a function that returns one.

    Returns:
        The task.

    Raises:
        ValueError: If the path has not that form, nothing is there, or it is no task.
    """
    return _checked(path, _load(path))


def _load(path: str) -> Any:
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise ValueError(f"{path!r} is no path of a task. Pass MODULE:NAME, such as my_module:task.")
    here = os.getcwd()
    if here not in sys.path:  # it stays there: the program may import more as it runs
        sys.path.insert(0, here)
    try:
        found = _named(path, importlib.import_module(module_name), name)
        return found() if _needs_nothing(found) else found
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise  # a module that the task's own module imports
        near = difflib.get_close_matches(module_name, [file.stem for file in Path().glob("*.py")], n=1)
        hint = f"Did you mean {near[0]}:{name}?" if near else "Run from the directory that holds the module."
        raise ValueError(f"{path!r}: {error}. {hint}") from error


def _named(path: str, module: ModuleType, name: str) -> Any:
    if hasattr(module, name):
        return getattr(module, name)
    tasks = [each for each, value in vars(module).items() if _is_task(value)]
    near = difflib.get_close_matches(name, tasks, n=1)
    hint = f"Did you mean {module.__name__}:{near[0]}? " if near else ""
    raise ValueError(f"{path!r}: {module.__name__!r} has no attribute {name!r}. {hint}Name a Task of that module.")


def _needs_nothing(found: Any) -> bool:
    """Whether something is a function that can be called without arguments."""
    if not callable(found):
        return False
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError):
        return False
    return True


def _checked(path: str, task: Any) -> Task:
    if not _is_task(task):
        raise ValueError(
            f"{path!r} is of type {type(task).__name__}. Name a dspy_dlpo.Task, or a function that returns one."
        )
    return task  # type: ignore[no-any-return]


def _is_task(found: Any) -> bool:
    return all(hasattr(found, each) for each in ("program", "metric", "trainset"))
