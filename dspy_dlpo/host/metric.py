"""One way to call any metric: a plain DSPy metric, or a GEPA-style one that gives feedback, unchanged."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dspy_dlpo.core.errors import MetricError


@dataclass(frozen=True)
class Verdict:
    """What a metric said: a score in its own units, and feedback in words (empty for a plain metric)."""

    score: float
    feedback: str = ""


class MetricDoor:
    """Call a metric the way it wants to be called, and check what it returns.

    A metric that takes five positional arguments is called ``metric(gold, pred, trace, pred_name, pred_trace)``: for
    the score with None for the last three, and for feedback on each predictor of a run that was not perfect with its
    name and its own steps, as `dspy.GEPA` does. One that takes three gets ``trace=None``; else it gets two.

    Args:
        metric: Returns a number, a bool, or anything with a ``score`` (and perhaps ``feedback`` and ``subscores``).
        score_range: Lowest and highest legal score; None if unknown.

    Raises:
        TypeError: If the metric cannot be called with two arguments.
    """

    def __init__(self, metric: Callable[..., Any], score_range: tuple[float, float] | None) -> None:
        if not callable(metric):
            raise TypeError(f"metric={metric!r} is not callable. Pass a function (gold, pred) -> score.")
        self._metric = metric
        self._range = score_range
        self._extra = _extra_arguments(metric)
        self.lowest: float | None = None  # of all scores so far; None until the metric has worked once

    def __call__(self, gold: Any, pred: Any) -> Verdict:
        """Score one prediction.

        Raises:
            MetricError: If what comes back is no legal score. What the metric raises passes through.
        """
        result = self._metric(gold, pred, *([None] * self._extra))
        score, feedback = _score_of(result), _feedback_of(result)
        if isinstance(score, str) or score is None:
            raise MetricError(f"The metric returned {result!r}, which is no score. Return a number, or a score field.")
        try:
            value = float(score)
        except (TypeError, ValueError) as error:
            raise MetricError(f"The metric returned {result!r}, which is no score. Return a number.") from error
        self._check(value)
        return Verdict(value, feedback)

    def speaks_of_predictors(self, score: float) -> bool:
        """Whether the metric is to be asked about single predictors of a run with this score."""
        best = self._range[1] if self._range else math.inf
        return self._extra == 3 and score < best - 1e-9

    def feedback_on(self, gold: Any, pred: Any, trace: Sequence[Any], name: str, own: Sequence[Any]) -> str:
        """What the metric says of one predictor; its score does not count. What it raises passes through.

        Args:
            gold: The example.
            pred: The program's output.
            trace: All steps of the run: predictor, inputs and outputs.
            name: The predictor's name.
            own: Its own steps.
        """
        return _feedback_of(self._metric(gold, pred, list(trace), name, list(own)))

    def _check(self, value: float) -> None:
        if not math.isfinite(value):
            raise MetricError(f"The metric returned {value!r}. Return a finite number.")
        if self._range and not self._range[0] - 1e-9 <= value <= self._range[1] + 1e-9:
            low, high = self._range
            raise MetricError(
                f"The metric returned {value:g}, outside score_range=({low:g}, {high:g}). Pass the range of your "
                "metric as score_range=, or None if it is unknown."
            )


def _extra_arguments(metric: Callable[..., Any]) -> int:
    """How many arguments a metric takes beside gold and pred: 3, 1 or 0."""
    try:
        signature = inspect.signature(metric)
    except (TypeError, ValueError):
        return 0
    for extra in (3, 1, 0):
        try:
            signature.bind(*range(2 + extra))
        except TypeError:
            continue
        return extra
    raise TypeError(f"metric={metric!r} cannot be called as metric(gold, pred). Pass one that can.")


def _score_of(result: Any) -> Any:
    if isinstance(result, Mapping):
        return result.get("score")
    return getattr(result, "score", result)


def _feedback_of(result: Any) -> str:
    get = result.get if isinstance(result, Mapping) else lambda name: getattr(result, name, None)
    said, parts = str(get("feedback") or ""), get("subscores")
    if isinstance(parts, Mapping) and parts:
        shown = ", ".join(f"{name} {_shown(value)}" for name, value in parts.items())
        said = f"{said}\nscores: {shown}".strip()
    return said


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, (int, float)) else str(value)
