"""What arms are compared on: the simulation's tasks, and real data sets.

Names: ``object_counting`` (generated questions, simulated model), ``object_counting@bbh`` (real questions, simulated
model), and, for any model, ``gsm8k``, ``math``, ``biggsm``, ``mgsm``, ``bbh/<task>``, ``banking77``,
``sentence_polarity``, ``subjectivity``, and the short ones for a small model: ``local/refunds``, for example. Drawn
worlds, which bring models of their own, are ``world/0`` and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dspy

from dspy_dlpo.simulation import simulated_task, task_names
from evaluations import graders
from evaluations.data import BBH_TASKS, SOURCES, rows_of, split
from evaluations.local_tasks import TASKS, parts_of

# Examples to learn from, to choose on, and to test on, of simulated tasks.
SIZES = (50, 50, 150)


@dataclass(frozen=True)
class BenchTask:
    """A task that arms are compared on.

    Args:
        name: Its name.
        program: A fresh program.
        metric: Plain.
        feedback_metric: The same score with words, for arms that take them.
        trainset: To learn from.
        valset: To choose on.
        testset: Untouched by every arm.
        shifted: Questions of another mix of difficulties, untouched too; empty if there are none.
        calls_per_run: Calls of the task model in one run of the program.
        simulated: Whether only the simulated model answers it.
        source: The simulated task or the world, for what only the simulation knows; None for real ones.
        headroom: Questions that tell what an instruction can gain, in no other part; empty if there are none.
    """

    name: str
    program: dspy.Module
    metric: Callable[..., Any]
    feedback_metric: Callable[..., Any]
    trainset: list[dspy.Example]
    valset: list[dspy.Example]
    testset: list[dspy.Example]
    shifted: list[dspy.Example] = field(default_factory=list)
    calls_per_run: int = 1
    simulated: bool = False
    source: Any = None
    headroom: list[dspy.Example] = field(default_factory=list)


# Grader and start instructions of each real data set.
REAL: dict[str, tuple[graders.Grade, str]] = {
    "gsm8k": (graders.number, "Solve the problem. Answer with a number."),
    "biggsm": (graders.number, "Solve the problem. Answer with a number."),
    "mgsm": (graders.number, "Solve the problem. Answer with a number in digits."),
    "math": (graders.expression, "Solve the problem. Answer with a mathematical expression."),
    "bbh": (graders.bbh, "Answer the question."),
    "banking77": (graders.label, "Name the intent of the customer's message."),
    "sentence_polarity": (graders.label, "Say whether the sentence is positive or negative."),
    "subjectivity": (graders.label, "Say whether the sentence is subjective or objective."),
}


def simulated_names() -> tuple[str, ...]:
    """The tasks of the simulation."""
    return task_names()


def real_names() -> tuple[str, ...]:
    """All real tasks, those of BIG-Bench Hard one by one."""
    return (*(name for name in SOURCES if name != "bbh"), *(f"bbh/{task}" for task in BBH_TASKS))


def local_names() -> tuple[str, ...]:
    """The short tasks for a small model."""
    return tuple(TASKS)


def bench_task(name: str, seed: int, data_dir: Path | None = None) -> BenchTask:
    """A task by its name.

    Args:
        name: As this module says.
        seed: Of generated questions and of what is drawn at random.
        data_dir: Where the local files are; None for the hub.

    Raises:
        ValueError: If there is no task of that name, or its data cannot be had.
    """
    if name.startswith("world/"):
        from evaluations.worlds.bench import world_task  # it builds on this file

        return world_task(name)
    base, _, origin = name.partition("@")
    if base in task_names():
        return _simulated(name, base, seed, None if origin != "bbh" else (data_dir or Path(".")) / "bbh.jsonl")
    if name in TASKS:
        return _local(name, seed, data_dir)
    dataset, _, part = name.partition("/")
    if dataset not in REAL:
        known = (*simulated_names(), *real_names(), *local_names())
        raise ValueError(f"{name!r} is no task. Pass one of {', '.join(known)}.")
    grade, start = REAL[dataset]
    parts = split(dataset, rows_of(dataset, data_dir, part), seed)
    examples = [_examples((row["question"], row["answer"]) for row in rows) for rows in parts]
    program = dspy.ChainOfThought(dspy.Signature("question -> answer", start))
    return BenchTask(name, program, *graders.metrics(grade), *examples)


def _local(name: str, seed: int, data_dir: Path | None) -> BenchTask:
    """No chain of thought: a small model on a processor writes some ten tokens a second."""
    task, parts = TASKS[name], parts_of(name, TASKS[name], seed, data_dir)
    program = dspy.Predict(dspy.Signature("question -> answer", task.start))
    examples = map(_examples, (parts.train, parts.val, parts.test))
    return BenchTask(name, program, *graders.metrics(task.grade), *examples, headroom=_examples(parts.headroom))


def _examples(pairs: Iterable[tuple[str, str]]) -> list[dspy.Example]:
    return [dspy.Example(question=question, answer=answer).with_inputs("question") for question, answer in pairs]


def _simulated(name: str, base: str, seed: int, data: Path | None) -> BenchTask:
    n_train, n_val, n_test = SIZES
    task = simulated_task(base, n_train=n_train, n_val=n_val, n_test=n_test, seed=seed, data=data)
    shifted = [] if data else simulated_task(base, n_train=1, n_val=0, n_test=n_test, seed=seed, shifted=True).testset
    return BenchTask(
        name,
        task.program,
        task.metric,
        task.feedback_metric,
        task.trainset,
        task.valset,
        task.testset,
        shifted,
        len(task.program.predictors()),
        True,
        task,
    )
