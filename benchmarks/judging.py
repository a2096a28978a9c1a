"""What exact early stop saves: ``python benchmarks/judging.py``.

Every prompt that a run judges, by halves and by whole proposal, is judged again on fresh runs of the same simulated
world: with early stop and failing examples first, and in full. Both decide alike, or the benchmark fails; the ratio of
their runs counts.
"""

from __future__ import annotations

import statistics
from dataclasses import replace

import click
import dspy
from measuring import quiet, write

from dspy_dlpo import Budget, DLPOTeleprompter, EditJudge, Judge, WholeJudge
from dspy_dlpo.core import halving, judges, judging, observed
from dspy_dlpo.core.budget import Account
from dspy_dlpo.core.history import prompts_key
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.simulation import simulated_lm, simulated_task, task_names

RUNS = 600
MODES = (EditJudge(), WholeJudge(trials=True))


class Watched:
    """Judges as the run does, and counts what the same decision costs from nothing, stopped early and in full."""

    def __init__(self) -> None:
        self.refused: list[tuple[int, int]] = []
        self.passed: list[tuple[int, int]] = []
        self._judge = judging.judge

    def __call__(self, incumbent, prompts, bar, order=None):
        """Judge as asked, and count."""
        stopped, early = self._afresh(incumbent, prompts, bar, order, incumbent.high)
        whole, full = self._afresh(incumbent, prompts, bar, order, None)  # no best score is known: it cannot stop
        if stopped.passed != whole.passed:
            raise SystemExit("early stop decided otherwise than the full evaluation")
        (self.passed if whole.passed else self.refused).append((early, full))
        return self._judge(incumbent, prompts, bar, order)

    def _afresh(self, incumbent, prompts, bar, order, high):
        """The judgement with none of the prompt's runs made, and how many it makes."""
        account = Account(Budget(metric_calls=10**6))
        runs = RunCache(incumbent.runs._forward, account, incumbent.runs.wave)
        for x in incumbent.examples:
            for row in incumbent.runs.rows(incumbent.prompts, x):
                runs._restore(prompts_key(incumbent.prompts), x, row)
        fresh = replace(incumbent, runs=runs, high=high)
        order = [*incumbent.failing(), *incumbent.passing()] if order is None else order
        judgement = self._judge(fresh, prompts, bar, order)
        return judgement, runs.account.spent


def watched_run(task, seed: int, watched: Watched, judge: Judge) -> None:
    """A run whose judgements are watched."""
    rooms = (halving, judges, observed)
    for room in rooms:
        room.judge = watched
    try:
        run(task, seed, judge)
    finally:
        for room in rooms:
            room.judge = watched._judge


def run(task, seed: int, judge: Judge):
    """The result of a run."""
    with dspy.context(lm=simulated_lm(seed)):
        options = {"budget": Budget(metric_calls=RUNS), "seed": seed, "num_threads": 1, "judging": judge}
        program = DLPOTeleprompter(task.metric, **options).compile(
            task.program, trainset=task.trainset, valset=task.valset
        )
    return program.detailed_results


@click.command()
@click.option("--seeds", default=3, show_default=True)
def main(seeds: int) -> None:
    """Print the ratios."""
    found: dict[str, object] = {}
    with quiet():
        shares = []
        watched_all = Watched()
        for name in task_names():
            watched = Watched()
            for seed in range(seeds):
                for judge in MODES:
                    watched_run(simulated_task(name, seed=seed), seed, watched, judge)
            early, full = (sum(pair[i] for pair in watched.refused) for i in (0, 1))
            shares.append(early / full)
            watched_all.refused += watched.refused
            watched_all.passed += watched.passed
            found[name] = {"refused": len(watched.refused), "runs": early, "in full": full, "share": early / full}
            click.echo(f"{name}: {len(watched.refused)} refused, {early} runs instead of {full} ({early / full:.0%})")
        found["refused, mean share over tasks"] = statistics.fmean(shares)
        found["judgements"] = len(watched_all.refused) + len(watched_all.passed)
        click.echo(
            f"mean share over tasks {statistics.fmean(shares):.0%}; {found['judgements']} judgements, all decided alike"
        )
    write("judging", found, unit="program runs")


if __name__ == "__main__":
    main()
