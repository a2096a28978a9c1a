"""The step: what is asked of which model, and what is code."""

from __future__ import annotations

from typing import Any

from canvas import BLUE, FAINT, GREEN, INK, ORANGE, paper
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

BOXES = (
    (1.4, 3.0, "your program", "runs on examples", "task model", BLUE),
    (4.7, 3.0, "critic", "what do the\ninstructions lack?", "prompt model", ORANGE),
    (8.0, 3.0, "techniques", "advice and limits", "pure code", GREEN),
    (8.0, 0.9, "writer", "sentence edits", "prompt model", ORANGE),
    (4.7, 0.9, "judge", "as good as before?\nElse its better half", "task model", BLUE),
    (1.4, 0.9, "accept", "keep what pays,\nelse go back", "pure code", GREEN),
)
ARROWS = (
    ((2.6, 3.0), (3.5, 3.0), "failures"),
    ((5.9, 3.0), (6.8, 3.0), "text\ngradients"),
    ((8.0, 2.35), (8.0, 1.55), ""),
    ((6.8, 0.9), (5.9, 0.9), "edits\nwithin limits"),
    ((3.5, 0.9), (2.6, 0.9), "scores\nby edit"),
    ((1.4, 1.55), (1.4, 2.35), ""),
)
BESIDE = ((8.15, 1.95, "request"), (1.55, 1.95, "instructions in force"))


def step() -> tuple[Figure, Any]:
    """One step, as boxes and arrows."""
    figure, axes = paper(7.6, 3.5)
    axes.set(xlim=(0, 9.4), ylim=(0.1, 3.8))
    axes.set_axis_off()
    for x, y, title, said, by, colour in BOXES:
        _box(axes, x, y, title, said, by, colour)
    for start, end, label in ARROWS:
        arrow = FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, color=FAINT, linewidth=1.6)
        axes.add_patch(arrow)
        middle = ((start[0] + end[0]) / 2, start[1] + 0.1)
        axes.text(*middle, label, ha="center", va="bottom", fontsize=8.5, color=INK, linespacing=1.0)
    for x, y, label in BESIDE:
        axes.text(x, y, label, ha="left", va="center", fontsize=8.5, color=INK)
    return figure, [box[2:5] for box in BOXES]


def _box(axes: Axes, x: float, y: float, title: str, said: str, by: str, colour: str) -> None:
    box = FancyBboxPatch(
        (x - 1.15, y - 0.6), 2.3, 1.2, boxstyle="round,pad=0,rounding_size=0.12", fill=False, edgecolor=colour, lw=1.8
    )
    axes.add_patch(box)
    axes.text(x, y + 0.38, title, ha="center", va="center", fontweight="bold", color=colour)
    axes.text(x, y - 0.03, said, ha="center", va="center", fontsize=9.5, color=INK, linespacing=1.1)
    axes.text(x, y - 0.44, by, ha="center", va="center", fontsize=8.5, style="italic", color=INK)
