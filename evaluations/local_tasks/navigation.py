"""Whether a walk comes back to its start: reasoning that an instruction is not expected to teach in one short field."""

from __future__ import annotations

from pathlib import Path

from evaluations.data import rows_of
from evaluations.local_tasks.kind import Pair

START = "Answer the question with Yes or No, and nothing else."


def walks(data_dir: Path | None = None) -> list[Pair]:
    """The questions of BIG-Bench Hard's ``navigate``.

    Raises:
        ValueError: If the data cannot be had.
    """
    return [(row["question"], row["answer"]) for row in rows_of("bbh", data_dir, "navigate")]
