"""A metric of whole sets, computed from runs as the log has them."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import dspy
from pydantic import TypeAdapter

from dspy_dlpo.core.errors import MetricError, RangeError
from dspy_dlpo.core.roles import Row
from dspy_dlpo.host.corpus_metric import CorpusMetric
from dspy_dlpo.host.lm_errors import one_line
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import in_range
from dspy_dlpo.host.secrets import Redactor


class CorpusScorer:
    """Gives rows to a `CorpusMetric` as examples and predictions: the `SetScore` role.

    Args:
        metric: The metric.
        examples: The examples that rows index.
        student: The program, whose signatures tell the types of its answers.
        score_range: Lowest and highest legal score; None if unknown.
        meter: Tells whether the metric asks a model.
        redact: Keeps keys out of errors.
    """

    def __init__(
        self,
        metric: CorpusMetric,
        examples: Sequence[dspy.Example],
        student: dspy.Module,
        score_range: tuple[float, float] | None,
        meter: Meter,
        redact: Redactor | None = None,
    ) -> None:
        self._meter = meter
        self._metric, self._examples, self._range = metric, examples, score_range
        self.resamples = metric.resamples  # of the bootstrap
        self._redact = redact or Redactor()
        signatures = [predictor.signature for _, predictor in student.named_predictors()]
        self._types = {name: each.annotation for s in signatures for name, each in s.output_fields.items()}
        self._made: dict[int, tuple[Row, dspy.Prediction]] = {}  # by the row's id, which it keeps from being reused

    def __call__(self, rows: Sequence[Row], ideal: Collection[int] = ()) -> float:
        """The score of some runs.

        Args:
            rows: Runs that were not lost in transport; one may stand there several times.
            ideal: Examples whose runs are taken to have answered as the labels say.

        Raises:
            RangeError: If the score leaves its range.
            MetricError: If the metric raises, or gives no number.
        """
        golds = [self._examples[row.example] for row in rows]
        preds = self._predictions(rows)
        for i, row in enumerate(rows):
            if row.example in ideal:
                preds[i] = dspy.Prediction(**{**dict(preds[i].items()), **dict(golds[i].labels().items())})
        try:
            result: Any = self._metric(golds, preds)
        except Exception as error:  # noqa: BLE001 - f is the user's; what it raises is told
            said = one_line(self._redact.error(error)).rstrip(".")
            failed = sum(bool(row.failure) for row in rows)
            stands = f" Of the runs {failed} failed; CorpusMetric(failed=) says what stands for them." if failed else ""
            raise MetricError(
                f"The f of the CorpusMetric raised {type(error).__name__} on {len(rows)} examples: {said}. {_WAY_OUT}"
                f"{stands}"
            ) from self._redact.cause(error)
        return self._less_failed(self._checked(result, len(rows)), rows, ideal)

    def try_out(self, row: Row) -> None:
        """Call the metric with one run, on which it may well be undefined.

        Raises:
            MetricError: If it cannot work on any set: by a mistake in its code, as it returns no number, or by its
                range; or if it asks a model.
        """
        with self._meter.role("metric", trace=[]) as asked:
            try:
                self([row])
            except MetricError as error:
                if isinstance(error, RangeError) or isinstance(error.__cause__, _MISTAKES):
                    raise
        if asked.tally.calls:
            raise MetricError(
                "The f of the CorpusMetric asks a model, and it is called thousands of times, which no budget counts. "
                "Have the program ask it, or pass a metric of one prediction that does."
            )

    def _predictions(self, rows: Sequence[Row]) -> list[dspy.Prediction]:
        """What the runs answered, a new list of predictions that are made once."""
        found = [None if row.failure else self._made_of(row) for row in rows]
        missing = self._missing([each for each in found if each is not None]) if None in found else None
        return [missing if each is None else each for each in found]

    def _missing(self, answered: Sequence[dspy.Prediction]) -> dspy.Prediction:
        """What stands for a run that failed."""
        if self._metric.failed is not None:
            return dspy.Prediction(**self._metric.failed)
        names = [*self._types, *(name for each in answered for name, _ in each.items())]
        return dspy.Prediction(**dict.fromkeys(names, ""))

    def _made_of(self, row: Row) -> dspy.Prediction:
        if id(row) not in self._made:
            typed = {name: self._typed(name, data) for name, data in row.values.get("typed", {}).items()}
            self._made[id(row)] = row, dspy.Prediction(**{**row.outputs, **row.values.get("outputs", {}), **typed})
        return self._made[id(row)][1]

    def _typed(self, name: str, data: Any) -> Any:
        """A field as its signature types it; as plain data where no signature has it, or it is of another type."""
        if name not in self._types:
            return data
        try:
            return TypeAdapter(self._types[name]).validate_python(data)
        except ValueError:
            return data

    def _less_failed(self, score: float, rows: Sequence[Row], ideal: Collection[int]) -> float:
        """A score, of which each run that failed takes its share: to break off is no way to be right."""
        failed = sum(bool(row.failure) and row.example not in ideal for row in rows)
        less = score - abs(score) * failed / len(rows)
        return less if self._range is None else max(less, self._range[0])

    def _checked(self, result: Any, count: int) -> float:
        said = f"The f of the CorpusMetric returned {result!r} for {count} examples. {_WAY_OUT}"
        try:
            value = float(None if isinstance(result, (str, bytes)) else result)  # type: ignore[arg-type]
        except Exception as error:  # whatever it is, it is no number
            raise MetricError(said) from error
        if not math.isfinite(value):
            raise MetricError(said)
        way_out = "Pass the range of f as score_range=."
        return in_range(value, self._range, "The f of the CorpusMetric", way_out)


_WAY_OUT = (
    "It is given two lists; make it return a finite number for all answers, such as the lowest score where it is "
    "undefined."
)
# What shows that code is wrong, whatever it is given.
_MISTAKES = (AttributeError, KeyError, NameError, ImportError, TypeError)
