"""One call of `compile`: the roles are wired to a program, its models and its data; nothing outlives the call."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager

import dspy

from dspy_dlpo.core.budget import Account
from dspy_dlpo.core.controller import controlled
from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.core.events import Started, StepsEnded
from dspy_dlpo.core.history import History, StepContext, prompts_key
from dspy_dlpo.core.languages import written_in
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.opening import open_log
from dspy_dlpo.core.review import ReviewTime
from dspy_dlpo.core.storage import RunDirectory
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.pacing import Pacing
from dspy_dlpo.host.prices import Prices
from dspy_dlpo.run.choice import Chosen, Selection
from dspy_dlpo.run.delivery import Delivery
from dspy_dlpo.run.expenses import Expenses
from dspy_dlpo.run.fingerprint import fingerprint
from dspy_dlpo.run.interrupt import StopSignals
from dspy_dlpo.run.log import log_shown
from dspy_dlpo.run.preflight import Preflight
from dspy_dlpo.run.reviewing import Reviewer, reviewed_choice
from dspy_dlpo.run.roles import Roles
from dspy_dlpo.run.selection import planned_selection
from dspy_dlpo.run.settings import Data, Settings
from dspy_dlpo.run.setup import set_up

logger = logging.getLogger(__name__)


class Compilation:
    """A student on its way to a better program.

    Args:
        settings: The optimizer's arguments.
        student: The program; not changed.
        data: Its examples.
        preflight: Program and models, checked.

    Raises:
        ValueError: If there is a file already that asks the run to end.
        ControllerError: If the controller chooses what the settings refuse.
        RunDirectoryError: If the run directory cannot be used.
    """

    def __init__(self, settings: Settings, student: dspy.Module, data: Data, preflight: Preflight) -> None:
        self._setup = setup = set_up(settings, student, data, preflight)
        controlled(setup.plan, StepContext(0, 0.0, History(), setup.plan.seed, setup.plan.examples))
        self._signals = StopSignals(settings.stop_file)
        self._directory = None if settings.log_dir is None else RunDirectory(settings.log_dir)
        try:
            self._wire()
        except BaseException:
            self._close()
            raise

    def _wire(self) -> None:
        setup, settings = self._setup, self._setup.settings
        self._log = log = self._opened_log()
        pacing = Pacing(settings.rates) if settings.rates else None
        self._meter = Meter(Prices(settings.budget.prices), lambda: log.state.before, pacing)
        expenses = Expenses(log, self._meter)
        finalists, examples = planned_selection(settings, setup.data)
        account = Account(
            settings.budget,
            settings.compared(finalists) * examples,
            kept=settings.judging.width or settings.judging.wave,
            used=expenses.used,
            log=log,
            stop=lambda: self._signals.ending,
        )
        account.reserve(max(0, account.reserved - log.state.count_runs("val", prompts_key(setup.start))))
        roles = Roles(setup, log, account, self._meter, expenses)
        review = settings.review
        self._reviewer = None if review is None else Reviewer(review, log, settings.on_record)
        self._run = roles.run(self._reviewer if review and review.when is ReviewTime.STEPS else None)
        self._selection = Selection(setup, self._run, log, lambda: roles.runs("val", setup.data.val))
        self._delivery = Delivery(setup, self._run, self._selection, expenses, roles.caches, self._directory)

    def _opened_log(self) -> RunLog:
        setup, settings = self._setup, self._setup.settings
        if self._directory is None:
            log = RunLog()
            log.add(Started(settings.budget.given))
            return log
        known = fingerprint(settings, setup.student, setup.data, setup.preflight.prompt_model, setup.languages)
        return open_log(self._directory, known, settings.budget)

    def run(self) -> dspy.Module:
        """Run, select, and return the program with its result.

        Raises:
            Interrupted: If Ctrl-C is pressed a second time.
        """
        result, on_record = None, self._setup.settings.on_record
        try:
            with self._shown(), written_in(self._setup.languages), self._signals.watching():
                preflight = self._setup.preflight
                for sentence in (*preflight.without_room(), *preflight.unknown_rates()):
                    logger.warning("%s", sentence)
                with self._meter.listening.attached(self._setup.preflight.task_models):
                    chosen = self._ran()
                program = self._delivery.program(chosen)
                result = program.detailed_results
                logger.info("%s; %s", result.ended, result.verdict)
                self._delivery.tell_failure(result)
            return program
        except KeyboardInterrupt:
            raise self._delivery.interrupted() from None
        except DLPOError as error:
            result = error.result = result or self._delivery.failed(error)
            raise
        finally:
            self._close()
            on_end = getattr(on_record, "on_end", None)
            if on_end is not None:
                on_end(result)

    def _shown(self) -> AbstractContextManager[None]:
        """Shows the log, unless the user's own progress bar is there."""
        settings = self._setup.settings
        return log_shown(settings.verbose and not getattr(settings.on_record, "shows_progress", False))

    def _ran(self) -> Chosen:
        run = self._run
        is_new = run.ended is None  # else an earlier process wrote it down
        run.go()
        assert run.ended is not None
        run.runs.account.heed(lambda: None)  # what remains is to choose
        if is_new:
            self._log.add(StepsEnded(run.ended))
        chosen, review = self._selection.choose(), self._setup.settings.review
        if self._reviewer is None or review is None or review.when is ReviewTime.STEPS:
            return chosen
        return reviewed_choice(chosen, self._setup, run, self._selection, self._reviewer)

    def _close(self) -> None:
        if self._directory:
            self._directory.close()
