"""What every arm gets: the same task, models, seed and cap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dspy

from evaluations.tasks import BenchTask


@dataclass(frozen=True)
class Setup:
    """What an arm works with.

    Args:
        task: The task; its test questions are not for arms.
        task_lm: Runs the program; also DSPy's default while an arm works.
        prompt_lm: Writes prompts.
        runs: Runs of the program that the arm may make; it is stopped at the next.
        seed: Of the cell.
        num_threads: Runs in parallel.
    """

    task: BenchTask
    task_lm: dspy.LM
    prompt_lm: dspy.LM
    runs: int
    seed: int
    num_threads: int = 1

    @property
    def examples(self) -> list[Any]:
        """Training and validation examples together, for arms that take one set."""
        return [*self.task.trainset, *self.task.valset]


Arm = Callable[[Setup], dspy.Module]
