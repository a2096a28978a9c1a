"""Run directories kept as blobs, so that whoever retries a trial, on any machine, goes on where it stopped."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from dspy_dlpo.core.errors import RunDirectoryError
from dspy_dlpo.core.opening import check_run
from dspy_dlpo.core.storage import EVENTS, SETTINGS
from dspy_dlpo.tuning.blobs import Blobs

logger = logging.getLogger(__name__)

# Files that only grow, until they are written anew; of these what is new is added. All others are kept whole.
GROWING = (EVENTS,)
# The mark of an attempt that nobody may go on from.
ASIDE = "set-aside"


class Checkpoint:
    """Mirrors one run directory.

    Each attempt writes under its own number, so an attempt that was taken for dead spoils nothing.

    Args:
        blobs: Where it is kept.
        prefix: Names the run; the same for all attempts at it.
        attempt: Number of this attempt, from 0.
        folder: The run directory.
    """

    def __init__(self, blobs: Blobs, prefix: str, attempt: int, folder: Path) -> None:
        self._blobs, self._prefix, self._folder = blobs, prefix, folder
        self._own = f"{prefix}/{attempt:03d}"
        self._restored = ""
        self._saved: dict[str, tuple[int, int]] = {}  # by file: which one of this name, and how much of it
        self._whole: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def restore(self) -> bool:
        """Write the files of the attempt that came furthest into the folder; False if there is none to go on with.

        A worker may have died before all of its attempt was stored. What cannot be gone on with is set aside, with a
        warning, and the next best is taken.
        """
        attempts = self._attempts()
        for attempt in sorted(attempts, key=lambda each: (len(attempts[each].get(EVENTS, b"")), each), reverse=True):
            self._write(attempts[attempt])
            self._restored = attempt
            try:
                check_run(self._folder)
            except RunDirectoryError as error:
                self.set_aside(str(error))
            else:
                return True
        return False

    def set_aside(self, why: str) -> None:
        """Let nobody go on from the attempt that was restored last, and empty the folder."""
        logger.warning("what was kept of %s cannot be gone on with, and its run begins anew: %s", self._restored, why)
        self._blobs.put(f"{self._restored}/{ASIDE}/{0:012d}", why.encode())
        with self._lock:
            for path in self._folder.iterdir():
                path.unlink()

    def save(self) -> None:
        """Add what is new in the folder.

        The run writes while it is read, and this process may die between two files. So they are stored in the order
        in which each names the next: the settings that say of what run it is, then what happened in it.
        """
        with self._lock:
            news = {name: self._news(self._folder / name) for name in reversed(GROWING)}
            self._replace(self._folder / SETTINGS)
            for name in GROWING:
                self._add(name, *news[name])
            for path in sorted(self._folder.glob("*.json")):
                self._replace(path)

    def _attempts(self) -> Mapping[str, Mapping[str, bytes]]:
        """The files of the other attempts, by the attempt's prefix; without those that were set aside."""
        found: dict[str, dict[str, bytes]] = {}
        for name in self._blobs.names(f"{self._prefix}/"):
            attempt, file, _ = name.rsplit("/", 2)
            if attempt != self._own:
                files = found.setdefault(attempt, {})
                files[file] = files.get(file, b"") + (self._blobs.get(name) or b"")
        return {attempt: files for attempt, files in found.items() if ASIDE not in files}

    def _write(self, files: Mapping[str, bytes]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file, body in files.items():
            (self._folder / file).write_bytes(body)

    def _news(self, path: Path) -> tuple[int, int, bytes]:
        """What a growing file holds that is not stored yet: of which file of this name, from where on, and the bytes.

        A run that is gone on with may write its records anew, in a new file of the same name.
        """
        if not path.exists():
            return 0, 0, b""
        with open(path, "rb") as file:
            number = os.fstat(file.fileno()).st_ino
            known, done = self._saved.get(path.name, (number, 0))
            done = done if known == number else 0
            file.seek(done)
            return number, done, file.read()

    def _add(self, name: str, number: int, done: int, body: bytes) -> None:
        if not body:
            return
        if not done:
            self._blobs.remove_all(f"{self._own}/{name}/")
        self._blobs.put(f"{self._own}/{name}/{done:012d}", body)
        self._saved[name] = number, done + len(body)

    def _replace(self, path: Path) -> None:
        if not path.exists():
            return
        body = path.read_bytes()
        if self._whole.get(path.name) != body:
            self._blobs.put(f"{self._own}/{path.name}/{0:012d}", body)
            self._whole[path.name] = body
