"""Runs that a metric which works has given no score: told once for each cause."""

from __future__ import annotations

import logging
import re

from dspy_dlpo.core.roles import Failure, Row

logger = logging.getLogger(__name__)

# Of an error so many characters tell its cause: two labels of one kind differ further on.
CAUSE = 24


class UnscoredRuns:
    """Warns of the first run without a score of each cause."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def note(self, row: Row) -> None:
        """Take in a run that the metric gave no score."""
        cause = _cause(row)
        if cause not in self._told:
            self._told.add(cause)
            logger.warning(
                "the metric gave no score on example %d: %s An example is left out where no prompts get a score; "
                "prompts without one lose where others have one. Later runs like it are counted.",
                row.example,
                row.error if row.error.endswith(".") else f"{row.error}.",
            )


def _cause(row: Row) -> str:
    if row.failure == Failure.RANGE:
        return "out of range"
    head = re.split(r"[:(]", row.error, maxsplit=1)[0]
    return head[:CAUSE] if row.failure == Failure.NO_SCORE else head
