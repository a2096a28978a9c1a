"""The roles of a run: the program, the critic, the writer and the metric, wired to models, examples and the log."""

from __future__ import annotations

import time
from collections.abc import Sequence

import dspy

from dspy_dlpo.core.budget import Account
from dspy_dlpo.core.events import Recorded
from dspy_dlpo.core.history import History, Record
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.loop import Run
from dspy_dlpo.core.review import Approve
from dspy_dlpo.core.roles import Row
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.host.answer_forms import answer_forms
from dspy_dlpo.host.answers import expected_answers
from dspy_dlpo.host.critic import Critic
from dspy_dlpo.host.cue_edits import CueObserver
from dspy_dlpo.host.evaluate import Evaluator
from dspy_dlpo.host.feedback import PredictorFeedback
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.observing import Observer, label_lists
from dspy_dlpo.host.parameters import PLACES, explained
from dspy_dlpo.host.program import EvaluationCopies, demos_of, describe, fields_of, inputs_of, outputs_of
from dspy_dlpo.host.prompting import PromptModel
from dspy_dlpo.host.secrets import Redactor
from dspy_dlpo.host.solved import SolvedExamples
from dspy_dlpo.host.values import as_text
from dspy_dlpo.host.writer import EditWriter
from dspy_dlpo.run.caches import cache_for
from dspy_dlpo.run.expenses import Expenses
from dspy_dlpo.run.setup import Setup


class Roles:
    """Makes what a run talks to.

    Args:
        setup: What the run is given.
        log: The run's.
        account: What it may spend.
        meter: Counts what it spends.
        expenses: Adds that up.
    """

    def __init__(self, setup: Setup, log: RunLog, account: Account, meter: Meter, expenses: Expenses) -> None:
        settings = setup.settings
        self._setup, self._log, self._account, self._meter, self._expenses = setup, log, account, meter, expenses
        self._redact = Redactor(setup.preflight.models)
        self._copies = EvaluationCopies(setup.student, settings.parameters, meter.listening)
        self._metric = MetricAdapter(settings.metric, settings.score_range)
        rows = [row for which in ("train", "val") for _, _, row in log.state.rows(which, settled=True)]
        self._metric.lowest = min(
            (row.score for row in rows if row.score is not None and not row.failure), default=None
        )
        self.caches: list[RunCache] = []

    def run(self, approve: Approve | None = None) -> Run:
        """The run, at the point that its log tells of.

        Args:
            approve: Asks a person about the edits of each step; None to ask nobody.
        """
        setup, settings, state = self._setup, self._setup.settings, self._log.state
        about = [text] if (text := explained(setup.student, settings.parameters)) else []
        labels = [as_text(example.labels()) for example in setup.data.train]
        expected, outputs = expected_answers(labels), outputs_of(setup.student, setup.predictors)
        solved = SolvedExamples(setup.student, setup.data.train, labels, expected)
        places = [PLACES] if about else []
        modules = {name: "\n".join([fields_of(setup.student, name), *about, *places]) for name in setup.predictors}
        feedback, model = self._feedback(), self._prompt_model()

        def judged() -> Sequence[Row]:
            return run.judged_rows()

        def on_record(record: Record) -> None:
            self._log.add(Recorded(record))
            if settings.on_record:
                settings.on_record(record)
            feedback.forget_others(record.proposal if record.accepted else record.prompts)

        critic = Critic(
            model,
            "\n".join([describe(setup.student), *about]),
            setup.predictors,
            demos_of(setup.student),
            expected=expected,
            solved=solved,
            judged=judged,
            high=setup.plan.high,
            seed=settings.seed,
            aim=settings.aim,
            asks=settings.asks_critic(len(setup.predictors)),
        )
        whole = settings.judging.proposals == "prompts"
        writer = EditWriter(model, modules, setup.start, whole, critic.evidence, settings.aim)
        observe = Observer([*label_lists(expected), *answer_forms(labels)], outputs, judged, setup.plan.high)
        cued = CueObserver(
            setup.data.train,
            labels,
            list(expected),
            inputs_of(setup.student, setup.predictors),
            outputs,
            judged,
            setup.plan.high,
        )
        run = Run(
            plan=setup.plan,
            start=setup.start,
            runs=self.runs("train", setup.data.train, feedback),
            feedback=feedback,
            critique=critic,
            write=writer,
            forms=writer.forms,
            observe=lambda prompts: [*observe(prompts), *cued(prompts)],
            spent=self._expenses.totals,
            clock=time.monotonic,
            on_record=on_record,
            history=History(state.history),
            ended=state.ended,
            since=state.since,
            approve=approve,
            declined=tuple(state.declined),
        )
        return run

    def runs(self, which: str, examples: Sequence[dspy.Example], feedback: PredictorFeedback | None = None) -> RunCache:
        """The runs of the program on a set of examples, with those that the records rest on."""
        settings, judging = self._setup.settings, self._setup.settings.judging
        evaluator = Evaluator(
            self._copies,
            examples,
            self._metric,
            self._meter,
            low=self._setup.low,
            task_model=settings.task_model,
            num_threads=settings.threads,
            call_timeout=settings.call_timeout,
            redact=self._redact,
            log=self._log,
            which=which,
            may_start=self._account.may_start,
            feedback=feedback,
        )
        runs = cache_for(
            settings.metric,
            evaluator,
            self._account,
            examples=examples,
            student=self._setup.student,
            score_range=settings.score_range,
            wave=judging.wave,
            which=which,
            width=self._width(),
            meter=self._meter,
            redact=self._redact,
        )
        self.caches.append(runs)
        return runs

    def _width(self) -> int | None:
        """How many runs go out together: with a run directory no more than are kept for a crash, but one wave."""
        judging = self._setup.settings.judging
        if self._setup.settings.log_dir is None:
            return judging.width
        return max(judging.wave, min(judging.width or judging.wave, self._account.kept))

    def _prompt_model(self) -> PromptModel:
        settings = self._setup.settings
        return PromptModel(
            self._setup.preflight.prompt_model,
            self._meter,
            settings.seed,
            num_threads=settings.threads,
            call_timeout=settings.call_timeout,
            redact=self._redact,
            log=self._log,
            check=self._account.check,
        )

    def _feedback(self) -> PredictorFeedback:
        settings = self._setup.settings
        return PredictorFeedback(
            self._metric,
            self._setup.data.train,
            self._copies,
            self._meter,
            self._setup.predictors,
            limit=settings.budget.feedback_calls,
            task_model=settings.task_model,
            num_threads=settings.threads,
            call_timeout=settings.call_timeout,
            redact=self._redact,
            log=self._log,
            may_start=self._account.may_start,
        )
