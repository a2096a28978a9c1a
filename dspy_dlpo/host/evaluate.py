"""Run the program on examples, in parallel: traces, scores, and failures told apart from wrong answers."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dspy
from dspy.utils.exceptions import LMAuthError, LMBillingError, LMNotConfiguredError, is_retryable_lm_error

from dspy_dlpo.core.errors import MetricError, ModelError
from dspy_dlpo.core.roles import Row, RunRequest, TraceStep
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricDoor
from dspy_dlpo.host.program import EvaluationCopies, predictor_name

logger = logging.getLogger(__name__)

DEAD = (LMAuthError, LMBillingError, LMNotConfiguredError)


class Evaluator:
    """Makes runs of the program: the `Forward` role.

    Args:
        copies: Gives the program with given prompts.
        examples: The examples that requests index.
        metric: Scores predictions.
        meter: Counts what is spent.
        low: The score of a run that the prompt broke: the low end of the score range.
        task_model: Runs the program; None for the models that it or DSPy's settings name.
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
        low: float = 0.0,
        task_model: dspy.LM | None = None,
        num_threads: int = 8,
        on_row: Callable[[RunRequest, Row], None] = lambda request, row: None,
    ) -> None:
        self._copies, self._examples, self._metric, self._meter = copies, examples, metric, meter
        self._low, self._num_threads, self._on_row = low, num_threads, on_row
        self._settings: dict[str, Any] = {} if task_model is None else {"lm": task_model}
        self._metric_works = threading.Event()

    def __call__(self, requests: Sequence[RunRequest]) -> list[Row]:
        """Make the runs of one wave.

        Raises:
            ModelError: If a model cannot be used at all.
            MetricError: If the metric fails before it has ever succeeded.
        """
        programs = [self._copies.get(request.prompts, request.rollout) for request in requests]
        rows = in_threads(self._run, list(zip(programs, requests, strict=True)), self._num_threads)
        for request, row in zip(requests, rows, strict=True):
            self._on_row(request, row)
        return rows

    def _run(self, job: tuple[dspy.Module, RunRequest]) -> Row:
        program, request = job
        example = self._examples[request.example]
        known = {"inputs": as_text(example.inputs()), "expected": as_text(example.labels())}
        with self._meter.role("task", trace=[], **self._settings):
            try:
                prediction = program(**example.inputs())
            except DEAD as error:
                raise ModelError(f"The task model cannot be used: {error}") from error
            except Exception as error:  # noqa: BLE001 - one example may fail; the error is kept in its row
                return self._failed(program, request, error, known)
            trace = _trace(program, dspy.settings.trace)
        return self._scored(request, example, prediction, {**known, "outputs": as_text(prediction), "trace": trace})

    def _scored(self, request: RunRequest, example: Any, prediction: Any, known: Mapping[str, Any]) -> Row:
        try:
            with self._meter.role("metric", trace=None):
                verdict = self._metric(example, prediction)
        except Exception as error:  # the metric is the user's; once it has worked, one example may fail
            if not self._metric_works.is_set():
                if isinstance(error, MetricError):
                    raise
                raise MetricError(f"The metric raised {type(error).__name__} on its first example: {error}") from error
            logger.warning("the metric failed on training example %d: %s", request.example, error)
            return Row(request.example, self._low, failure="metric", error=_words(error), **known)
        self._metric_works.set()
        return Row(request.example, verdict.score, feedback=verdict.feedback, **known)

    def _failed(self, program: Any, request: RunRequest, error: Exception, known: Mapping[str, Any]) -> Row:
        trace = _trace(program, dspy.settings.trace)
        if is_retryable_lm_error(error):
            return Row(request.example, None, failure="transport", error=_words(error), trace=trace, **known)
        return Row(request.example, self._low, failure="program", error=_words(error), trace=trace, **known)


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


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
