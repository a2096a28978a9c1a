"""How often the bill lies in the range that was told before: ``python -m evaluations.estimates``.

Each cell is one estimate and one `compile` of a simulated task, priced as a cheap task model and a dear prompt model.
The table is written to ``evaluations/results/estimates.md``.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task, task_names

# US dollars for a million tokens in and out.
TASK_PRICE, PROMPT_PRICE = (0.15, 0.6), (2.5, 10.0)
# Program runs, training examples, validation examples.
SIZES = ((300, 40, 30), (600, 60, 40), (600, 200, 100), (2000, 100, 50))
WHAT = ("runs", "calls", "tokens", "US dollars", "task model, US dollars", "prompt model, US dollars")

Cell = tuple[str, tuple[int, int, int], int, int]
# Of each quantity: lower end, upper end, bill.
Told = dict[str, tuple[float, float, float]]


def measure(cell: Cell) -> Told:
    """Estimate, compile, and compare."""
    name, (calls, n_train, n_val), seed, probe = cell
    task = simulated_task(name, seed=seed, n_train=n_train, n_val=n_val)
    task_lm, prompt_lm = simulated_lm(seed), simulated_lm(seed + 100)
    prices = {task_lm.model: TASK_PRICE, prompt_lm.model: PROMPT_PRICE}
    budget = Budget(metric_calls=calls, prices=prices)
    optimizer = DLPOTeleprompter(
        task.metric, task_model=task_lm, prompt_model=prompt_lm, budget=budget, seed=seed, num_threads=1
    )
    data = {"trainset": task.trainset, "valset": task.valset}
    told = optimizer.estimate(task.program, **data, probe=probe)
    spent = optimizer.compile(task.program, **data).detailed_results.spent
    by_role = {each.role: each for each in told.models}
    ranges = (told.metric_calls, told.calls, told.tokens, told.usd, by_role["task"].usd, by_role["prompt"].usd)
    spans: dict[str, Any] = dict(zip(WHAT, ranges, strict=True))
    tokens = ("input_tokens", "output_tokens")
    bill = (
        spent["metric_calls"],
        _total(spent, ("task", "critic", "writer"), ("calls",)),
        _total(spent, ("task", "critic", "writer"), tokens),
        spent["usd"],
        _total(spent, ("task",), ("usd",)),
        _total(spent, ("critic", "writer"), ("usd",)),
    )
    return {name: (spans[name].low, spans[name].high, paid) for name, paid in zip(WHAT, bill, strict=True)}


def _total(spent: dict[str, Any], roles: Sequence[str], names: Sequence[str]) -> float:
    return sum(spent[role][name] for role in roles if role in spent for name in names)


def table(seeds: int, probe: int, jobs: int) -> str:
    """A Markdown table: in how many runs the bill lay inside, and how wide the widest range was."""
    lines = ["| budget, examples | " + " | ".join(WHAT) + " |", "|---" * (len(WHAT) + 1) + "|"]
    for size in SIZES:
        cells: list[Cell] = [(*each, probe) for each in itertools.product(task_names(), (size,), range(seeds))]
        with ProcessPoolExecutor(jobs) as pool:
            told = list(pool.map(measure, cells))
        row = []
        for name in WHAT:
            inside = sum(low <= paid <= high for low, high, paid in (each[name] for each in told))
            widest = max(high / max(low, 1e-12) for low, high, _ in (each[name] for each in told))
            row.append(f"{inside} of {len(told)} ({widest:.1f})")
        lines.append(f"| {size[0]} runs, {size[1]} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--probe", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("evaluations/results/estimates.md"))
    options = parser.parse_args(argv)
    text = (
        "Simulated model. Runs in which the bill lay in the range that was told before; in brackets the widest range, "
        f"upper over lower end.\n\n{table(options.seeds, options.probe, options.jobs)}\n"
    )
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
