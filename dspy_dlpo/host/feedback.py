"""What a GEPA-style metric says of single predictors: asked for the runs that a critic is shown, and for no others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dspy

from dspy_dlpo.core.events import FeedbackDone, feedback_key
from dspy_dlpo.core.history import Prompts, prompts_key
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.roles import Row, RunRequest
from dspy_dlpo.core.tally import Tally
from dspy_dlpo.host.lm_errors import one_line
from dspy_dlpo.host.loops import one_loop
from dspy_dlpo.host.meter import Meter, Scope
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.program import EvaluationCopies, predictor_name, repeating
from dspy_dlpo.host.replay import Step, is_step, run_of, values_of
from dspy_dlpo.host.secrets import Redactor
from dspy_dlpo.host.threads import AbandonedError, in_threads

logger = logging.getLogger(__name__)

Texts = Mapping[str, str]
# Critics are shown training examples alone.
TRAIN = "train"


@dataclass(frozen=True)
class _Finished:
    """A run as objects."""

    program: dspy.Module
    prediction: Any
    steps: Sequence[Step]


class PredictorFeedback:
    """Asks the metric about single predictors: the `Feedback` role.

    A run is kept as objects while its prompts are judged or in force. One that was made by another process, or whose
    prompts come back later, is put together again from its row. What a row cannot hold, such as an object of a user's
    own class, is asked about as the run ends where a later process may go on.

    Args:
        metric: The metric.
        examples: The examples that requests index.
        copies: Gives the program with given prompts.
        meter: Counts what is spent.
        predictors: Those that critics review; of others nothing is asked.
        limit: The most calls of the metric for this; None for no limit.
        task_model: The model in force for a metric that names none, as where it scores.
        num_threads: Runs asked about in parallel, at least 1.
        call_timeout: As for the evaluator.
        redact: Keeps keys out of what is said.
        log: Has what was said to earlier processes, and is told what is said of a run before it is shown to anybody.
        may_start: Whether one more run may be asked about beside so many in flight.
    """

    def __init__(
        self,
        metric: MetricAdapter,
        examples: Sequence[dspy.Example],
        copies: EvaluationCopies,
        meter: Meter,
        predictors: Sequence[str],
        *,
        limit: int | None = None,
        task_model: dspy.LM | None = None,
        num_threads: int = 8,
        call_timeout: float | None = None,
        redact: Redactor | None = None,
        log: RunLog | None = None,
        may_start: Callable[[int], bool] = lambda in_flight: True,
    ) -> None:
        self._metric, self._examples, self._copies, self._meter = metric, examples, copies, meter
        self._predictors, self._limit, self._task_model = frozenset(predictors), limit, task_model
        self._num_threads, self._call_timeout = num_threads, call_timeout
        self._redact, self._log, self._may_start = redact or Redactor(), RunLog() if log is None else log, may_start
        self._finished: dict[tuple[str, int, int], _Finished] = {}
        self._said: dict[tuple[str, int, int], Texts] = {}
        self._warned: set[str] = set()

    def keep(
        self, request: RunRequest, row: Row, program: dspy.Module, prediction: Any, trace: Sequence[Step], scope: Scope
    ) -> Row:
        """Keep a run that has just been scored for as long as it may be shown to a critic; called on its own thread.

        Args:
            request: Its request.
            row: The run as text.
            program: The program that ran.
            prediction: What it answered.
            trace: All that was traced.
            scope: What calls of the metric are charged to.

        Returns:
            The row, with what another process needs.
        """
        if not self._is_due(row):
            return row
        run = _Finished(program, prediction, [step for step in trace if is_step(step)])
        values = values_of(row, prediction, trace)
        if values is None and self._limit is None and self._log.is_written:
            return replace(row, feedbacks=self._ask(request, run, scope))
        self._finished[_key(request)] = run
        return replace(row, values=values or {})

    def __call__(self, requests: Sequence[RunRequest], rows: Sequence[Row]) -> list[Row]:
        """Ask about the runs that a critic is shown, each once.

        Args:
            requests: Those of the runs; all of the prompts in force.
            rows: The runs.

        Returns:
            The rows, with what the metric says of each predictor.
        """
        due = [i for i, row in enumerate(rows) if self._is_due(row)]
        for i in due:
            done = None if _key(requests[i]) in self._said else self._log.take(feedback_key(TRAIN, requests[i]))
            if isinstance(done, FeedbackDone):
                self._said[_key(requests[i])] = done.feedbacks
        self._ask_all([(requests[i], rows[i]) for i in due if _key(requests[i]) not in self._said])
        return [
            replace(row, feedbacks=self._said.get(_key(request), {})) if i in due else row
            for i, (request, row) in enumerate(zip(requests, rows, strict=True))
        ]

    def forget_others(self, prompts: Prompts) -> None:
        """Keep the runs of the prompts in force alone; no other run is in progress."""
        current = prompts_key(prompts)
        for key in [key for key in self._finished if key[0] != current]:
            del self._finished[key]

    def _is_due(self, row: Row) -> bool:
        if row.score is None or row.failure or row.feedbacks:
            return False
        return self._metric.speaks_of_predictors(row.score)

    def _ask_all(self, runs: Sequence[tuple[RunRequest, Row]]) -> None:
        jobs = self._within_limit([(request, run) for request, row in runs if (run := self._found(request, row))])

        def on_done(index: int, result: tuple[Texts, Tally] | AbandonedError) -> None:
            if isinstance(result, AbandonedError):
                spent = Tally()
                for _, tally in result.heartbeat.spent:
                    spent.add(tally)
                result = {}, spent
            request = jobs[index][0]
            self._log.add(FeedbackDone.of(TRAIN, request, result[0], {"metric": result[1]}))
            self._said[_key(request)] = result[0]

        in_threads(
            self._asked,
            jobs,
            self._num_threads,
            timeout=self._call_timeout,
            may_start=self._may_start,
            on_done=on_done,
        )

    def _within_limit(self, jobs: list[tuple[RunRequest, _Finished]]) -> list[tuple[RunRequest, _Finished]]:
        """The first jobs that the limit allows, in order: whatever the number of threads, it is the same ones."""
        if self._limit is None:
            return jobs
        left = self._limit - self._meter.tallies().get("metric", Tally()).feedback_calls
        allowed = []
        for job in jobs:
            left -= len(self._own_steps(job[1]))
            if left < 0:
                self._warn(
                    "limit",
                    f"Budget(feedback_calls={self._limit}) is used up: critics see no more of what the metric says of "
                    "single predictors",
                )
                break
            allowed.append(job)
        return allowed

    def _found(self, request: RunRequest, row: Row) -> _Finished | None:
        """A run as objects, kept or put together again."""
        kept = self._finished.get(_key(request))
        if kept is not None:
            return kept
        program = self._copies.get(request.prompts, request.rollout)
        made = run_of(row, program)
        if made is None:
            self._warn("lost", "a run cannot be shown to the metric again, which says nothing of its predictors")
            return None
        return _Finished(program, *made)

    def _asked(self, job: tuple[RunRequest, _Finished]) -> tuple[Texts, Tally]:
        request, run = job
        model = repeating(self._task_model or dspy.settings.lm, request.rollout)
        with one_loop(), self._meter.role("metric", trace=[], lm=model) as scope:
            return self._ask(request, run, scope), scope.tally

    def _ask(self, request: RunRequest, run: _Finished, scope: Scope) -> dict[str, str]:
        """What the metric says of each predictor that took part; nothing where it fails."""
        said = {}
        example = self._examples[request.example]
        for name, own in self._own_steps(run).items():
            self._meter.note(scope, feedback_calls=1)
            try:
                text = self._metric.feedback_on(example, run.prediction, run.steps, name, own)
            except Exception as error:  # noqa: BLE001 - the run has its score; only advice is missing
                said_of = one_line(self._redact.error(error))
                kind = type(error).__name__
                self._warn(kind, f"the metric failed where it was to speak of predictor {name}: {kind}: {said_of}")
                continue
            said[name] = self._redact.error(text)
        return {name: text for name, text in said.items() if text}

    def _own_steps(self, run: _Finished) -> dict[str, list[Step]]:
        """The steps of each predictor that critics review."""
        own: dict[str, list[Step]] = {}
        for step in run.steps:
            name = predictor_name(run.program, step[0])
            if name in self._predictors:
                own.setdefault(name, []).append(step)
        return own

    def _warn(self, cause: str, said: str) -> None:
        if cause not in self._warned:
            self._warned.add(cause)
            logger.warning("%s", said)


def _key(request: RunRequest) -> tuple[str, int, int]:
    return prompts_key(request.prompts), request.example, request.rollout
