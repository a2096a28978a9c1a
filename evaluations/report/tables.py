"""The tables of the report, as plain data: a title, a caption, a head and rows."""

from __future__ import annotations

import math
import statistics as st
from collections.abc import Sequence
from dataclasses import dataclass

from evaluations.arms import CONTROLLER, MAIN
from evaluations.statistics import (
    Row,
    by_task,
    difference,
    gap,
    holm,
    mean_of,
    mean_score,
    pick,
    ranks,
    score,
    spread,
)

OURS, START = "default", "start prompt"


@dataclass(frozen=True)
class Table:
    """A table with its title and caption; cells are texts."""

    title: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def arms_of(rows: Sequence[Row]) -> list[str]:
    """The arms in the order of the main table, then the others."""
    found = {row["arm"] for row in rows}
    return [*[arm for arm in MAIN if arm in found], *sorted(found - set(MAIN))]


def scores(rows: Sequence[Row], title: str, caption: str) -> Table:
    """Every arm's test score by task, and how ours differs from it."""
    tasks, arms = list(by_task(rows)), arms_of(rows)
    found = {arm: difference(pick(rows, arm=OURS), pick(rows, arm=arm)) for arm in arms if arm != OURS}
    corrected = holm({arm: each.p for arm, each in found.items() if each is not None})
    places = ranks(rows, arms)
    lines = []
    for arm in arms:
        mine, each = pick(rows, arm=arm), found.get(arm)
        cells = [_spread([score(row) for row in mine if row["task"] == task]) for task in tasks]
        versus = (
            ("", "", "")
            if each is None
            else (
                f"{each.mean:+.3f} [{each.low:+.3f}, {each.high:+.3f}]",
                f"{corrected[arm]:.3f}",
                "/".join(map(str, each.record)),
            )
        )
        cut = sum(bool(row["was_cut"] or row["failure"]) for row in mine)
        name = f"{arm} ({cut} cut or failed)" if cut else arm
        lines.append((name, *cells, _two(mean_score(mine)), *versus, f"{places[arm]:.1f}"))
    head = ("arm", *tasks, "mean", "DLPO less arm [95 %]", "p (Holm)", "won/tied/lost", "rank")
    return Table(title, caption, head, tuple(lines))


def costs(rows: Sequence[Row], title: str, caption: str) -> Table:
    """What every arm spends, how long its prompts are, and how far its scores spread and fall."""
    lines = []
    for arm in arms_of(rows):
        mine = pick(rows, arm=arm)
        tokens = [sum(map(sum, row["tokens"])) for row in mine]
        lines.append(
            (
                arm,
                f"{mean_of(mine, 'runs_made'):.0f}",
                f"{mean_of(mine, 'prompt_calls'):.0f}",
                f"{st.fmean(tokens) / 1000:.0f}k",
                f"{mean_of(mine, 'usd_spent'):.3f}",
                f"{mean_of(mine, 'words'):.0f}",
                f"{mean_of(mine, 'demo_words'):.0f}",
                _two(spread(mine)),
                _signed(gap(mine)),
                _signed(gap(mine, "test", "shifted")),
            )
        )
    head = (
        "arm",
        "runs made",
        "prompt calls",
        "tokens",
        "US dollars",
        "words",
        "words of demos",
        "sd over seeds",
        "train less test",
        "test less shifted",
    )
    return Table(title, caption, head, tuple(lines))


def against(rows: Sequence[Row]) -> list[str]:
    """Statements that went against us, from the rows."""
    said = []
    for runs in sorted({row["runs"] for row in rows}):
        for task, group in by_task(pick(rows, runs=runs)).items():
            ours = mean_score(pick(group, arm=OURS))
            for arm in arms_of(group):
                theirs = mean_score(pick(group, arm=arm))
                if arm not in CONTROLLER and theirs > ours + 0.005:
                    said.append(f"{task}, {runs} runs: {arm} {theirs:.3f} is above DLPO's {ours:.3f}.")
    return said


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{st.fmean(values):.2f} ± {st.stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def _two(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _signed(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.3f}"
