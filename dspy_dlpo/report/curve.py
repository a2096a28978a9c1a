"""The judged score of a run over its program runs: prompts in force, the bar, and every record by its outcome."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dspy_dlpo.core.history import Record, RecordKind
from dspy_dlpo.report.extras import extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Palette:
    """The colours of a chart; every pair is told apart by shape or dashes, too."""

    ink: str = "#1f2328"
    muted: str = "#59636e"
    grid: str = "#d1d9e0"
    paper: str = "#ffffff"
    line: str = "#0b57d0"
    accepted: str = "#116329"
    refused: str = "#a40e26"
    bar: str = "#8a4600"


# Markers of accepted and of refused records with a score, by kind; the third is how they are called.
_MARKERS = {
    "step": ("o", 7, "step"),
    "trial": ("s", 6, "trial"),
    "prune": ("D", 5.5, "pruning"),
}


def plot_curve(history: Sequence[Record]) -> Figure:
    """The curve of a run as a figure of its own.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    figure: Figure = extra("matplotlib.figure", "plot()").Figure(figsize=(8, 4.2), layout="constrained")
    draw_curve(figure, history, Palette())
    # Notebooks show figures of pyplot by themselves; this one is none, so that pyplot's state stays untouched.
    figure._repr_png_ = partial(_png, figure)  # type: ignore[attr-defined]
    return figure


def _png(figure: Figure) -> bytes:
    """A figure as a picture, on paper of its own."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()


def draw_curve(figure: Any, history: Sequence[Record], palette: Palette, *, columns: int = 3) -> None:
    """Draw the curve of a run.

    Args:
        figure: An empty figure of matplotlib.
        history: The records of the run, in order.
        palette: The colours.
        columns: Of the legend.
    """
    axes = figure.subplots()
    _in_force(axes, history, palette)
    _start(axes, history, palette)
    _bars(axes, history, palette)
    for kind in _MARKERS:
        _records(axes, [each for each in history if each.kind == kind], kind, palette)
    _growths(axes, history, palette)
    _cut_short(axes, history, palette)
    _frame(axes, history, palette)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
        for text in legend.get_texts():
            text.set_color(palette.ink)


def _in_force(axes: Any, history: Sequence[Record], palette: Palette) -> None:
    """The score of the prompts in force, and the best so far; both begin anew when the judging set grows."""
    end = max((record.cost for record in history), default=0)
    force, best = in_force(history), best_so_far(history)
    for points, style, label in (
        (best, {"color": palette.muted, "linestyle": (0, (1, 1.5))}, "best so far"),
        (force, {"color": palette.line}, "prompts in force"),
    ):
        if points:
            x, y = zip(*points, (end, points[-1][1]), strict=True)
            axes.plot(x, y, drawstyle="steps-post", linewidth=2, label=label, zorder=2, **style)


def _start(axes: Any, history: Sequence[Record], palette: Palette) -> None:
    scores = [(each.cost, each.score) for each in history if each.kind == RecordKind.START and each.score is not None]
    if scores:
        style = {"marker": "^", "markersize": 8, "color": palette.line, "label": "your prompts", "zorder": 3}
        axes.plot(*zip(*scores, strict=True), linestyle="", **style)


def in_force(history: Sequence[Record]) -> Points:
    """Program runs and score of the prompts in force, after each record that changed it."""
    return [
        (float(record.cost), record.score)
        for record in history
        if record.score is not None and record.kind != RecordKind.PRUNE and (record.accepted or record.kind.enlarges)
    ]


def best_so_far(history: Sequence[Record]) -> Points:
    """Program runs and the best score up to there, on the judging set of the time."""
    points: Points = []
    for record in history:
        if record.score is None or not record.complete or record.kind == RecordKind.PRUNE:
            continue
        fresh = record.kind.enlarges or not points
        points.append((float(record.cost), record.score if fresh else max(points[-1][1], record.score)))
    return points


def _bars(axes: Any, history: Sequence[Record], palette: Palette) -> None:
    spans = [
        (before.cost, max(record.cost, before.cost + 1), record.bar)
        for before, record in pairwise(history)
        if record.bar is not None and math.isfinite(record.bar) and record.kind != RecordKind.PRUNE
    ]
    for n, (start, end, bar) in enumerate(spans):
        label = "bar of acceptance" if n == 0 else None
        style = {"color": palette.bar, "linestyle": (0, (4, 2)), "linewidth": 1.4}
        axes.plot([start, end], [bar, bar], label=label, zorder=1, **style)


def _records(axes: Any, records: Sequence[Record], kind: str, palette: Palette) -> None:
    marker, size, name = _MARKERS[kind]
    for accepted, word in ((True, "accepted"), (False, "refused")):
        points = [(each.cost, each.score) for each in records if each.accepted is accepted and each.score is not None]
        if points:
            colour = palette.accepted if accepted else palette.refused
            face = colour if accepted else palette.paper
            style = {"marker": marker, "markersize": size, "markeredgecolor": colour, "markerfacecolor": face}
            axes.plot(*zip(*points, strict=True), linestyle="", label=f"{word} {name}", zorder=3, **style)


def _cut_short(axes: Any, history: Sequence[Record], palette: Palette) -> None:
    """Records without a score, at the foot: it was plain before the end that they would not reach the bar."""
    runs = [each.cost for each in history if each.kind in _MARKERS and each.score is None]
    if runs:
        axes.plot(
            runs,
            [0.0] * len(runs),
            linestyle="",
            marker="x",
            markersize=6,
            color=palette.refused,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            zorder=4,
            label="refused without a full score (at the foot)",
        )


def _growths(axes: Any, history: Sequence[Record], palette: Palette) -> None:
    growths = [record for record in history if record.kind == RecordKind.GROWTH]
    for n, record in enumerate(growths):
        style = {"color": palette.muted, "linewidth": 1, "linestyle": (0, (1, 3))}
        axes.axvline(record.cost, label="judging set grows" if n == 0 else None, zorder=0, **style)


def _frame(axes: Any, history: Sequence[Record], palette: Palette) -> None:
    axes.set_xlabel("runs of the program spent", color=palette.ink)
    axes.set_ylabel("mean score on the judging set", color=palette.ink)
    scores = [each.score for each in history if each.score is not None]
    low, high = (min(scores), max(scores)) if scores else (0.0, 1.0)
    room = 0.08 * (high - low) or 0.05 * max(1.0, abs(high))
    # A hot run's bar may lie far below: the scores decide what is seen.
    axes.set_ylim(low - 2 * room, high + room)
    axes.set_xlim(0, max([1, *(record.cost for record in history)]) * 1.03)
    axes.grid(color=palette.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_facecolor("none")
    axes.tick_params(colors=palette.ink, labelcolor=palette.ink)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(palette.muted)
