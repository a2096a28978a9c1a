"""Paper and ink: figures that are legible on light and on dark pages, and the same at every drawing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Colours that stand for a role while drawing; a style sheet in the picture gives each its light and its dark shade.
INK, FAINT, BLUE, ORANGE, GREEN, RED = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
# Both shades of each have a contrast of at least 4.5 to 1 to their page, those of FAINT at least 3 to 1.
SHADES = {
    INK: ("#24292f", "#e6e9ef"),
    FAINT: ("#868c93", "#7d848d"),
    BLUE: ("#1261b5", "#6cb2ff"),
    ORANGE: ("#a04a00", "#ffa657"),
    GREEN: ("#0f6e41", "#56d58a"),
    RED: ("#b3203a", "#ff8794"),
}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dspy-dlpo",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 2,
}


def paper(width: float = 7.2, height: float = 3.4) -> tuple[Figure, Axes]:
    """An empty figure, in inches, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.subplots()


def title(figure: Figure, text: str) -> None:
    """Say above a figure, from its left edge, what it shows."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=11)


def save(figure: Figure, data: Any, path: Path) -> None:
    """Write a figure as SVG, with what it shows as JSON."""
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = path.read_text(encoding="utf-8")
    for number, colour in enumerate(SHADES):
        text = text.replace(colour, f"var(--c{number})")
    light, dark = ("".join(f"--c{i}:{pair[j]};" for i, pair in enumerate(SHADES.values())) for j in (0, 1))
    style = f"<style>:root{{{light}}}@media (prefers-color-scheme: dark){{:root{{{dark}}}}}</style>"
    shown = json.dumps(data, ensure_ascii=True, sort_keys=True).replace("<", "\\u003c").replace("&", "\\u0026")
    head, body = text.split("\n <defs>", 1)
    marked = f'{head}\n <metadata id="shown">{shown}</metadata>\n {style}\n <defs>{body}'
    path.write_text("\n".join(line.rstrip() for line in marked.splitlines()) + "\n", encoding="utf-8")
