"""Which tasks there are, and from which stages each is made."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from dspy_dlpo.simulation.stage import Stage
from dspy_dlpo.simulation.tasks import object_counting, support_desk


@dataclass(frozen=True)
class TaskKind:
    """A task: its stages in the order they run, by predictor name, and a generator of questions.

    Args:
        name: As listed by ``task_names``.
        stages: Predictor name and stage, in running order; the answer of one is the question of the next.
        generate: One question from a random generator; the flag asks for the shifted mix.
    """

    name: str
    stages: tuple[tuple[str, Stage], ...]
    generate: Callable[[random.Random, bool], str]

    def truth(self, question: str) -> str:
        """The right answer of the whole task."""
        text = question
        for _, stage in self.stages:
            case = stage.parse(text)
            if case is None:
                raise ValueError(f"{self.name} does not understand {text!r}. Pass a question of this task.")
            text = stage.truth(case)
        return text


_DESK = (("extract", support_desk.EXTRACT), ("decide", support_desk.DECIDE))
_KINDS = (
    TaskKind("object_counting", (("solve", object_counting.STAGE),), object_counting.generate),
    TaskKind("support_desk", _DESK, support_desk.generate),
)
TASKS = {kind.name: kind for kind in _KINDS}
STAGES = tuple(stage for kind in TASKS.values() for _, stage in kind.stages)
