"""Run directories kept as blobs, so that whoever retries a trial, on any machine, goes on where it stopped."""

from __future__ import annotations

import threading
from pathlib import Path

from dspy_dlpo.core.storage import CALLS, HISTORY
from dspy_dlpo.tuning.blobs import Blobs

# Files that only grow; of these what is new is added. All others are kept whole. The run may write while they are
# read: calls may be ahead of the history, which rests on them, and not the other way round.
GROWING = (HISTORY, CALLS)


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
        self._saved: dict[str, int] = {}
        self._whole: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def restore(self) -> bool:
        """Write the files of the latest attempt into the folder; False if there are none."""
        names = [each for each in self._blobs.names(f"{self._prefix}/") if not each.startswith(f"{self._own}/")]
        attempts = sorted({each.removeprefix(f"{self._prefix}/").split("/")[0] for each in names})
        if not attempts:
            return False
        latest = [each for each in names if each.startswith(f"{self._prefix}/{attempts[-1]}/")]
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file in sorted({each.split("/")[-2] for each in latest}):
            pieces = [each for each in latest if each.split("/")[-2] == file]
            body = b"".join(self._blobs.get(piece) or b"" for piece in sorted(pieces))
            (self._folder / file).write_bytes(body)
        return True

    def save(self) -> None:
        """Add what is new in the folder."""
        with self._lock:
            for name in GROWING:
                if (self._folder / name).exists():
                    self._add(self._folder / name)
            for path in sorted(self._folder.glob("*.json")):
                self._replace(path)

    def _add(self, path: Path) -> None:
        done = self._saved.get(path.name, 0)
        with open(path, "rb") as file:
            file.seek(done)
            body = file.read()
        if body:
            self._blobs.put(f"{self._own}/{path.name}/{done:012d}", body)
            self._saved[path.name] = done + len(body)

    def _replace(self, path: Path) -> None:
        body = path.read_bytes()
        if self._whole.get(path.name) != body:
            self._blobs.put(f"{self._own}/{path.name}/{0:012d}", body)
            self._whole[path.name] = body
