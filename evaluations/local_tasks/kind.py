"""What a task for a small local model is, before its questions are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evaluations.graders import Grade

# A question and its answer.
Pair = tuple[str, str]
# Gives every pair of a task, the same in any process; takes the directory of data files, None for the hub.
Pool = Callable[[Path | None], list[Pair]]


@dataclass(frozen=True)
class LocalTask:
    """A task with one short output field.

    Args:
        start: The user's own instructions.
        grade: Score of an answer, 0 to 1.
        pool: Its questions and answers.
        is_helped: Whether an instruction is expected to raise a small model's score.
        is_shuffled: Whether answers are dealt to questions at random, so that every claim of a gain is false.
    """

    start: str
    grade: Grade
    pool: Pool
    is_helped: bool = True
    is_shuffled: bool = False
