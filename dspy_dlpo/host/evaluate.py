"""Run the program on examples, in parallel: traces, scores, and failures told apart from wrong answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import dspy
from dspy.utils.exceptions import is_retryable_lm_error

from dspy_dlpo.core.errors import MetricError, ModelError, RangeError
from dspy_dlpo.core.events import RunDone, run_key
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.roles import Failure, Row, RunRequest, TraceStep
from dspy_dlpo.core.tally import Tallies
from dspy_dlpo.host.breakage import place_of
from dspy_dlpo.host.feedback import PredictorFeedback
from dspy_dlpo.host.lm_errors import behind, is_permanent, one_line
from dspy_dlpo.host.loops import one_loop
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.program import EvaluationCopies, call, predictor_name, repeating
from dspy_dlpo.host.secrets import Redactor
from dspy_dlpo.host.threads import AbandonedError, in_threads
from dspy_dlpo.host.tracing import Trace
from dspy_dlpo.host.values import as_text

logger = logging.getLogger(__name__)

# So many runs in a row lost in transport, and the model is given up.
LOST_IN_A_ROW = 24

# So many runs that the metric could not score before it ever did, and it does not work.
NEVER_SCORED = 8


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
        call_timeout: Seconds without a sign of life after which a run is abandoned; None to wait for ever.
        redact: Keeps keys out of errors.
        log: Has the runs of earlier processes, and is told of each new one as it ends, and once more if its score is
            settled later.
        which: What the examples are called there.
        may_start: Whether one more run may go out beside so many in flight.
        feedback: Keeps runs that the metric may be asked about later; None if it never is.
    """

    def __init__(
        self,
        copies: EvaluationCopies,
        examples: Sequence[dspy.Example],
        metric: MetricAdapter,
        meter: Meter,
        *,
        low: float | None = 0.0,
        task_model: dspy.LM | None = None,
        num_threads: int = 8,
        call_timeout: float | None = None,
        redact: Redactor | None = None,
        log: RunLog | None = None,
        which: str = "train",
        may_start: Callable[[int], bool] = lambda in_flight: True,
        feedback: PredictorFeedback | None = None,
    ) -> None:
        self._feedback = feedback
        self._copies, self._examples, self._metric, self._meter = copies, examples, metric, meter
        self._low, self._num_threads, self._call_timeout = low, num_threads, call_timeout
        self._redact, self._may_start = redact or Redactor(), may_start
        self._log, self._which = RunLog() if log is None else log, which
        self._task_model, self._repeating = task_model, dict[int, Any]()
        self._given: dict[int, tuple[Mapping[str, Any], Row]] = {}
        self._lost = 0
        self._advice = ""  # on a metric that has failed and never worked

    def __call__(self, requests: Sequence[RunRequest]) -> list[Row | None]:
        """Make the runs of one wave; those that are recorded are taken from the record.

        Returns:
            One row per request, in the order given; None for a run that was not made because none may start.

        Raises:
            ModelError: If a model cannot be used at all.
            MetricError: If the metric fails before it has ever succeeded.
        """
        rows: list[Row | None] = [None] * len(requests)
        spent: dict[int, Tallies] = {}
        new = []
        for i, request in enumerate(requests):
            done = self._log.take(run_key(self._which, request))
            if isinstance(done, RunDone):
                rows[i], spent[i] = done.row, done.spent
            else:
                new.append(i)
        self._make(requests, new, rows, spent)
        self._settle(requests, rows, spent)
        return rows

    def _make(
        self, requests: Sequence[RunRequest], new: Sequence[int], rows: list[Row | None], spent: dict[int, Tallies]
    ) -> None:
        """Make the new runs, and tell of each as it ends."""
        if not new:
            return
        jobs = [(self._copies.get(requests[i].prompts, requests[i].rollout), requests[i]) for i in new]
        done = []

        def on_done(index: int, result: tuple[Row, Tallies] | AbandonedError) -> None:
            i = new[index]
            if isinstance(result, AbandonedError):
                result = self._abandoned(requests[i], result)
            rows[i], spent[i] = result
            done.append(i)
            self._log.add(RunDone.of(self._which, requests[i], *result))
            self._watch(result[0])
            self._watch_metric([rows[i] for i in done])

        patience, may_start = self._call_timeout, self._may_start
        in_threads(self._run, jobs, self._num_threads, timeout=patience, may_start=may_start, on_done=on_done)

    def _watch(self, row: Row) -> None:
        """Give a model up that does not answer any more.

        Raises:
            ModelError: After too many lost runs in a row.
        """
        self._lost = self._lost + 1 if row.failure == Failure.TRANSPORT else 0
        if self._lost >= LOST_IN_A_ROW:
            raise ModelError(f"No call of the task model was answered: {row.error} ({self._lost} runs in a row)")

    def _watch_metric(self, made: Sequence[Row | None]) -> None:
        """End what a metric that does not work is asked in vain.

        Raises:
            MetricError: If it has scored none of many runs.
        """
        unscored = [row for row in made if row is not None and row.is_unscored]
        if self._metric.lowest is None and len(unscored) >= NEVER_SCORED and len(unscored) == len(made):
            raise self._never_worked(unscored[0])

    def _never_worked(self, row: Row) -> MetricError:
        said = f"{_raised(row.error).rstrip('.')}." if row.failure == Failure.METRIC else row.error
        shown = ", ".join(f"{name}={one_line(text)[:60]!r}" for name, text in row.inputs.items())
        return MetricError(" ".join(filter(None, [said, self._advice, f"The example was: {shown[:200]}."])))

    def _run(self, job: tuple[dspy.Module, RunRequest]) -> tuple[Row, Tallies]:
        with one_loop():
            return self._scored(*job)

    def _scored(self, program: dspy.Module, request: RunRequest) -> tuple[Row, Tallies]:
        example, (inputs, blank) = self._examples[request.example], self._given_to(request)
        with self._meter.run("task", trace=Trace(), lm=self._general_model(request.rollout)) as task:
            try:
                prediction = call(program, inputs)
            except Exception as error:  # noqa: BLE001 - one example may fail; the error is kept in its row
                row = replace(blank, trace=self._trace(program))
                return self._failed(row, Failure.PROGRAM, behind(error, task.error, task.handled)), {"task": task.tally}
            task.note_usage(prediction)
            trace = list(dspy.settings.trace or ())
            found: dict[str, Any] = {"outputs": as_text(prediction, self._redact), "trace": self._trace(program)}
        if prediction is None and task.error is not None:  # `dspy.BestOfN` keeps the errors of its attempts to itself
            row = self._failed(replace(blank, **found), Failure.PROGRAM, behind(task.error, None))
            return row, {"task": task.tally}
        # Not None: modules such as `dspy.BestOfN` extend the trace, in a metric too.
        with self._meter.role("metric", trace=[]) as judge:
            spent = {"task": task.tally, "metric": judge.tally}
            self._meter.note(judge, scoring_calls=int(not self._metric.scores_sets))
            try:
                verdict = self._metric(example, prediction)
            except MetricError as error:
                failure = Failure.RANGE if isinstance(error, RangeError) else Failure.NO_SCORE
                return replace(blank, **found, failure=failure, error=self._redact.error(error)), spent
            except Exception as error:  # noqa: BLE001 - the metric is the user's; one example may fail
                cause = behind(error, judge.error, judge.handled)
                row = self._failed(replace(blank, **found), Failure.METRIC, cause)
                if row.is_unscored and self._metric.lowest is None and not self._advice:
                    self._advice = self._metric.advice(example, prediction)
                return row, spent
            found |= {"score": verdict.score, "feedback": self._redact.error(verdict.feedback)}
            found |= {"values": verdict.values} if verdict.values else {}
            row = replace(blank, **found)
            if self._feedback is not None:
                row = self._feedback.keep(request, row, program, prediction, trace, judge)
        return row, spent

    def _general_model(self, rollout: int) -> Any:
        """The model of predictors without one of their own, such as those that a program builds as it runs."""
        if rollout not in self._repeating:
            self._repeating[rollout] = repeating(self._task_model or dspy.settings.lm, rollout)
        return self._repeating[rollout]

    def _given_to(self, request: RunRequest) -> tuple[Mapping[str, Any], Row]:
        """The inputs of the example of a request, and the row of a run of which no more is known; made once."""
        x = request.example
        if x not in self._given:
            inputs, labels = self._examples[x].inputs(), self._examples[x].labels()
            row = Row(x, None, as_text(inputs, self._redact), as_text(labels, self._redact))
            self._given[x] = dict(inputs), row
        return self._given[x]

    def _abandoned(self, request: RunRequest, error: AbandonedError) -> tuple[Row, Tallies]:
        """The row of a run that hung, which says nothing of the prompts, and what it had used by then."""
        row = replace(self._given_to(request)[1], failure=Failure.TRANSPORT, error=f"abandoned: {error}")
        return row, {role: replace(tally) for role, tally in error.heartbeat.spent}

    def _trace(self, program: dspy.Module) -> tuple[TraceStep, ...]:
        return tuple(
            TraceStep(predictor_name(program, predictor), as_text(inputs, self._redact), as_text(outputs, self._redact))
            for predictor, inputs, outputs in dspy.settings.trace or ()
        )

    def _failed(self, row: Row, where: Failure, error: Exception) -> Row:
        """The row of a run that failed: in transport, or by the prompt's or the metric's doing.

        Raises:
            ModelError: If the model will never answer.
        """
        said = self._redact.error(error)
        if is_permanent(error):
            asked = "task model" if where == Failure.PROGRAM else "model that the metric asks"
            raise ModelError(f"The {asked} cannot be used: {one_line(said)}") from self._redact.cause(error)
        transport = is_retryable_lm_error(error)
        low = None if transport or where == Failure.METRIC else self._low
        failure = Failure.TRANSPORT if transport else where
        mistake = place_of(error) if failure == Failure.PROGRAM else ""
        return replace(row, score=low, failure=failure, error=f"{type(error).__name__}: {said}", mistake=mistake)

    def _settle(self, requests: Sequence[RunRequest], rows: list[Row | None], spent: Mapping[int, Tallies]) -> None:
        """Score the runs that broke where that can only be told now, and end a metric that has never worked.

        What it cannot score later, whether it raises, returns no number or leaves its range, is a missing score.
        """
        metric = self._metric
        made = [row for row in rows if row is not None]
        scores = [row.score for row in made if row.score is not None and not row.failure]
        if scores:
            metric.lowest = min(scores) if metric.lowest is None else min(metric.lowest, *scores)
        unscored = [row for row in made if row.is_unscored]
        if unscored and metric.lowest is None:
            raise self._never_worked(unscored[0])
        for missed in unscored:
            metric.unscored.note(missed)
        low = (metric.lowest or 0.0) if self._low is None else self._low
        for i, row in enumerate(rows):
            if row is None or row.score is not None or row.failure != Failure.PROGRAM:
                continue
            rows[i] = settled = replace(row, score=low)
            self._log.add(RunDone.of(self._which, requests[i], settled, spent[i]))


def _raised(error: str) -> str:
    """What is said of a metric that raised the first time it was called."""
    return f"The metric raised {error.replace(':', ' on its first example:', 1)}"
