"""The tables of the report, as plain data: a title, a caption, a head and rows."""

from __future__ import annotations

import math
import statistics as st
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    runs_needed,
    score,
    spread,
)

OURS, PLAIN, START = "default", "plain textual gradient descent", "start prompt"
# Arms that are ours, or build on ours: no peers.
OWN = (*CONTROLLER, "paper settings", PLAIN, "BootstrapFewShot, then DLPO")
CLAIMS = {
    "robustness": ("learning rate (TLR)", "dropout (TDO)", "annealing (TSA)"),
    "efficiency": ("decay (TLRD)", "momentum (TMnt)", "contrastive (TCL)"),
    "generalization": ("regularization (TRegu)",),
}


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


def peers_of(rows: Sequence[Row]) -> list[str]:
    """The arms that are neither ours nor the start."""
    return [arm for arm in arms_of(rows) if arm not in OWN and arm != START]


def best_peer(rows: Sequence[Row]) -> str | None:
    """The peer with the highest mean test score."""
    return max(peers_of(rows), key=lambda arm: mean_score(pick(rows, arm=arm)), default=None)


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


def ablation(rows: Sequence[Row]) -> Table:
    """Each technique alone and each left out, under the paper's claim it stands for."""
    lines = []
    shipped, bare = pick(rows, arm=OURS), pick(rows, arm="only judging by edit")
    for claim, techniques in CLAIMS.items():
        for technique in techniques:
            out, only = pick(rows, arm=f"without {technique}"), pick(rows, arm=f"only {technique}")
            lines.append(
                (
                    claim,
                    technique,
                    _two(mean_score(only)),
                    _versus(only, bare),
                    _two(mean_score(out)),
                    _versus(shipped, out),
                    f"{spread(shipped):.3f} / {spread(out):.3f}",
                    f"{gap(shipped):+.3f} / {gap(out):+.3f}",
                )
            )
    head = (
        "claim",
        "technique",
        "alone",
        "alone less none [95 %]",
        "left out",
        "shipped less left out [95 %]",
        "sd, with / without",
        "train less test, with / without",
    )
    caption = (
        f"None is judging by edit without a technique: {_two(mean_score(bare))}. Shipped: {_two(mean_score(shipped))}."
    )
    return Table("Ablation", caption, head, tuple(lines))


def goals(rows: Sequence[Row]) -> Table:
    """The statements that this project set out to make, with the figure, and whether it holds."""
    lines: list[tuple[str, str, str]] = []
    groups = sorted({(row["noise"], row["runs"]) for row in rows if row["forgetting"] and row["runs"] in (600, 2000)})
    for noise, runs in groups:
        mine = pick(rows, noise=noise, runs=runs, forgetting=True)
        peer = best_peer(mine)
        if peer is None or not pick(mine, arm=OURS):
            continue
        where = f"{runs} runs, {noise:.0%} noise"
        ahead = sum(
            mean_score(pick(group, arm=OURS)) > max(mean_score(pick(group, arm=arm)) for arm in peers_of(group))
            for group in by_task(mine).values()
        )
        count = len(by_task(mine))
        lines.append((f"above every peer on five of six tasks ({where})", f"{ahead} of {count}", _met(ahead >= 5)))
        each = difference(pick(mine, arm=OURS), pick(mine, arm=peer))
        if each:
            figure = f"{each.mean:+.3f} [{each.low:+.3f}, {each.high:+.3f}] against {peer}"
            lines.append((f"difference to the best peer above 0 ({where})", figure, _met(each.low > 0)))
        plain, ours = pick(mine, arm=PLAIN), pick(mine, arm=OURS)
        lines.append(
            (
                f"spread at most half of plain textual gradient descent's ({where})",
                f"{spread(ours):.3f} and {spread(plain):.3f}",
                _met(spread(ours) <= spread(plain) / 2),
            )
        )
        lines.append(
            (
                f"train-test gap at most half ({where})",
                f"{gap(ours):+.3f} and {gap(plain):+.3f}",
                _met(gap(ours) <= gap(plain) / 2),
            )
        )
        gepa = mean_of(pick(mine, arm="GEPA"), "words")
        words = mean_of(ours, "words")
        lines.append(
            (f"prompt no longer than GEPA's ({where})", f"{words:.0f} and {gepa:.0f} words", _met(words <= gepa))
        )
    lines += _quarter(rows)
    return Table("What was to be shown", "", ("statement", "figure", "holds"), tuple(lines))


def _quarter(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    quiet = pick(rows, noise=0.0, forgetting=True)
    peer = best_peer(pick(quiet, runs=2000))
    if peer is None:
        return []
    target = mean_score(pick(quiet, arm=peer, runs=2000))
    needed = runs_needed(quiet, OURS, target)
    figure = f"{peer} reaches {target:.3f} with 2,000 runs, DLPO with {needed or 'more than all measured'}"
    return [
        ("the best peer's score at 2,000 runs with at most 500", figure, _met(needed is not None and needed <= 500))
    ]


def against(rows: Sequence[Row]) -> list[str]:
    """Statements that went against us, from the rows."""
    found = [f"Missed: {statement}: {figure}." for statement, figure, holds in goals(rows).rows if holds == "no"]
    for noise, runs in sorted({(row["noise"], row["runs"]) for row in rows if row["forgetting"]}):
        mine = pick(rows, noise=noise, runs=runs, forgetting=True)
        for task, group in by_task(mine).items():
            ours = mean_score(pick(group, arm=OURS))
            for arm in arms_of(group):
                theirs = mean_score(pick(group, arm=arm))
                if arm not in CONTROLLER and theirs > ours + 0.005:
                    found.append(
                        f"{task}, {runs} runs, {noise:.0%} noise: {arm} {theirs:.3f} is above DLPO's {ours:.3f}."
                    )
    return found


def _versus(first: Sequence[Row], second: Sequence[Row]) -> str:
    each = difference(first, second)
    return "" if each is None else f"{each.mean:+.3f} [{each.low:+.3f}, {each.high:+.3f}]"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{st.fmean(values):.2f} ± {st.stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def _two(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _signed(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.3f}"


def _met(holds: Any) -> str:
    return "yes" if holds else "no"
