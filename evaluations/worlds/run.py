"""Running arms on worlds, one row a cell, so that it can be stopped and gone on with at any time."""

from __future__ import annotations

import hashlib
import itertools
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dspy_dlpo
from evaluations.arms import ours
from evaluations.cell import Cell, measure
from evaluations.grid import Rows
from evaluations.worlds.bench import PREFIX
from evaluations.worlds.frozen import generator_hash
from evaluations.worlds.world import draw

PEERS = "peers"
# Rooms of the package that decide nothing of a run.
_ASIDE = ("cli", "report", "simulation", "tuning")


def cells(worlds: Sequence[int], arms: Sequence[str], runs: int) -> list[Cell]:
    """A cell for each world and arm, the arms of a world one after the other."""
    return [Cell(f"{PREFIX}{seed}", arm, 0, runs) for seed, arm in itertools.product(worlds, arms)]


def optimizer_hash() -> str:
    """SHA-256 of the sources that decide what a run of ours does; reports, commands and tuning are none of them."""
    digest, package = hashlib.sha256(), Path(dspy_dlpo.__file__).parent
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).parts[0] not in _ASIDE:
            digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def stored(folder: Path) -> list[dict[str, Any]]:
    """The rows of this generator, of peers and of our arms as they are now; all others count for nothing."""
    rows = [row for each in (PEERS, _own()) for row in Rows(folder / each).read()]
    return [row for row in rows if row.get("generator") == generator_hash()]


def run(wanted: Sequence[Cell], folder: Path, num_threads: int = 1) -> Iterator[dict[str, Any]]:
    """Measure the cells that have no row yet, and store each row as it ends.

    Args:
        wanted: Cells.
        folder: Of the rows, one for each generator: rows of different generators do not stand beside each other, nor do
            those of our arms before and after a change of the optimizer.
        num_threads: Calls in parallel.

    Yields:
        The new rows. ``score`` is the expected test score; with demos it is the measured one.
    """
    done = {row["key"] for row in stored(folder)}
    for cell in wanted:
        if cell.key not in done:
            row = _row(cell, num_threads)
            Rows(folder / (_own() if cell.arm in ours.arms() else PEERS)).write(row)
            yield row


def _own() -> str:
    return f"ours-{optimizer_hash()[:12]}"


def _row(cell: Cell, num_threads: int) -> dict[str, Any]:
    world = draw(int(cell.task.removeprefix(PREFIX)))
    row = measure(cell, num_threads=num_threads)
    score = statistics.fmean(row["test"]) if row["expected"] is None else row["expected"]
    return {
        **row,
        "world": world.seed,
        "score": score,
        "start": world.start_score,
        "best": world.best_score,
        "generator": generator_hash(),
    }
