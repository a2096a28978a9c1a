"""Run the program on examples, in parallel: traces, scores, and failures told apart from wrong answers."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import dspy
from dspy.utils.exceptions import (
    LMAuthError,
    LMBillingError,
    LMConfigurationError,
    LMUnsupportedFeatureError,
    LMUnsupportedModelError,
    is_retryable_lm_error,
)

from dspy_dlpo.core.errors import MetricError, ModelError
from dspy_dlpo.core.roles import Row, RunRequest, TraceStep
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricDoor
from dspy_dlpo.host.program import EvaluationCopies, predictor_name

logger = logging.getLogger(__name__)

# A model that answers with one of these will never answer.
DEAD = (
    LMAuthError,
    LMBillingError,
    LMConfigurationError,
    LMUnsupportedFeatureError,
    LMUnsupportedModelError,
)


class Evaluator:
    """Makes runs of the program: the `Forward` role.

    Args:
        copies: Gives the program with given prompts.
        examples: The examples that requests index.
        metric: Scores predictions.
        meter: Counts what is spent.
        low: The score of a run that the prompt broke: the low end of the score range; None for the lowest score so far.
        task_model: Runs the predictors without a model of their own; None for the one that DSPy's settings name.
        num_threads: Runs in parallel, at least 1.
        on_row: Told of every request and row, in order.
    """

    def __init__(
        self,
        copies: EvaluationCopies,
        examples: Sequence[dspy.Example],
        metric: MetricDoor,
        meter: Meter,
        *,
        low: float | None = 0.0,
        task_model: dspy.LM | None = None,
        num_threads: int = 8,
        on_row: Callable[[RunRequest, Row], None] = lambda request, row: None,
    ) -> None:
        self._copies, self._examples, self._metric, self._meter = copies, examples, metric, meter
        self._low, self._num_threads, self._on_row = low, num_threads, on_row
        self._settings: dict[str, Any] = {} if task_model is None else {"lm": task_model}

    def __call__(self, requests: Sequence[RunRequest]) -> list[Row]:
        """Make the runs of one wave.

        Raises:
            ModelError: If a model cannot be used at all.
            MetricError: If the metric fails before it has ever succeeded.
        """
        programs = [self._copies.get(request.prompts, request.rollout) for request in requests]
        rows = in_threads(self._run, list(zip(programs, requests, strict=True)), self._num_threads)
        rows = self._settled(rows)
        for request, row in zip(requests, rows, strict=True):
            self._on_row(request, row)
        return rows

    def _run(self, job: tuple[dspy.Module, RunRequest]) -> Row:
        program, request = job
        example = self._examples[request.example]
        row = Row(request.example, None, as_text(example.inputs()), as_text(example.labels()))
        with self._meter.role("task", trace=[], **self._settings):
            try:
                prediction = program(**example.inputs())
            except Exception as error:  # noqa: BLE001 - one example may fail; the error is kept in its row
                return _failed(row, "program", error, _trace(program, dspy.settings.trace))
            row = replace(row, outputs=as_text(prediction), trace=_trace(program, dspy.settings.trace))
        try:
            with self._meter.role("metric", trace=None):
                verdict = self._metric(example, prediction)
        except MetricError:
            raise
        except Exception as error:  # noqa: BLE001 - the metric is the user's; one example may fail
            return _failed(row, "metric", error, row.trace)
        return replace(row, score=verdict.score, feedback=verdict.feedback)

    def _settled(self, rows: Sequence[Row]) -> list[Row]:
        """Score the runs that the prompt broke, and end a metric that has never worked, in the order of the rows."""
        door = self._metric
        scores = [row.score for row in rows if row.score is not None]
        if scores:
            door.lowest = min(scores) if door.lowest is None else min(door.lowest, *scores)
        broken = next((row for row in rows if row.failure == "metric"), None)
        if broken is not None and door.lowest is None:
            raise MetricError(f"The metric raised {broken.error.replace(':', ' on its first example:', 1)}")
        for row in rows:
            if row.failure == "metric":
                logger.warning("the metric failed on example %d: %s", row.example, row.error)
        low = (door.lowest or 0.0) if self._low is None else self._low
        return [replace(row, score=low) if row.failure in ("program", "metric") else row for row in rows]


def _failed(row: Row, where: str, error: Exception, trace: tuple[TraceStep, ...]) -> Row:
    """The row of a run that failed: in transport, or by the prompt's or the metric's doing.

    Raises:
        ModelError: If the model will never answer.
    """
    if isinstance(error, DEAD):
        asked = "task model" if where == "program" else "model that the metric asks"
        raise ModelError(f"The {asked} cannot be used: {error}") from error
    failure = "transport" if is_retryable_lm_error(error) else where
    return replace(row, failure=failure, error=f"{type(error).__name__}: {error}", trace=trace)


def in_threads(function: Callable[[Any], Any], items: Sequence[Any], num_threads: int) -> list[Any]:
    """Apply a function to items, in parallel under the caller's DSPy settings.

    Returns:
        The results in the order of the items.
    """
    if num_threads <= 1 or len(items) <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(num_threads, len(items)), thread_name_prefix="dlpo") as pool:
        futures = [pool.submit(contextvars.copy_context().run, function, item) for item in items]
        return [future.result() for future in futures]


def as_text(fields: Any) -> dict[str, str]:
    """The fields of an example or prediction, as text."""
    try:
        items = fields.items()
    except AttributeError:
        return {"value": str(fields)}
    return {str(name): str(value) for name, value in items}


def _trace(program: dspy.Module, trace: Sequence[Any] | None) -> tuple[TraceStep, ...]:
    return tuple(
        TraceStep(predictor_name(program, predictor), as_text(inputs), as_text(outputs))
        for predictor, inputs, outputs in trace or ()
    )
