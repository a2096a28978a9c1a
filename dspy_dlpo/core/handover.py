"""The run directory of an attempt, begun with what an earlier attempt has left of the same run."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from pathlib import Path

from dspy_dlpo.core.errors import RunDirectoryError
from dspy_dlpo.core.opening import check_run
from dspy_dlpo.core.replacing import DRAFT
from dspy_dlpo.core.storage import EVENTS, LOCK

logger = logging.getLogger(__name__)

# What the directory of an attempt is called that nobody may go on from.
ASIDE = ".set-aside"


class RunFolder:
    """One run of a setting on one task with one seed; `root` holds the directories of all attempts at it.

    Each attempt has a directory of its own, so that one that was taken for dead spoils nothing.
    """

    def __init__(self, root: Path, attempt: str) -> None:
        self._root, self.path = root, root / attempt
        self._source: Path | None = None
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def restore(self) -> None:
        """Copy the directory that came furthest; what cannot be gone on with is set aside, and the next best taken."""
        others = [each for each in self._root.iterdir() if each != self.path and each.suffix != ASIDE]
        for self._source in sorted(others, key=_length, reverse=True):
            try:
                self._copy(self._source)
                check_run(self.path)
                return
            except RunDirectoryError as error:
                self.set_aside(str(error))

    def set_aside(self, why: str) -> None:
        """Let nobody go on from the attempt that was copied, and begin anew."""
        logger.warning("what was kept in %s cannot be gone on with, and its run begins anew: %s", self._source, why)
        if self._source is not None:
            self._source.rename(f"{self._source}{ASIDE}")
        for path in self.path.iterdir():
            path.unlink()

    def _copy(self, source: Path) -> None:
        """Copy the files of a run that may still be going on."""
        for path in source.iterdir():
            if path.name != LOCK and path.suffix != DRAFT:
                with suppress(FileNotFoundError):  # it may be going on, and have put another in its place
                    shutil.copyfile(path, self.path / path.name)


def _length(path: Path) -> tuple[int, float]:
    """How far an attempt came; of equals the later is taken."""
    log = path / EVENTS
    return (log.stat().st_size if log.exists() else 0), path.stat().st_mtime
