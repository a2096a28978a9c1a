"""Opinions and facts about films: what an instruction is not expected to teach a small model."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from evaluations.data import rows_of
from evaluations.local_tasks.kind import Pair, Pool

POLARITY = "Say whether the sentence is positive or negative. Answer with that word only."
SUBJECTIVITY = "Say whether the sentence is subjective or objective. Answer with that word only."


def sentences(name: str) -> Pool:
    """All sentences of a data set, such as ``sentence_polarity``; getting them may raise ValueError."""
    return partial(_sentences, name)


def _sentences(name: str, data_dir: Path | None = None) -> list[Pair]:
    return [(row["question"], row["answer"]) for row in rows_of(name, data_dir)]
