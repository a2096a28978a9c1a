"""A metric of a whole set of examples, such as F1, MCC, BLEU or a correlation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dspy
from pydantic_core import to_jsonable_python

from dspy_dlpo.core.checks import check_whole
from dspy_dlpo.core.errors import MetricError
from dspy_dlpo.host.replay import is_plain


@dataclass(frozen=True)
class CorpusMetric:
    """A metric that scores all examples at once: F1, MCC, BLEU, Pearson, whatever is no mean over examples.

    Pass it as the metric. Every score that a run says of prompts is then that of a whole set: a proposal is judged on
    all training examples with no early stop, finalists on the same held-out ones, and the interval of the gain is a
    bootstrap over examples in which `f` is computed anew on each resample, the same for all prompts. Predictions are
    taken from the run's log, so a run that goes on, or anybody who reads the log, computes the same. The range of `f`
    is said as that of any metric: ``DLPOTeleprompter(CorpusMetric(mcc), score_range=(-1, 1))``; 0 to 1 otherwise.

    What one example contributes is told by leaving it out: the critic sees first what costs most, and by how much.

    `f` is called n + 1 times for each judged proposal, n being the training examples, once more for each answer that
    the proposal changed, and `resamples` times for each finalist: it should take milliseconds, ask no model, and give
    the same for the same lists. On a set that it raises on, or gives no number for, it counts as the lowest score, once
    it has worked; so make it return a number where it is undefined, such as 0 where all predictions are the same.

    Args:
        f: Takes the examples and the predictions in the same order, as two lists, and returns a number; higher is
            better. Predictions are `dspy.Prediction`s with the fields that the program answered, and nothing else.
        failed: Fields of the prediction that stands for a run that failed (an unreadable reply, an exception). None:
            every field is the empty text. Such a run also takes its share of the score away: with 3 of 60 failed, 0.80
            is 0.76. A run whose call was lost says nothing, and is left out with its example.
        resamples: Resamples of the bootstrap, at least 100.

    Raises:
        TypeError: If `f` cannot be called with two lists, or an argument has the wrong type.
        ValueError: If `resamples` is out of range.

    Example:
        >>> def f1(golds, preds):
        ...     hits = sum(gold.label == pred.label == "yes" for gold, pred in zip(golds, preds))
        ...     said = sum(each.label == "yes" for each in [*golds, *preds])
        ...     return 2 * hits / said if said else 0.0
        >>> yes, no = dspy.Example(label="yes"), dspy.Example(label="no")
        >>> CorpusMetric(f1)([yes, no, no], [dspy.Prediction(label="yes")] * 3)
        0.5
    """

    f: Callable[[list[dspy.Example], list[dspy.Prediction]], float]
    failed: Mapping[str, Any] | None = None
    resamples: int = 1000

    def __post_init__(self) -> None:
        if not callable(self.f) or isinstance(self.f, CorpusMetric):
            raise TypeError(f"CorpusMetric(f={self.f!r}) must be a function (golds, preds) -> float. Pass one.")
        if inspect.iscoroutinefunction(self.f):
            raise TypeError(f"CorpusMetric(f={self.f!r}) is async. Pass a plain function: it is called very often.")
        _check_call(self.f)
        if self.failed is not None and not isinstance(self.failed, Mapping):
            raise TypeError(f'CorpusMetric(failed={self.failed!r}) must be a dict, such as {{"label": "none"}}.')
        check_whole("CorpusMetric", "resamples", self.resamples, low=100)

    def __call__(self, golds: Sequence[dspy.Example], preds: Sequence[dspy.Prediction]) -> float:
        """The score of a set.

        Args:
            golds: The examples.
            preds: The predictions, in the same order.

        Raises:
            TypeError: If it is called with a single example, as metrics of one prediction are.
        """
        if isinstance(golds, dspy.Example):
            raise TypeError("A CorpusMetric scores whole sets: call it with lists of examples and predictions.")
        return self.f(list(golds), list(preds))


def kept_answer(prediction: Any) -> dict[str, Any]:
    """What the log must hold of an answer beside its texts, for `f` to be computed from it.

    Returns:
        ``outputs``: the fields that are plain data and no text; ``typed``: those of other types, as plain data.

    Raises:
        MetricError: If the program returned no prediction, or a field is no data.
    """
    if not isinstance(prediction, dspy.Prediction):
        raise MetricError(
            f"The program returned a {type(prediction).__name__}, and a CorpusMetric is given predictions. Have it "
            "return a dspy.Prediction."
        )
    other = {name: value for name, value in prediction.items() if type(value) is not str}
    plain = {name: value for name, value in other.items() if is_plain(value)}
    return {"outputs": plain, "typed": {name: _data(name, each) for name, each in other.items() if name not in plain}}


def _data(name: str, value: Any) -> Any:
    try:
        return to_jsonable_python(value, inf_nan_mode="strings")
    except Exception as error:  # what a type raises that cannot be written down is its own
        raise MetricError(
            f"The field {name!r} of the answer is a {type(value).__name__}, which no log can hold, so that a "
            "CorpusMetric cannot be computed from it. Have the program answer text, numbers, lists, dicts or models."
        ) from error


def _check_call(f: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # written in C, without a signature
        return
    try:
        signature.bind([], [])
    except TypeError as error:
        raise TypeError(
            f"CorpusMetric(f={f!r}) cannot be called as f(golds, preds): {error}. Pass a function of two lists."
        ) from error
