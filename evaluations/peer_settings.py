"""Choose the peers' settings, on worlds for development: ``python -m evaluations.peer_settings``.

Every candidate of `evaluations.arms.peers` is run on all of these worlds under each budget. The best by share of the
possible gain are what `CHOSEN` there holds.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from evaluations.arms import peers
from evaluations.cell import Cell, measure
from evaluations.worlds.bench import PREFIX
from evaluations.worlds.measure import normalized
from evaluations.worlds.run import with_score
from evaluations.worlds.world import draw

BUDGETS = (600, 2000)


def tried(job: tuple[str, int, int, int]) -> tuple[float | None, bool, float]:
    """Share of the possible gain, whether the cap cut it, and runs made, of one candidate on one world.

    The share is None where too little can be gained.
    """
    name, number, runs, seed = job
    options = peers.CANDIDATES[name][1][number]
    peers.CHOSEN = {**peers.CHOSEN, name: (options, options, options)}
    row: Mapping[str, Any] = with_score(measure(Cell(f"{PREFIX}{seed}", name, 0, runs)), draw(seed))
    share = normalized(row["score"], row["start"], row["best"])
    return share, bool(row["was_cut"] or row["failure"]), row["runs_made"]


def table(worlds: range, jobs: int, names: Sequence[str], budgets: Sequence[int] = BUDGETS) -> str:
    """A Markdown table of all candidates."""
    lines = [
        "| peer | budget | settings | share of the gain | runs made, most | cut or failed |",
        "|---|---|---|---|---|---|",
    ]
    with ProcessPoolExecutor(jobs) as pool:
        for name in names:
            for runs in budgets:
                for number, options in enumerate(peers.CANDIDATES[name][1]):
                    found = list(pool.map(tried, [(name, number, runs, seed) for seed in worlds]))
                    lines.append(_line(name, runs, options, found))
                    print(lines[-1], flush=True)
    return "\n".join(lines)


def _line(name: str, runs: int, options: Mapping[str, int], found: Sequence[tuple[float | None, bool, float]]) -> str:
    share = statistics.fmean(each[0] for each in found if each[0] is not None)
    settings = ", ".join(f"{key} {value}" for key, value in options.items())
    most, cut = max(each[2] for each in found), sum(each[1] for each in found)
    return f"| {name} | {runs} | {settings} | {share:.3f} | {most:.0f} | {cut} of {len(found)} |"


def main(argv: Sequence[str] | None = None) -> None:
    """Try the candidates that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=int, default=24, help="after the last world; worlds below 200 are for development")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS)
    parser.add_argument("--peers", nargs="+", default=list(peers.CANDIDATES), choices=list(peers.CANDIDATES))
    parser.add_argument("--out", type=Path, default=Path("evaluations/results/peer_settings.md"))
    options = parser.parse_args(argv)
    text = table(range(options.to), options.jobs, options.peers, options.budgets)
    options.out.write_text(f"Simulated models, worlds 0 to {options.to - 1}, one seed.\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
