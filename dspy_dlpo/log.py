"""The package's own log, shown while a run goes on where nobody else shows it."""

from __future__ import annotations

import logging
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
    logger = logging.getLogger("dspy_dlpo")
    if not wanted or logger.hasHandlers() or logger.level != logging.NOTSET:
        yield
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("dspy_dlpo: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
