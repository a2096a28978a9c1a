"""Running arms on worlds, one row a cell, so that it can be stopped and gone on with at any time."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluations.cell import Cell, measure
from evaluations.grid import Rows
from evaluations.worlds.bench import PREFIX
from evaluations.worlds.frozen import generator_hash
from evaluations.worlds.world import draw

Row = Mapping[str, Any]


def cells(worlds: Sequence[int], arms: Sequence[str], runs: int) -> list[Cell]:
    """A cell for each world and arm, the arms of a world one after the other."""
    return [Cell(f"{PREFIX}{seed}", arm, 0, runs) for seed, arm in itertools.product(worlds, arms)]


def stored(folder: Path) -> list[dict[str, Any]]:
    """The rows of this generator; those of another one count for nothing."""
    return [row for row in Rows(folder).read() if row.get("generator") == generator_hash()]


def run(wanted: Sequence[Cell], folder: Path, num_threads: int = 1) -> Iterator[dict[str, Any]]:
    """Measure the cells that have no row yet, and store each row as it ends.

    Args:
        wanted: Cells.
        folder: Of the rows, one for each generator: rows of different generators do not stand beside each other.
        num_threads: Calls in parallel.

    Yields:
        The new rows. ``score`` is the expected test score; with demos it is the measured one.
    """
    done = {row["key"] for row in stored(folder)}
    for cell in wanted:
        if cell.key not in done:
            row = _row(cell, num_threads)
            Rows(folder).write(row)
            yield row


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
