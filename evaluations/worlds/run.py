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
from evaluations.worlds.measure import normalized, share_won, summary
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


def by_arm(rows: Sequence[Row]) -> dict[str, dict[int, float]]:
    """Normalized score by world, by arm; worlds of too small a range left out."""
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        share = normalized(row["score"], row["start"], row["best"])
        if share is not None:
            found.setdefault(row["arm"], {})[row["world"]] = share
    return found


def table(rows: Sequence[Row], arms: Sequence[str]) -> str:
    """A Markdown table: each arm's share of the possible gain over the worlds that all have run, and against the first.

    Args:
        rows: Of one generator and budget.
        arms: In the order wanted; the first is what the others are compared with.
    """
    found = by_arm(rows)
    common = set.intersection(*(set(found.get(arm, ())) for arm in arms))
    small = {row["world"] for row in rows if normalized(row["score"], row["start"], row["best"]) is None}
    lines = [
        f"Generator {generator_hash()[:12]}; {len(common)} worlds; {len(small)} more with a range below 0.1 left out.",
        "",
        f"| arm | share of the gain | 95 % interval | {arms[0]} less it | {arms[0]} ahead in | cut or failed |",
        "|---|---|---|---|---|---|",
    ]
    if not common:
        return "\n".join([*lines[:1], "", "No world that all arms have run."])
    own = {arm: {world: found[arm][world] for world in common} for arm in arms}
    failed = {arm: sum(bool(row["failure"]) for row in rows if row["arm"] == arm) for arm in arms}
    return "\n".join([*lines, *(_line(arm, own, arms[0], failed[arm]) for arm in arms)])


def _line(arm: str, own: Mapping[str, Mapping[int, float]], first: str, failed: int) -> str:
    worlds = sorted(own[arm])
    mean = summary([own[arm][world] for world in worlds])
    cells = [arm, f"{mean.mean:.3f}", f"{mean.low:.3f} .. {mean.high:.3f}"]
    if arm == first:
        return f"| {' | '.join([*cells, '', '', str(failed)])} |"
    less = summary([own[first][world] - own[arm][world] for world in worlds])
    won = share_won(own[first], own[arm])
    versus = [f"{less.mean:+.3f} ({less.low:+.3f} .. {less.high:+.3f})", f"{won:.0%}", str(failed)]
    return f"| {' | '.join([*cells, *versus])} |"
