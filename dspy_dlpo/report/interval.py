"""The gain on held-out examples with its interval, as a chart of one line."""

from __future__ import annotations

from typing import Any

from dspy_dlpo.report.curve import Palette


def draw_interval(
    figure: Any, difference: float, interval: tuple[float, float], palette: Palette, *, unit: str = ""
) -> None:
    """Draw a difference and its interval beside zero.

    Args:
        figure: An empty figure of matplotlib.
        difference: The mean difference.
        interval: Its lower and upper end.
        palette: The colours.
        unit: What is counted, such as ``"points"``; empty for the metric's own units.
    """
    axes = figure.subplots()
    low, high = min(interval), max(interval)
    axes.axvline(0, color=palette.bar, linewidth=1.6, linestyle=(0, (4, 2)))
    axes.plot([low, high], [0, 0], color=palette.line, linewidth=4, solid_capstyle="butt")
    for end in (low, high):
        axes.plot([end, end], [-0.25, 0.25], color=palette.line, linewidth=2)
    axes.plot([difference], [0], marker="o", markersize=10, color=palette.line, markeredgecolor=palette.paper)
    left, right = min(low, 0.0), max(high, 0.0)
    room = 0.08 * (right - left) or 1.0
    axes.set_xlim(left - room, right + room)
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.set_xlabel(f"difference to your prompts{f', in {unit}' if unit else ''} (dashed: no difference)")
    axes.xaxis.label.set_color(palette.ink)
    axes.set_facecolor("none")
    axes.tick_params(colors=palette.ink, labelcolor=palette.ink)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(palette.muted)
