"""The run directory: ``run.json``, ``history.jsonl`` and ``calls.jsonl``, plain JSON, appended and flushed.

Nothing is pickled, and reading a directory executes nothing. Every line is written before what it says is used, so that
a process that dies at any moment can be gone on with: see `dspy_dlpo.core.memory`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dspy_dlpo.core.errors import RunDirectoryError
from dspy_dlpo.core.history import History, Record, prompts_key
from dspy_dlpo.core.json_lines import parse_lines, to_json
from dspy_dlpo.core.reading import record_from_json
from dspy_dlpo.core.roles import Row, RunRequest

SETTINGS, HISTORY, CALLS, RESULT, LOCK = "run.json", "history.jsonl", "calls.jsonl", "result.json", ".lock"


class RunDirectory:
    """A directory that remembers one run, held by one process at a time.

    Args:
        path: Where it is, or is to be made; private to the user.

    Raises:
        RunDirectoryError: If it cannot be made or written, or another process holds it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        from filelock import FileLock, Timeout  # only where a run is remembered

        self.path = Path(path).expanduser().absolute()
        self._files: dict[str, int] = {}
        self._lock = FileLock(self.path / LOCK, timeout=0, mode=0o600)
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise RunDirectoryError(f"log_dir={str(path)!r} cannot be made: {error}. Pass another one.") from error
        try:
            self._lock.acquire()
        except Timeout:
            raise RunDirectoryError(
                f"log_dir={str(path)!r} is in use by another run. Wait for its end, or pass another directory."
            ) from None
        except (OSError, NotImplementedError) as error:
            raise RunDirectoryError(
                f"log_dir={str(path)!r} cannot be written: {error}. Free or choose another place."
            ) from error

    def close(self) -> None:
        """Let others have the directory."""
        for file in self._files.values():
            os.close(file)
        self._files = {}
        self._lock.release()

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file, whole or not at all."""
        self._replace(name, to_json(content, indent=2) + "\n")

    def write_history(self, records: Sequence[Record]) -> None:
        """Write ``history.jsonl`` anew, whole or not at all."""
        self._replace(HISTORY, "".join(to_json(record) + "\n" for record in records))

    def forget(self) -> None:
        """Forget a run in which nothing was scored yet."""
        for name in (HISTORY, CALLS):
            self._replace(name, "")
        (self.path / RESULT).unlink(missing_ok=True)

    def append_record(self, record: Record) -> None:
        """Add a record to ``history.jsonl``."""
        self._append(HISTORY, record, durable=True)

    def append_run(
        self, which: str, request: RunRequest, row: Row, spent: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Add a finished run of the program to ``calls.jsonl``, under the hash of its prompts."""
        names = {"role": "task", "set": which, "prompts": prompts_key(request.prompts), "rollout": request.rollout}
        fields = {each: getattr(row, each) for each in row.__dataclass_fields__}
        self.append_call({**names, **fields, "spent": spent or {}}, durable=False)

    def append_call(self, call: Mapping[str, Any], *, durable: bool = True) -> None:
        """Add a line to ``calls.jsonl``; `durable` makes sure that it, and all before it, survive a loss of power."""
        self._append(CALLS, call, durable=durable)

    def _append(self, name: str, content: Any, *, durable: bool) -> None:
        line = (to_json(content) + "\n").encode()
        try:
            file = self._opened(name)
            size = os.fstat(file).st_size
            try:
                written = os.write(file, line)
                while written < len(line):
                    written += os.write(file, line[written:])
            except OSError:
                os.ftruncate(file, size)  # no half line stays behind
                raise
            if durable:
                os.fsync(file)
        except OSError as error:
            raise RunDirectoryError(
                f"{self.path / name} cannot be written: {error}. Free some space and make the same call again: it goes "
                "on from there."
            ) from error

    def _opened(self, name: str) -> int:
        if name not in self._files:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._files[name] = os.open(self.path / name, flags, 0o600)
        return self._files[name]

    def _replace(self, name: str, text: str) -> None:
        target, draft = self.path / name, self.path / f".{name}.draft"
        if name in self._files:
            os.close(self._files.pop(name))
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, target)
        except OSError as error:
            raise RunDirectoryError(f"{target} cannot be written: {error}. Free or choose another place.") from error


def read_history(path: str | os.PathLike[str]) -> History:
    """Read ``history.jsonl`` of a run directory; a last line that was cut by a crash is left out.

    Raises:
        RunDirectoryError: If the directory holds no run, or a line other than the last is no record.
    """
    return History(parse_lines(Path(path).expanduser() / HISTORY, record_from_json))
