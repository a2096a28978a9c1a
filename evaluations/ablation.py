"""What each part of the optimizer is worth, on the simulated model.

Every cell (arm, task, noise, budget, seed) is one `compile`. It is scored on 150 held-out questions by a noise-free
model, and, because the simulation knows its own skills, by the true expected accuracy. One JSON line a cell holds the
figures and the prompts; a Markdown table sums them up.

    python -m evaluations.ablation --arms default "by whole proposal" --tasks object_counting --budget 600 --seeds 5
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.claim import score_on_test
from dspy_dlpo.simulation import Landscape, Noise, simulated_lm, simulated_task
from evaluations.arms import arms


@dataclass(frozen=True)
class Cell:
    """One `compile`. `noise` is the share of the task model's replies that are random while optimizing, 0 to 1."""

    arm: str
    task: str
    noise: float
    budget: int
    seed: int
    data: str | None = None


def measure(cell: Cell) -> dict[str, object]:
    """Compile once, and score start and result."""
    data = cell.data if cell.task.endswith("@bbh") else None
    task = simulated_task(cell.task.removesuffix("@bbh"), seed=cell.seed, data=data)
    noisy = simulated_lm(cell.seed, noise=Noise(fresh=cell.noise))
    quiet = simulated_lm(cell.seed, noise=Noise())
    optimizer = DLPOTeleprompter(
        task.metric,
        task_model=noisy,
        prompt_model=quiet,
        budget=Budget(metric_calls=cell.budget),
        seed=cell.seed,
        num_threads=1,
        **arms()[cell.arm],
    )
    result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
    test = score_on_test(task.program, result, task.metric, task.testset, task_model=quiet, num_threads=1)
    landscape = Landscape(task)
    return {
        **asdict(cell),
        "simulated": True,
        "test_before": test.start,
        "test_after": test.best,
        "expected_after": landscape.accuracy(result.best_prompts),
        "words": sum(len(text.split()) for text in result.best_prompts.values()),
        "metric_calls": result.spent["metric_calls"],
        "writer_calls": result.spent.get("writer", {}).get("calls", 0),
        "verdict": result.verdict,
        "ended": result.ended,
        "prompts": result.best_prompts,
        "dspy": dspy.__version__,
    }


def table(rows: Sequence[dict[str, object]]) -> str:
    """A Markdown table: mean and standard deviation over seeds of every arm, task, noise and budget."""
    lines = [
        "| arm | task | noise | budget | seeds | before | after, test | sd | expected | words | runs |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    keys = ("arm", "task", "noise", "budget")
    for key, group in itertools.groupby(rows, key=lambda row: tuple(row[name] for name in keys)):
        cells = list(group)
        after = _column(cells, "test_after")
        figures = [
            str(len(cells)),
            f"{statistics.fmean(_column(cells, 'test_before')):.3f}",
            f"{statistics.fmean(after):.3f}",
            f"{statistics.stdev(after) if len(after) > 1 else 0:.3f}",
            f"{statistics.fmean(_column(cells, 'expected_after')):.3f}",
            f"{statistics.fmean(_column(cells, 'words')):.0f}",
            f"{statistics.fmean(_column(cells, 'metric_calls')):.0f}",
        ]
        lines.append("| " + " | ".join([*map(str, key), *figures]) + " |")
    return "\n".join(lines)


def _column(cells: Sequence[dict[str, object]], name: str) -> list[float]:
    return [float(str(cell[name])) for cell in cells]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the cells that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", default=list(arms()), choices=list(arms()))
    parser.add_argument("--tasks", nargs="+", default=["object_counting", "support_desk"], help="NAME, or NAME@bbh")
    parser.add_argument("--noise", nargs="+", type=float, default=[0.0])
    parser.add_argument("--budget", nargs="+", type=int, default=[600], help="program runs")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--data", help="bbh.jsonl, for tasks named NAME@bbh")
    parser.add_argument("--out", type=Path, default=Path("evaluations/results/ablation.jsonl"))
    options = parser.parse_args(argv)
    product = itertools.product(options.arms, options.tasks, options.noise, options.budget, range(options.seeds))
    cells = [Cell(*key, data=options.data) for key in product]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    with ProcessPoolExecutor(options.jobs) as pool, open(options.out, "w", encoding="utf-8") as file:
        for row in pool.map(measure, cells):
            row.pop("data")
            rows.append(row)
            file.write(json.dumps(row) + "\n")
            file.flush()
    text = "All figures: simulated model, " + f"{options.seeds} seeds.\n\n{table(rows)}\n"
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
