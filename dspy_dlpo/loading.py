"""Find a task by its import path, as the command line names it."""

from __future__ import annotations

import importlib
import os
import sys
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
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module_name), name)
    except ModuleNotFoundError as error:
        raise ValueError(f"{path!r}: {error}. Run from the directory that holds the module.") from error
    except AttributeError as error:
        raise ValueError(f"{path!r}: {error}. Name a Task of that module.") from error
    finally:
        sys.path.pop(0)
    return found() if callable(found) else found


def _checked(path: str, task: Any) -> Task:
    if not all(hasattr(task, each) for each in ("program", "metric", "trainset")):
        raise ValueError(f"{path!r} is a {type(task).__name__}. Name a dspy_dlpo.Task, or a function that returns one.")
    return task  # type: ignore[no-any-return]
