"""Which questions of a task are learned from, chosen on, tested on, and kept to measure its headroom."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluations.local_tasks.kind import LocalTask, Pair

# Questions to learn from, to choose on, to measure headroom on; and to test on, at least and at most.
TRAIN, VAL, HEADROOM, LEAST_TEST, MOST_TEST = 60, 40, 60, 50, 200


@dataclass(frozen=True)
class Parts:
    """The questions of a task, with answers; no question is in two of them, case and white space apart."""

    train: list[Pair]
    val: list[Pair]
    test: list[Pair]
    headroom: list[Pair]


def parts_of(name: str, task: LocalTask, seed: int, data_dir: Path | None = None) -> Parts:
    """Draw the questions of a task.

    Test and headroom questions are the same for every seed: so a headroom question is never learned from, and the
    start prompt is scored once.

    Args:
        name: Of the task.
        task: The task.
        seed: Of the questions to learn from and to choose on.
        data_dir: Where the data files are; None for the hub.

    Raises:
        ValueError: If the data cannot be had or are too few.
    """
    pairs = unique(task.pool(data_dir))
    n_test = min(MOST_TEST, len(pairs) - TRAIN - VAL - HEADROOM)
    if n_test < LEAST_TEST:
        least = TRAIN + VAL + HEADROOM + LEAST_TEST
        raise ValueError(f"{name!r} has {len(pairs)} questions, {least} are needed. Get the whole data set.")
    random.Random(name).shuffle(pairs)
    headroom, test, rest = pairs[:HEADROOM], pairs[HEADROOM:][:n_test], pairs[HEADROOM + n_test :]
    random.Random(f"{name}/{seed}").shuffle(rest)
    parts = Parts(rest[:TRAIN], rest[TRAIN:][:VAL], test, headroom)
    return _shuffled(parts, name, seed) if task.is_shuffled else parts


def unique(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs whose question was not asked before, case and white space apart."""
    return list({" ".join(question.split()).casefold(): (question, answer) for question, answer in pairs}.values())


def _shuffled(parts: Parts, name: str, seed: int) -> Parts:
    return Parts(
        _dealt(parts.train, f"{name}/{seed}/train"),
        _dealt(parts.val, f"{name}/{seed}/val"),
        _dealt(parts.test, f"{name}/test"),
        _dealt(parts.headroom, f"{name}/headroom"),
    )


def _dealt(pairs: Sequence[Pair], label: str) -> list[Pair]:
    """The questions with answers at random, each answer equally often: not even a constant answer gains anything."""
    answers = sorted({answer for _, answer in pairs})
    dealt = list(itertools.islice(itertools.cycle(answers), len(pairs)))
    random.Random(label).shuffle(dealt)
    return [(question, answer) for (question, _), answer in zip(pairs, dealt, strict=True)]
