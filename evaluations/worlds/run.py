"""Running arms on worlds, one row a cell, so that it can be stopped and gone on with at any time."""

from __future__ import annotations

import hashlib
import itertools
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import dspy_dlpo
from evaluations.arms import ours
from evaluations.cell import Cell, measure
from evaluations.grid import Rows
from evaluations.worlds.bench import PREFIX
from evaluations.worlds.frozen import generator_hash
from evaluations.worlds.world import World, draw

PEERS = "peers"
# What of a row can be had again from the world, and would make the files of rows twenty times as long.
_LONG = ("test", "train", "shifted", "prompts")
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


def run(wanted: Sequence[Cell], folder: Path, jobs: int = 1) -> Iterator[dict[str, Any]]:
    """Measure the cells that have no row yet, and store each row as it ends.

    Args:
        wanted: Cells.
        folder: Of the rows, one for each generator: rows of different generators do not stand beside each other, nor do
            those of our arms before and after a change of the optimizer.
        jobs: Processes.

    Yields:
        The new rows. ``score`` is the expected test score; with demos it is the measured one.
    """
    done, own = {row["key"] for row in stored(folder)}, _own()
    waiting = [cell for cell in wanted if cell.key not in done]
    for row in _rows(waiting, jobs):
        Rows(folder / (own if row["arm"] in ours.arms() else PEERS)).write(row)
        yield row


def _rows(waiting: Sequence[Cell], jobs: int) -> Iterator[dict[str, Any]]:
    """The rows of cells as they end."""
    if jobs == 1:
        yield from map(_row, waiting)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        try:
            for future in as_completed([pool.submit(_row, cell) for cell in waiting]):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _own() -> str:
    return f"ours-{optimizer_hash()[:12]}"


def _row(cell: Cell) -> dict[str, Any]:
    row = with_score(measure(cell), draw(int(cell.task.removeprefix(PREFIX))))
    return {name: value for name, value in row.items() if name not in _LONG}


def with_score(row: dict[str, Any], world: World) -> dict[str, Any]:
    """A row of a world with its test score, that of the start prompts and that of the best known."""
    return {
        **row,
        "world": world.seed,
        "score": statistics.fmean(row["test"]) if row["expected"] is None else row["expected"],
        "start": world.start_score,
        "best": world.best_score,
        "generator": generator_hash(),
    }
