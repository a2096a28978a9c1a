"""The run directory: ``run.json``, which says of what run it is, and ``events.jsonl``, what happened, in order.

Nothing is pickled, and reading a directory executes nothing. Every event is written before what it says is used, so
that a process that dies at any moment can be gone on with: see `dspy_dlpo.core.state`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dspy_dlpo.core.errors import RunDirectoryError
from dspy_dlpo.core.events import Event, event_from_json, event_to_json
from dspy_dlpo.core.history import History
from dspy_dlpo.core.json_lines import UNREADABLE, parse_lines, to_json
from dspy_dlpo.core.replacing import replace_file
from dspy_dlpo.core.state import RunState, fold

SETTINGS, EVENTS, RESULT, LOCK = "run.json", "events.jsonl", "result.json", ".lock"
# What earlier versions wrote in place of the events.
OLD = ("calls.jsonl", "history.jsonl")


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
        self._file: int | None = None
        # Not of one thread: a run may be begun in one and ended in another.
        self._lock = FileLock(self.path / LOCK, timeout=0, mode=0o600, thread_local=False)
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
        self._close_log()
        self._lock.release()

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file, whole or not at all."""
        self._replace(name, to_json(content, indent=2) + "\n")

    def forget(self) -> None:
        """Forget a run in which nothing was scored yet."""
        self._close_log()
        self._replace(EVENTS, "")
        (self.path / RESULT).unlink(missing_ok=True)

    def append(self, event: Event) -> None:
        """Add an event to the log. A durable one, and all before it, survive a loss of power.

        Raises:
            RunDirectoryError: If it cannot be written; no half line stays behind.
        """
        line = (event_to_json(event) + "\n").encode()
        try:
            file = self._opened()
            size = os.fstat(file).st_size
            try:
                written = os.write(file, line)
                while written < len(line):
                    written += os.write(file, line[written:])
            except OSError:
                os.ftruncate(file, size)  # no half line stays behind
                raise
            if event.durable:
                os.fsync(file)
        except OSError as error:
            raise RunDirectoryError(
                f"{self.path / EVENTS} cannot be written: {error}. Free some space and make the same call again: it "
                "goes on from there."
            ) from error

    def _opened(self) -> int:
        if self._file is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._file = os.open(self.path / EVENTS, flags, 0o600)
        return self._file

    def _close_log(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = None

    def _replace(self, name: str, text: str) -> None:
        target = self.path / name
        try:
            replace_file(target, text)
        except OSError as error:
            raise RunDirectoryError(f"{target} cannot be written: {error}. Free or choose another place.") from error


def read_state(path: str | os.PathLike[str]) -> RunState:
    """What a run directory holds of a run; a last line that was cut by a crash is left out.

    Raises:
        RunDirectoryError: If it holds none, or a line other than the last is no event, or none that can follow.
    """
    path = Path(path).expanduser() / EVENTS
    try:
        return fold(parse_lines(path, event_from_json))
    except UNREADABLE as error:
        raise RunDirectoryError(f"{path} is no log of a run: an event cannot follow the others ({error!r}).") from error


def read_history(path: str | os.PathLike[str]) -> History:
    """The records of a run directory.

    Raises:
        RunDirectoryError: As for `read_state`.
    """
    return History(read_state(path).history)
