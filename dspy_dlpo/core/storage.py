"""The run directory: ``run.json``, ``history.jsonl`` and ``calls.jsonl``, plain JSON, appended and flushed.

Nothing is pickled, and reading a directory executes nothing.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dspy_dlpo.core.edits import Dropped, Edit
from dspy_dlpo.core.errors import ResumeError, RunDirectoryError
from dspy_dlpo.core.history import History, LedgerEntry, Record, prompts_key
from dspy_dlpo.core.roles import Row, RunRequest
from dspy_dlpo.core.update import Note, TextGradient


class RunDirectory:
    """A directory that remembers one run.

    Args:
        path: Where it is, or is to be made; private to the user.

    Raises:
        RunDirectoryError: If it cannot be made or written.
        ResumeError: If it holds a run already.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise RunDirectoryError(f"log_dir={str(path)!r} cannot be made: {error}. Pass another one.") from error
        if (self.path / "run.json").exists():
            raise ResumeError(f"log_dir={str(path)!r} holds a run already. Pass a new directory.")

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Write ``run.json``, whole or not at all."""
        self.write_json("run.json", settings)

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file, whole or not at all."""
        target, draft = self.path / name, self.path / f".{name}.draft"
        try:
            with open(draft, "w", encoding="utf-8") as file:
                file.write(to_json(content, indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, target)
        except OSError as error:
            raise RunDirectoryError(f"{target} cannot be written: {error}. Free or choose another place.") from error

    def abandon(self) -> None:
        """Forget the settings of a run that failed before its first record, so that the directory can be used again."""
        (self.path / "run.json").unlink(missing_ok=True)

    def append_record(self, record: Record) -> None:
        """Add a record to ``history.jsonl``."""
        self._append("history.jsonl", record)

    def append_run(self, which: str, request: RunRequest, row: Row) -> None:
        """Add a finished run of the program to ``calls.jsonl``, under the hash of its prompts."""
        names = {"role": "task", "set": which, "prompts": prompts_key(request.prompts), "rollout": request.rollout}
        self.append_call({**names, **_plain(row)})

    def append_call(self, call: Mapping[str, Any]) -> None:
        """Add a reply of critic or writer to ``calls.jsonl``."""
        self._append("calls.jsonl", call)

    def _append(self, name: str, content: Any) -> None:
        try:
            with open(self.path / name, "a", encoding="utf-8") as file:
                file.write(to_json(content) + "\n")
                file.flush()
        except OSError as error:
            raise RunDirectoryError(f"{self.path / name} cannot be written: {error}. Free some space.") from error


def read_history(path: str | os.PathLike[str]) -> History:
    """Read ``history.jsonl`` of a run directory; a last line that was cut by a crash is left out.

    Raises:
        RunDirectoryError: If the directory holds no run, or a line other than the last is no record.
    """
    try:
        lines = (Path(path) / "history.jsonl").read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RunDirectoryError(f"{str(path)!r} holds no run: {error}. Pass the directory of a run.") from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(record_from_json(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if number < len(lines):
                raise RunDirectoryError(f"line {number} of {path}/history.jsonl is no record: {error}") from error
    return History(records)


def to_json(content: Any, indent: int | None = None) -> str:
    """JSON of plain data and frozen dataclasses; ASCII only, so that any text survives."""
    return json.dumps(_plain(content), indent=indent)


def record_from_json(line: str) -> Record:
    """The record that `to_json` wrote.

    Raises:
        ValueError: If the line is no JSON.
        KeyError: If a field is missing.
    """
    data = json.loads(line)
    return Record(
        **{
            **data,
            "batch": tuple(data["batch"]),
            "gradients": tuple(
                TextGradient(g["predictor"], g["text"], tuple(g["examples"])) for g in data["gradients"]
            ),
            "notes": {name: tuple(Note(**note) for note in notes) for name, notes in data["notes"].items()},
            "edits": tuple(Edit(**edit) for edit in data["edits"]),
            "dropped": tuple(Dropped(Edit(**each["edit"]), each["reason"]) for each in data["dropped"]),
            "ledger": tuple(_entry(entry) for entry in data["ledger"]),
            "scores": {int(x): tuple(scores) for x, scores in data["scores"].items()},
        }
    )


def _entry(data: dict[str, Any]) -> LedgerEntry:
    lists = {name: tuple(data[name]) for name in ("gained", "lost")}
    return LedgerEntry(**{**data, **lists, "edit": Edit(**data["edit"])})


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
