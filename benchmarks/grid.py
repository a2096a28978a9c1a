"""How much faster several workers get through a benchmark grid: ``python benchmarks/grid.py``.

The grid of `evaluations`: cells are compiles with a simulated model that waits as a real one would, taken from an
Optuna study by 1, 2 and 4 processes. Measured from the moment all processes are ready; the ratios of one run count.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from measuring import quiet, write

from dspy_dlpo.simulation import simulated_lm
from evaluations import cell
from evaluations.cell import Cell
from evaluations.grid import Planner, Rows, work

COUNTS = (1, 2, 4)
THREADS = 4


def slow_models(latency: float) -> None:
    """Have the models that optimize wait; what scores untouched questions answers at once."""

    def models(each: Cell, task: object):
        reader, author = (simulated_lm(each.seed + more, latency=latency) for more in (0, 1000))
        return reader, author, simulated_lm(each.seed)

    cell._simulated_models = models


def worker(storage: str, name: str, folder: Path, latency: float, gate: Path) -> None:
    """One worker: gets ready, waits for the gate, and runs cells."""
    slow_models(latency)
    gate.with_name(f"ready-{time.monotonic_ns()}").touch()
    while not gate.exists():
        time.sleep(0.01)
    with quiet():
        work(storage, name, folder, None, THREADS)


def measure(count: int, cells: list[Cell], latency: float) -> float:
    """Seconds that so many workers take."""
    with tempfile.TemporaryDirectory() as place, quiet():
        folder, gate, storage = Path(place) / "rows", Path(place) / "gate", f"sqlite:///{place}/grid.db"
        planner = Planner(storage, "grid", cells)
        planner.plan()
        command = [sys.executable, __file__, "--worker", storage, "--folder", str(folder), "--gate", str(gate)]
        running = [subprocess.Popen([*command, "--latency", str(latency)]) for _ in range(count)]
        while len(list(gate.parent.glob("ready-*"))) < count:
            time.sleep(0.05)
        began = time.monotonic()
        gate.touch()
        while planner.plan() or any(each.poll() is None for each in running):
            time.sleep(0.1)
        seconds = time.monotonic() - began
        rows = Rows(folder).read()
        if len(rows) != len(cells):
            raise SystemExit(f"{len(rows)} of {len(cells)} cells finished")
    return seconds


@click.command()
@click.option("--cells", "number", default=12, show_default=True)
@click.option("--latency", default=0.3, show_default=True, help="Seconds a call takes.")
@click.option("--worker", "storage", hidden=True)
@click.option("--folder", type=click.Path(path_type=Path), hidden=True)
@click.option("--gate", type=click.Path(path_type=Path), hidden=True)
def main(number: int, latency: float, storage: str | None, folder: Path, gate: Path) -> None:
    """Print the times and their ratios."""
    if storage:
        worker(storage, "grid", folder, latency, gate)
        return
    cells = [Cell("object_counting", "default", seed, 100) for seed in range(number)]
    found: dict[str, dict[str, float]] = {}
    for count in COUNTS:
        seconds = measure(count, cells, latency)
        first = found.get("1 workers", {"seconds": seconds})["seconds"]
        found[f"{count} workers"] = {"seconds": seconds, "times as fast": first / seconds}
        click.echo(f"{count} workers: {seconds:.1f} s, {first / seconds:.2f} times as fast")
    write("grid", found, unit="seconds", cells=number, latency=latency)


if __name__ == "__main__":
    main()
