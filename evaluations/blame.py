"""Where accepted edits go when one of two predictors is at fault: ``python -m evaluations.blame`` (simulated model).

On ``support_desk`` one predictor begins with the best instructions, the other with its plain start.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from statistics import fmean

import click
import dspy

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import Landscape, simulated_lm, simulated_task


def blamed(fault: str, seed: int, runs: int, critic: bool) -> tuple[Counter[str], float]:
    """Accepted edits by predictor, and the score on valset, of one run in which `fault` is at fault."""
    task = simulated_task("support_desk", n_train=50, n_val=50, n_test=1, seed=seed)
    best = Landscape(task).best_prompts()
    for name, predictor in task.program.named_predictors():
        if name != fault:
            predictor.signature = predictor.signature.with_instructions(best[name])
    with dspy.context(lm=simulated_lm(seed)):
        budget = Budget(metric_calls=runs)
        optimizer = DLPOTeleprompter(task.metric, budget=budget, seed=seed, critic=critic, verbose=False)
        result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
    steps = [record for record in result.history.steps() if record.accepted]
    kept = Counter(entry.edit.predictor for record in steps for entry in record.ledger if entry.kept)
    return kept, result.comparison.best or 0.0


@click.command()
@click.option("--seeds", default=20, show_default=True)
@click.option("--runs", default=400, show_default=True, help="Program runs of each optimization.")
def main(seeds: int, runs: int) -> None:
    """Print how many accepted edits go to the predictor at fault."""
    for critic, fault in product((False, True), ("extract", "decide")):
        found = [blamed(fault, seed, runs, critic) for seed in range(seeds)]
        kept = sum((counts for counts, _ in found), Counter())
        share, score = kept[fault] / kept.total(), fmean(score for _, score in found)
        of = f"{kept[fault]} of {kept.total()} accepted edits ({share:.1%})"
        click.echo(f"critic={critic}, {fault} at fault: {of}, score {score:.3f}")


if __name__ == "__main__":
    main()
