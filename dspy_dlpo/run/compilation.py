"""One call of `compile`: the roles are wired to a program, its models and its data; nothing outlives the call."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager

import dspy

from dspy_dlpo.core.budget import Account
from dspy_dlpo.core.controller import controlled
from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.errors import DLPOError, ModelError, RunDirectoryError
from dspy_dlpo.core.events import Started, StepsEnded
from dspy_dlpo.core.history import History, StepContext, prompts_key
from dspy_dlpo.core.languages import written_in
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.loop import FAILURES
from dspy_dlpo.core.opening import open_log
from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.core.storage import RESULT, RunDirectory
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.prices import Prices
from dspy_dlpo.run.choice import Chosen, Selection
from dspy_dlpo.run.expenses import Expenses
from dspy_dlpo.run.fingerprint import fingerprint
from dspy_dlpo.run.interrupt import Interrupted, StopSignals
from dspy_dlpo.run.log import log_shown
from dspy_dlpo.run.outcome import result_of
from dspy_dlpo.run.preflight import Preflight
from dspy_dlpo.run.reserve import planned_selection
from dspy_dlpo.run.roles import Roles
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
        self._meter = Meter(Prices(settings.budget.prices), lambda: log.state.before)
        self._expenses = Expenses(log, self._meter)
        finalists, examples = planned_selection(settings, setup.data)
        account = Account(
            settings.budget,
            (finalists + 1) * examples,
            kept=settings.judging.width or settings.judging.wave,
            used=self._expenses.used,
            log=log,
            stop=lambda: self._signals.ending,
        )
        account.reserve(max(0, account.reserved - log.state.count_runs("val", prompts_key(setup.start))))
        self._roles = Roles(setup, log, account, self._meter, self._expenses)
        self._run = self._roles.run()
        self._selection = Selection(setup, self._run, log, lambda: self._roles.runs("val", setup.data.val))

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
                for sentence in self._setup.preflight.without_room():
                    logger.warning("%s", sentence)
                with self._meter.listening.attached(self._setup.preflight.task_models):
                    choice = self._ran()
                program = self._returned(choice)
                result = program.detailed_results
                logger.info("%s; %s", result.ended, result.verdict)
                self._tell_failure(result)
            return program
        except KeyboardInterrupt:
            raise self._interrupted() from None
        except DLPOError as error:
            result = error.result = result or self._failed_result(error)
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
        run.go()
        assert run.ended is not None
        run.runs.account.heed(lambda: None)  # what remains is to choose
        if run.ended != self._log.state.ended:
            self._log.add(StepsEnded(run.ended))
        return self._selection.choose()

    def _returned(self, choice: Chosen) -> dspy.Module:
        spent, where = self._expenses.bill(), self._selection.where()
        result = result_of(self._setup, self._run, choice, where, spent, self._roles.caches)
        unscored = result.spent.get("unscored")
        if unscored and not result.ended_by.is_failure:  # the error tells it
            logger.warning("the metric gave no score in %d of %d runs", unscored, result.spent["metric_calls"])
        program = self._setup.program(choice.prompts)
        program.detailed_results = result
        if self._directory:
            try:
                self._directory.write_json(RESULT, result.to_dict())
            except RunDirectoryError as error:  # all that led to it is on the disk: the program is worth more
                logger.warning("%s", error)
        return program

    def _interrupted(self) -> KeyboardInterrupt:
        """What is raised when Ctrl-C is pressed a second time: the best so far, without another call."""
        if not self._run.history:
            return KeyboardInterrupt()
        interrupted = Ending(EndedBy.INTERRUPTED)
        self._run.ended = self._run.ended or interrupted
        program = self._returned(Chosen(self._selection.best_judged(), uncompared=str(interrupted)))
        return Interrupted(program, program.detailed_results)

    def _tell_failure(self, result: DLPOResult) -> None:
        """Raise what ended the run if it found nothing better; warn of it if it did.

        Raises:
            DLPOError: What failed.
        """
        ended = self._run.ended
        if ended is None or not ended.by.is_failure:
            return
        if result.best_prompts == result.start_prompts:
            raise self._run.error or ModelError(f"{ended}.")
        logger.warning("the run ended early, and the best so far is returned: %s", ended)

    def _failed_result(self, error: DLPOError) -> DLPOResult | None:
        """What is known of a run that failed before its first record, or as it was to be recorded."""
        by = FAILURES.get(type(error))
        if by is None:
            return None
        self._run.ended = self._run.ended or Ending(by, str(error))
        return self._returned(Chosen(self._setup.start)).detailed_results  # type: ignore[no-any-return]

    def _close(self) -> None:
        if self._directory:
            self._directory.close()
