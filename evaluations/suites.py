"""Which cells a grid has."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from evaluations.arms import MAIN
from evaluations.cell import Cell
from evaluations.tasks import local_names, real_names, simulated_names

SUITES = ("quick", "paper", "local")
QUICK_ARMS = ("start prompt", "default", "plain textual gradient descent", "GEPA", "MIPROv2 (zero-shot)", "COPRO")
# Of the tasks of BIG-Bench Hard the paper's suite takes all; the list of the others is in `evaluations.tasks`.
PAPER_ARMS = MAIN
# A cell of a small model takes 10 to 25 minutes: few arms by default.
START = "start prompt"
LOCAL_ARMS = (START, "default", "GEPA")
LOCAL_RUNS, LOCAL_TOKENS = 300, 150


def cells_of(
    suite: str,
    *,
    seeds: int,
    budgets: Sequence[int],
    tasks: Sequence[str] | None = None,
    arms: Sequence[str] | None = None,
    task_model: str | None = None,
    prompt_model: str | None = None,
    max_tokens: int = LOCAL_TOKENS,
) -> list[Cell]:
    """The cells of a suite.

    ``quick``: six arms on the two simulated tasks, in minutes. ``paper``: real data sets, on models that are named.
    ``local``: short tasks on a small model at an endpoint. Drawn worlds have commands of their own.

    Args:
        suite: One of `SUITES`.
        seeds: Seeds from 0.
        budgets: Program runs; of quick the first.
        tasks: Instead of the suite's.
        arms: Instead of the suite's.
        task_model: A real model that runs the program.
        prompt_model: A real model that writes prompts.
        max_tokens: Of a reply of the task model, in the suite ``local``.

    Raises:
        ValueError: If there is no such suite, or one of real models is asked for without them.
    """
    if suite not in SUITES:
        raise ValueError(f"suite={suite!r} is no suite. Pass one of {', '.join(SUITES)}.")
    models = {"task_model": task_model, "prompt_model": prompt_model}
    numbers = range(seeds)
    if suite == "paper":
        if not (task_model and prompt_model):
            raise ValueError("The paper's suite needs real models. Pass --task-model and --prompt-model.")
        product = itertools.product(numbers, budgets, tasks or real_names(), arms or PAPER_ARMS)
        return [Cell(task, arm, seed, runs, **models) for seed, runs, task, arm in product]
    if suite == "local":
        if not (task_model and prompt_model):
            raise ValueError("The suite of small models needs them. Pass --task-model and --prompt-model.")
        cells = _local(numbers, budgets, tasks or local_names(), arms or LOCAL_ARMS)
        return [replace(cell, **models, max_tokens=max_tokens) for cell in cells]
    product = itertools.product(numbers, budgets[:1], tasks or simulated_names(), arms or QUICK_ARMS)
    return [Cell(task, arm, seed, runs, **models) for seed, runs, task, arm in product]


def _local(numbers: Sequence[int], budgets: Sequence[int], names: Sequence[str], arms: Sequence[str]) -> list[Cell]:
    """The start prompt once for a task: no seed or budget changes its test questions or its score."""
    product = itertools.product(numbers, budgets, names, arms)
    cells = [Cell(task, arm, seed, runs) for seed, runs, task, arm in product]
    return [cell for cell in cells if cell.arm != START or (cell.seed, cell.runs) == (numbers[0], budgets[0])]
