"""The package's own log, shown while a run goes on where nobody else shows it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def log_shown(wanted: bool = True) -> Iterator[None]:
    """Show the package's log from INFO on, on standard error, a line each; only if the user has decided nothing.

    Whoever has handlers (of the root logger or the package's own), or has set the package logger's level, sees what
    these say, and nothing of ours.

    Args:
        wanted: Whether to show it.
    """
    if wanted and _begin():
        try:
            yield
        finally:
            _end()
    else:
        yield


# Runs in several threads share one handler; the last to end takes it away.
_lock = threading.Lock()
_shown: list[logging.Handler] = []


def _begin() -> bool:
    logger = logging.getLogger("dspy_dlpo")
    with _lock:
        if not _shown:
            if logger.hasHandlers() or logger.level != logging.NOTSET:
                return False
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter("dspy_dlpo: %(message)s"))
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            _shown.append(handler)
        else:
            _shown.append(_shown[0])
        return True


def _end() -> None:
    logger = logging.getLogger("dspy_dlpo")
    with _lock:
        handler = _shown.pop()
        if not _shown:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)
