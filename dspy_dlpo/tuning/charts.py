"""The charts of a study: how the search went, what a score costs, and what each technique brings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from statistics import fmean, variance
from typing import Any

from optuna.trial import FrozenTrial

_BLUE, _GREY, _ORANGE = "#1f6feb", "#8c959f", "#d4650a"

# From the complete trials and the parameters of the shipped configuration to the traces and layout of a figure of
# plotly; None where there is nothing to draw.
Content = tuple[list[dict[str, Any]], dict[str, Any]]
Chart = Callable[[Sequence[FrozenTrial], Mapping[str, Any]], "Content | None"]


def _score(trial: FrozenTrial) -> float:
    return float(round(trial.values[0], 4))


def _best_so_far(trials: Sequence[FrozenTrial], shipped: Mapping[str, Any]) -> Content | None:
    if not trials:
        return None
    numbers, scores = [each.number for each in trials], [_score(each) for each in trials]
    best = {"x": numbers, "y": list(accumulate(scores, max)), "mode": "lines", "line": {"shape": "hv", "color": _BLUE}}
    points = {"x": numbers, "y": scores, "mode": "markers", "marker": {"color": _GREY, "size": 6}}
    traces = [{**points, "type": "scatter", "name": "trial"}, {**best, "type": "scatter", "name": "best so far"}]
    # Its trial may have been repeated under another number, so it is known by its parameters.
    first = next((_score(each) for each in trials if shipped and each.params == shipped), None)
    if first is not None:
        ends = {"x": [numbers[0], numbers[-1]], "y": [first, first], "mode": "lines"}
        line = {"color": _ORANGE, "dash": "dash"}
        traces.append({**ends, "type": "scatter", "line": line, "name": "shipped configuration"})
    legend = {"orientation": "h", "y": -0.2}
    return traces, {"title": {"text": "Best score so far"}, "legend": legend, **_axes("trial", "score")}


def _against(attribute: str, title: str, axis: str) -> Chart:
    """A drawer of the score against a number that trials keep; it draws nothing while none has it."""

    def draw(trials: Sequence[FrozenTrial], shipped: Mapping[str, Any]) -> Content | None:
        shown = [each for each in trials if isinstance(each.user_attrs.get(attribute), (int, float))]
        if not shown:
            return None
        points = {
            "x": [round(each.user_attrs[attribute], 4) for each in shown],
            "y": [_score(each) for each in shown],
            "text": [str(each.number) for each in shown],
            "hovertemplate": "trial %{text}<br>score %{y}<br>%{x}<extra></extra>",
        }
        # The shipped configuration stands out.
        colours = [_ORANGE if shipped and each.params == shipped else _BLUE for each in shown]
        marker = {"size": 9, "color": colours if len(set(colours)) > 1 else colours[0]}
        return [{**points, "type": "scatter", "mode": "markers", "marker": marker}], {
            "title": {"text": title},
            **_axes(axis, "score"),
        }

    return draw


def _techniques(trials: Sequence[FrozenTrial], shipped: Mapping[str, Any]) -> Content | None:
    """The mean score with each technique minus without, with a Welch interval."""
    effects = []
    for name in sorted({name for each in trials for name, value in each.params.items() if isinstance(value, bool)}):
        on, off = ([_score(each) for each in trials if each.params.get(name) is side] for side in (True, False))
        if len(on) > 1 and len(off) > 1:
            effects.append((fmean(on) - fmean(off), _half_width(on, off), f"{name} ({len(on)} on, {len(off)} off)"))
    if not effects:
        return None
    gains, widths, names = zip(*sorted(effects), strict=True)
    bars = {"type": "data", "array": [round(each, 4) for each in widths], "color": _GREY}
    points = {"x": [round(each, 4) for each in gains], "y": list(names), "error_x": bars}
    trace = {**points, "type": "scatter", "mode": "markers", "marker": {"size": 10, "color": _BLUE}}
    line = {"color": _GREY, "dash": "dot"}
    zero = {"type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "paper", "line": line}
    # On two short lines, so that a narrow window shows all of it. A hint, as the sampler chose what to try.
    axis = "score with it minus without<br>(95% interval, only a hint)"
    return [trace], {"title": {"text": "What each technique brings"}, "shapes": [zero], **_axes(axis, "")}


def _half_width(on: Sequence[float], off: Sequence[float]) -> float:
    """Half the width of Welch's 95 % interval of a difference of means."""
    from scipy.stats import t

    parts = [variance(each) / len(each) for each in (on, off)]
    if not sum(parts):
        return 0.0
    freedom = sum(parts) ** 2 / sum(part**2 / (len(each) - 1) for part, each in zip(parts, (on, off), strict=True))
    return float(t.ppf(0.975, freedom)) * math.sqrt(sum(parts))


def _axes(x: str, y: str) -> dict[str, Any]:
    return {"xaxis": {"title": {"text": x, "font": {"size": 12}}}, "yaxis": {"title": {"text": y}}}


CHARTS: dict[str, Chart] = {
    "best-so-far": _best_so_far,
    "score-words": _against("words", "Score and length of the prompts", "words"),
    "score-usd": _against("usd", "Score and money spent", "US dollars"),
    "techniques": _techniques,
}
