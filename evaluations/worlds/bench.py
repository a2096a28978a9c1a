"""A world as a task of the benchmark: ``world/<seed>``."""

from __future__ import annotations

from dataclasses import replace

from evaluations.tasks import BenchTask
from evaluations.worlds.world import World, draw

PREFIX = "world/"


def world_task(name: str) -> BenchTask:
    """The task of a world.

    Args:
        name: ``world/`` and the seed.

    Raises:
        ValueError: If what follows is no seed.
    """
    seed = name.removeprefix(PREFIX)
    if not seed.isdecimal():
        raise ValueError(f"{name!r} is no world. Pass world/ and a seed, as in world/7.")
    world = draw(int(seed))
    return BenchTask(
        name,
        world.program,
        world.metric,
        world.feedback_metric,
        list(world.trainset),
        list(world.valset),
        list(world.testset),
        calls_per_run=len(world.task.steps),
        simulated=True,
        source=world,
    )


def with_validation(task: BenchTask) -> BenchTask:
    """A task for an optimizer that cannot do without validation examples: the training examples serve as both.

    That is what DSPy's own optimizers do where none are given.
    """
    if task.valset or not isinstance(task.source, World):
        return task
    return replace(task, valset=list(task.trainset))
