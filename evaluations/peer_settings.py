"""Choose the peers' settings, on seeds that no reported figure rests on: ``python -m evaluations.peer_settings``.

Every candidate of `evaluations.arms.peers` is run on all simulated tasks under both budgets. The best by mean test
score are what `CHOSEN` there holds.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from evaluations.arms import peers
from evaluations.cell import Cell, measure
from evaluations.tasks import simulated_names

FIRST_SEED = 1000
BUDGETS = (600, 2000)


def tried(job: tuple[str, int, int, int, str]) -> tuple[float, bool, float]:
    """Test score, whether the cap cut it, and runs made, of one candidate in one cell."""
    name, number, runs, seed, task = job
    options = peers.CANDIDATES[name][1][number]
    peers.CHOSEN = {**peers.CHOSEN, name: (options, options, options)}
    row = measure(Cell(task, name, seed, runs))
    return statistics.fmean(row["test"]), bool(row["was_cut"] or row["failure"]), row["runs_made"]


def table(seeds: int, jobs: int, names: Sequence[str], budgets: Sequence[int] = BUDGETS) -> str:
    """A Markdown table of all candidates."""
    lines = ["| peer | budget | settings | test score | runs made, most | cut or failed |", "|---|---|---|---|---|---|"]
    with ProcessPoolExecutor(jobs) as pool:
        for name in names:
            for runs in budgets:
                for number, options in enumerate(peers.CANDIDATES[name][1]):
                    cells = [
                        (name, number, runs, FIRST_SEED + seed, task)
                        for task in simulated_names()
                        for seed in range(seeds)
                    ]
                    found = list(pool.map(tried, cells))
                    lines.append(_line(name, runs, options, found))
                    print(lines[-1], flush=True)
    return "\n".join(lines)


def _line(name: str, runs: int, options: Mapping[str, int], found: Sequence[tuple[float, bool, float]]) -> str:
    score = statistics.fmean(each[0] for each in found)
    settings = ", ".join(f"{key} {value}" for key, value in options.items())
    most, cut = max(each[2] for each in found), sum(each[1] for each in found)
    return f"| {name} | {runs} | {settings} | {score:.3f} | {most:.0f} | {cut} of {len(found)} |"


def main(argv: Sequence[str] | None = None) -> None:
    """Try the candidates that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS)
    parser.add_argument("--peers", nargs="+", default=list(peers.CANDIDATES), choices=list(peers.CANDIDATES))
    parser.add_argument("--out", type=Path, default=Path("evaluations/results/peer_settings.md"))
    options = parser.parse_args(argv)
    text = table(options.seeds, options.jobs, options.peers, options.budgets)
    options.out.write_text(f"Simulated model, {options.seeds} seeds from {FIRST_SEED}, six tasks.\n\n{text}\n")


if __name__ == "__main__":
    main()
