"""The charts of the report, as SVG."""

from __future__ import annotations

import io
import re
import statistics as st
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from evaluations.report.tables import OURS, arms_of
from evaluations.statistics import Row, by_task, mean_of, mean_score, pick, score

matplotlib.rcParams.update({"svg.hashsalt": "dspy_dlpo", "svg.fonttype": "none", "font.size": 9})


def curves(rows: Sequence[Row]) -> str:
    """Test score against runs, with bands of one standard error over seeds."""
    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    for arm in arms_of(rows):
        mine = pick(rows, arm=arm)
        budgets = sorted({row["runs"] for row in mine})
        if len(budgets) < 4:
            continue
        means = [mean_score(pick(mine, runs=runs)) for runs in budgets]
        errors = [_error(pick(mine, runs=runs)) for runs in budgets]
        (line,) = axes.plot(budgets, means, marker="o", markersize=3, label="DLPO" if arm == OURS else arm)
        low, high = ([mean + sign * error for mean, error in zip(means, errors, strict=True)] for sign in (-1, 1))
        axes.fill_between(budgets, low, high, color=line.get_color(), alpha=0.15)
    axes.set_xscale("log")
    axes.set_xlabel("runs of the program")
    axes.set_ylabel("test score, mean over tasks")
    if axes.lines:
        axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    return _svg(figure)


def cost(rows: Sequence[Row]) -> str:
    """Test score against money."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for i, arm in enumerate(arms_of(rows)):
        mine = pick(rows, arm=arm)
        x, y = mean_of(mine, "usd_spent"), mean_score(mine)
        label = "DLPO" if arm == OURS else arm
        axes.scatter([x], [y], color=f"C{i % 10}", marker="osD^vP*X"[i % 8], s=60 if arm == OURS else 35, label=label)
    figure.legend(loc="outside right upper", frameon=False)
    axes.set_xlabel("US dollars, at the prices that simulated models are taken to have")
    axes.set_ylabel("test score, mean over tasks")
    axes.grid(alpha=0.3)
    return _svg(figure)


def _error(rows: Sequence[Row]) -> float:
    errors = [st.stdev(map(score, group)) / len(group) ** 0.5 for group in by_task(rows).values() if len(group) > 1]
    return st.fmean(errors) / len(errors) ** 0.5 if errors else 0.0


def _svg(figure: Figure) -> str:
    """A figure as an SVG element, without metadata and the same for the same data."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    text = buffer.getvalue()
    return re.sub(r"<metadata>.*?</metadata>\s*", "", text[text.index("<svg") :], flags=re.DOTALL).strip()
