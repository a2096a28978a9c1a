"""Whether tuning improves the shipped settings, on tasks and seeds that it did not see.

``python -m evaluations.tuning`` searches twice: on one half of the simulated tasks, and on the other. The settings that
the search on one half finds best are an arm of the suite ``tuning``, which runs them on the other half:
``python -m evaluations run --suite tuning --seeds 10``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import dspy

from dspy_dlpo import Task, default_settings
from dspy_dlpo.simulation import simulated_lm
from dspy_dlpo.tuning import settings_of, tune
from evaluations.tasks import bench_task, simulated_names

FOUND = Path(__file__).parent / "results" / "tuning" / "settings.json"
# Seeds of the data and models that settings are chosen on; those of the report begin at 0.
SEEDS = (3000, 3001, 3002, 3003)


def halves() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tasks in two halves, every second one."""
    names = simulated_names()
    return names[0::2], names[1::2]


def search(half: int, n_trials: int, runs: int, storage: str) -> dict[str, Any]:
    """Search on one half of the tasks; other processes that are given the same storage help."""
    tasks = [_task(name, seed) for seed in SEEDS for name in halves()[half]]
    result = tune(
        tasks,
        n_trials=n_trials,
        budget_per_trial=runs,
        storage=storage,
        study_name=f"half {half}",
        prompt_model=simulated_lm(SEEDS[0] + 1000),
    )
    return {
        "tuned_on": list(halves()[half]),
        "seeds": list(SEEDS),
        "runs": runs,
        "params": result.params,
        "verdict": result.verdict,
        "trials": result.trials,
        "line": result.line,
    }


def tuned_elsewhere(task: str) -> dict[str, Any]:
    """The settings that were found best on the half of the tasks that does not hold this one.

    Raises:
        FileNotFoundError: If nothing was searched yet.
    """
    for found in json.loads(FOUND.read_text(encoding="utf-8")):
        if task not in found["tuned_on"]:
            return settings_of(found["params"])
    return default_settings()


def _task(name: str, seed: int) -> Task:
    task = bench_task(name, seed)
    program = task.program.deepcopy()
    program.set_lm(simulated_lm(seed))
    return Task(program, task.metric, task.trainset, task.valset, task.testset, name=f"{name}-{seed}")


@click.command()
@click.option("--trials", default=50, show_default=True)
@click.option("--runs", default=600, show_default=True, help="Program runs of each optimization.")
@click.option("--half", type=int, help="Only this half, without writing the result: to help another process.")
@click.option("--storage", default="sqlite:///tuning.db", show_default=True)
def main(trials: int, runs: int, half: int | None, storage: str) -> None:
    """Search on both halves, and keep what was found."""
    with dspy.context(lm=simulated_lm()):
        found = [search(number, trials, runs, storage) for number in ((0, 1) if half is None else (half,))]
    for each in found:
        click.echo(f"tuned on {', '.join(each['tuned_on'])}: {each['verdict']}\n{each['line']}")
    if half is None:
        FOUND.parent.mkdir(parents=True, exist_ok=True)
        FOUND.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
