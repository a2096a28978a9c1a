"""One way to call any metric: a plain DSPy metric, or a GEPA-style one that gives feedback, unchanged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dspy

from dspy_dlpo.core.errors import MetricError, RangeError
from dspy_dlpo.host.awaiting import awaited, is_only_async
from dspy_dlpo.host.calling import Calling, calling_of
from dspy_dlpo.host.corpus import is_list_type, says_corpus, wants_lists
from dspy_dlpo.host.corpus_metric import CorpusMetric, kept_answer
from dspy_dlpo.host.unscored import UnscoredRuns

# A score may leave its range by this share of it: a cosine similarity in single precision comes to 1.0000001.
ROUNDING = 1e-6
# What the prediction is called where it is taken for the first argument.
PREDICTION_NAMES = ("pred", "prediction", "predicted", "output", "response", "completion")


@dataclass(frozen=True)
class Verdict:
    """What a metric said.

    Args:
        score: In its own units; None of a `CorpusMetric`, which scores no single run.
        feedback: In words; empty for a plain metric.
        values: What the log must hold of the run for a `CorpusMetric`.
    """

    score: float | None
    feedback: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


class MetricAdapter:
    """Call a metric the way it wants to be called, and check what it returns.

    The example and the prediction are passed by place, as DSPy does; ``trace``, ``pred_name`` and ``pred_trace`` by
    name, where it has such parameters (see `calling_of`). For the score nothing is passed beside the first two, or None
    for those of the three that it requires. A metric that takes ``pred_name`` is asked for feedback on the predictors
    of a run that was not perfect with the name of each and its own steps, as `dspy.GEPA` does. One that takes any
    arguments and names none, such as a plain ``*args`` wrapper, is called with two, and if that fails at its first call
    with None for the trace, then for all three, as DSPy's optimizers would. An async metric is awaited.

    Args:
        metric: Returns a number, a bool, or anything with a ``score`` (and perhaps ``feedback`` and ``subscores``). A
            `CorpusMetric` is not called: what it needs of a run is kept.
        score_range: Lowest and highest legal score; None if unknown. What exceeds it by rounding is the limit itself.

    Raises:
        TypeError: If the metric cannot be called with an example and a prediction, requires more than DSPy passes, or
            says that it wants lists of them.
    """

    def __init__(self, metric: Callable[..., Any], score_range: tuple[float, float] | None) -> None:
        if not callable(metric):
            raise TypeError(f"metric={metric!r} is not callable. Pass a function (gold, pred) -> score.")
        self._metric = metric
        self._range = score_range
        self.scores_sets = isinstance(metric, CorpusMetric)
        self._calling = Calling() if self.scores_sets else calling_of(metric)
        self._untried = self._calling.is_open or says_corpus(self._calling.first)
        if any(map(is_list_type, self._calling.annotations)):
            raise TypeError(f"metric={metric!r} {wants_lists(metric)}")
        self.lowest: float | None = None  # of all scores so far; None until the metric has worked once
        self.unscored = UnscoredRuns()

    def __call__(self, gold: Any, pred: Any) -> Verdict:
        """Score one prediction.

        Raises:
            MetricError: If what comes back is no legal score. What the metric raises passes through.
        """
        if self.scores_sets:
            verdict = Verdict(None, values=kept_answer(pred))
            self.lowest = self._range[0] if self._range else 0.0  # it works, as far as single runs can show
            return verdict
        result = self._first_result(gold, pred) if self._untried else self._result(gold, pred)
        return self._verdict(result)

    def speaks_of_predictors(self, score: float) -> bool:
        """Whether the metric is to be asked about single predictors of a run with this score."""
        best = self._range[1] if self._range else math.inf
        return "pred_name" in self._calling.names and score < best - 1e-9

    def feedback_on(self, gold: Any, pred: Any, trace: Sequence[Any], name: str, own: Sequence[Any]) -> str:
        """What the metric says of one predictor; its score does not count. What it raises passes through.

        Args:
            gold: The example.
            pred: The program's output.
            trace: All steps of the run: predictor, inputs and outputs.
            name: The predictor's name.
            own: Its own steps.
        """
        given = {"trace": list(trace), "pred_name": name, "pred_trace": list(own)}
        return _feedback_of(self._called(gold, pred, *self._calling.arguments(given)))

    def advice(self, gold: Any, pred: Any) -> str:
        """Why a metric that failed on its first example may have done so, and the way out; empty if that is not known.

        It is called once more, with lists of one: one that can do with them is written for all examples at once.
        """
        if self._scores_lists(gold, pred):
            return f"It {wants_lists(self._metric)}"
        first = [name.lower().strip("_") for name in self._calling.first]
        if first and first[0] in PREDICTION_NAMES and first[-1] not in PREDICTION_NAMES:
            return (
                f"DSPy passes the example first, then the prediction: it calls them {' and '.join(first)}. Swap them."
            )
        return ""

    def _result(self, gold: Any, pred: Any) -> Any:
        return self._called(gold, pred, *self._calling.arguments())

    def _called(self, gold: Any, pred: Any, places: Sequence[Any], names: Mapping[str, Any]) -> Any:
        metric = self._metric
        call = metric.acall if isinstance(metric, dspy.Module) and is_only_async(metric) else metric
        return awaited(call(gold, pred, *places, **names))

    def _first_result(self, gold: Any, pred: Any) -> Any:
        """The result of a metric of which it must show yet how it is called."""
        if says_corpus(self._calling.first) and self._scores_lists(gold, pred):
            raise MetricError(f"The metric {wants_lists(self._metric)}")
        try:
            result = self._result(gold, pred)
        except (TypeError, ValueError, IndexError):  # what a wrapper raises whose metric lacks an argument
            for count in (1, 3) if self._calling.is_open else ():
                tried = self._calling.with_places(count)
                try:
                    result = self._called(gold, pred, *tried.arguments())
                except Exception:  # noqa: BLE001 - the first error is the one to tell
                    continue
                self._calling, self._untried = tried, False
                return result
            raise
        self._untried = False
        return result

    def _scores_lists(self, gold: Any, pred: Any) -> bool:
        """Whether lists of an example and a prediction get a legal score."""
        try:
            self._verdict(self._called([gold], [pred], *self._calling.arguments()))
        except Exception:  # noqa: BLE001 - it is a question, and no is an answer
            return False
        return True

    def _verdict(self, result: Any) -> Verdict:
        score, feedback = _field(result, "score", result), _feedback_of(result)
        if isinstance(score, (str, bytes)) or score is None:
            raise MetricError(f"The metric returned {result!r}, which is no score. Return a number, or a score field.")
        try:
            value = float(score)
        except Exception as error:
            raise MetricError(f"The metric returned {result!r}, which is no score. Return a number.") from error
        if not math.isfinite(value):
            raise MetricError(f"The metric returned {value!r}. Return a finite number.")
        return Verdict(in_range(value, self._range, "The metric", _RANGE_WANTED), feedback)


_RANGE_WANTED = "Pass the range of your metric as score_range=, or None if it is unknown."


def in_range(value: float, score_range: tuple[float, float] | None, who: str, way_out: str) -> float:
    """A score, rounded into its range where it leaves that by rounding alone.

    Args:
        value: A finite number.
        score_range: Lowest and highest legal score; None if they are unknown.
        who: What returned it, for the error.
        way_out: What to do about it, for the error.

    Raises:
        RangeError: If it lies outside.
    """
    if score_range is None:
        return value
    low, high = score_range
    inside = min(max(value, low), high)
    if abs(value - inside) > ROUNDING * (high - low):
        raise RangeError(f"{who} returned {value:g}, outside score_range=({low:g}, {high:g}). {way_out}")
    return float(inside)


def _field(result: Any, name: str, without: Any = None) -> Any:
    """A field of what a metric returned, a mapping or an object; of an object that lacks it what stands for it."""
    return result.get(name) if isinstance(result, Mapping) else getattr(result, name, without)


def _feedback_of(result: Any) -> str:
    said, parts = str(_field(result, "feedback") or ""), _field(result, "subscores")
    if isinstance(parts, Mapping) and parts:
        shown = ", ".join(f"{name} {_shown(value)}" for name, value in parts.items())
        said = f"{said}\nscores: {shown}".strip()
    return said


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, (int, float)) else str(value)
