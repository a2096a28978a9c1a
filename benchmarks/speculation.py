"""What runs that go out ahead of a decision cost: ``python benchmarks/speculation.py``.

They save waiting (see ``concurrency.py``), and are paid from the same budget: some of them the decision then makes
needless. All simulated tasks with the same budget of runs, without them, with those that are likely to be needed (the
default), and with 24 at every wave, scored on questions that none has seen.
"""

from __future__ import annotations

import statistics

import click
import dspy
from measuring import quiet, write

from dspy_dlpo import Budget, DLPOTeleprompter, EditJudge
from dspy_dlpo.simulation import simulated_lm, simulated_task, task_names

AHEAD = {"none": 0, "likely": None, "24": 24}


def measured(name: str, seed: int, runs: int, ahead: int | None) -> tuple[float, float, float]:
    """Test score, share of runs that went out ahead, and steps made."""
    task = simulated_task(name, seed=seed)
    optimizer = DLPOTeleprompter(
        task.metric, budget=Budget(metric_calls=runs), seed=seed, num_threads=1, judging=EditJudge(speculate=ahead)
    )
    with dspy.context(lm=simulated_lm(seed)):
        program = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
        score = dspy.Evaluate(devset=task.testset, metric=task.metric, num_threads=1, display_progress=False)(program)
    spent = program.detailed_results.spent
    return score.score / 100, spent.get("speculated", 0) / spent["metric_calls"], len(program.detailed_results.history)


@click.command()
@click.option("--seeds", default=10, show_default=True)
@click.option("--runs", type=int, multiple=True, default=(300, 600, 2000), show_default=True, help="Budgets.")
def main(seeds: int, runs: tuple[int, ...]) -> None:
    """Print scores without and with speculation."""
    found: dict[str, dict[str, float]] = {}
    with quiet():
        for budget in runs:
            cells = [(name, seed) for name in task_names() for seed in range(seeds)]
            made = {name: [measured(*cell, budget, ahead) for cell in cells] for name, ahead in AHEAD.items()}
            for name, results in made.items():
                gains = [new[0] - old[0] for old, new in zip(made["none"], results, strict=True)]
                found[f"{budget:,} runs, {name}"] = {
                    "score": statistics.fmean(each[0] for each in results),
                    "difference": statistics.fmean(gains),
                    "standard error": statistics.stdev(gains) / len(gains) ** 0.5,
                    "went out ahead": statistics.fmean(each[1] for each in results),
                }
                said = ", ".join(f"{what} {value:.3f}" for what, value in found[f"{budget:,} runs, {name}"].items())
                click.echo(f"{budget:,} runs, {name}: {said}")
            write("speculation", found, unit="share of right answers on test questions", seeds=seeds)


if __name__ == "__main__":
    main()
