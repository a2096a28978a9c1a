"""Read what a run directory holds, whether the run has ended, goes on or was killed; nothing is written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dspy_dlpo.core.errors import RunDirectoryError
from dspy_dlpo.core.events import Event, event_from_json
from dspy_dlpo.core.history import Prompts, prompts_key
from dspy_dlpo.core.json_lines import UNREADABLE
from dspy_dlpo.core.opening import check_version
from dspy_dlpo.core.roles import Row
from dspy_dlpo.core.state import RunState
from dspy_dlpo.core.storage import EVENTS, RESULT, SETTINGS


@dataclass(frozen=True)
class LogView:
    """What the log of a run tells.

    Args:
        state: Its events, folded.
        unreadable: Lines that are no event, or none that can follow, beside a last one that was cut by a crash.
    """

    state: RunState = field(default_factory=RunState)
    unreadable: int = 0

    @cached_property
    def runs(self) -> Mapping[tuple[str, int], tuple[Row, ...]]:
        """Runs of the program on training examples that were not lost in transport, by prompts and example."""
        found: dict[tuple[str, int], tuple[Row, ...]] = {}
        for prompts, example, row in self.state.rows("train"):
            if row.is_answered:
                found[prompts, example] = (*found.get((prompts, example), ()), row)
        return found

    def rows(self, prompts: Prompts, example: int) -> tuple[Row, ...]:
        """The runs of prompts on a training example."""
        return self.runs.get((prompts_key(prompts), example), ())


def read_log(log_dir: str | os.PathLike[str]) -> LogView:
    """Read the log of a run; a line that cannot be read is counted and left out.

    Returns:
        What it tells; nothing if there is no log.

    Raises:
        RunDirectoryError: If the file cannot be read.
    """
    path, state, unreadable = Path(log_dir).expanduser() / EVENTS, RunState(), 0
    try:
        with open(path, "rb") as file:
            for event in _events(file):
                unreadable += event is None or not _follows(state, event)
    except FileNotFoundError:
        return LogView()
    except OSError as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}. Make it readable, or pass another run.") from error
    return LogView(state, unreadable)


def _follows(state: RunState, event: Event) -> bool:
    """Take an event in; whether it can follow what came before."""
    try:
        state.apply(event)
    except UNREADABLE:
        return False
    return True


def _events(file: Any) -> Iterator[Event | None]:
    """The events of a log; None for a line that is none. A last line without a line break was cut by a crash."""
    for line in file:
        try:
            yield event_from_json(line)
        except UNREADABLE:
            if line.endswith(b"\n") and line.strip():
                yield None


def read_settings(log_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """What ``run.json`` says of a run; empty if there is no such file.

    Raises:
        RunDirectoryError: If it cannot be read.
    """
    path = Path(log_dir).expanduser() / SETTINGS
    return read_object(path) if path.exists() else {}


def argument(settings: Mapping[str, Any], name: str) -> Any:
    """An argument of the optimizer, as ``run.json`` tells it; None if it does not."""
    arguments = settings.get("settings")
    return arguments.get(name) if isinstance(arguments, dict) else None


def read_object(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        RunDirectoryError: If it cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}. Pass another run, or restore the file.") from error
    if not isinstance(content, dict):
        raise RunDirectoryError(f"{path} holds no run or result. Pass the log_dir of a run, or a saved result.")
    return content


def check_directory(path: Path) -> None:
    """Make sure that a directory looks like one of a run.

    Raises:
        RunDirectoryError: If it does not exist, holds no run, or one of an earlier version that has not ended.
    """
    if not path.exists():
        raise RunDirectoryError(f"{str(path)!r} does not exist. Pass the log_dir of a run.")
    if not any((path / name).is_file() for name in (SETTINGS, EVENTS, RESULT)):
        raise RunDirectoryError(
            f"{str(path)!r} holds no run: there is no {SETTINGS}, {EVENTS} or {RESULT}. Pass the log_dir of a run."
        )
    if not (path / RESULT).is_file():
        check_version(path)
