"""One call of `compile`, from its first record to the program that it returns; nothing outlives the call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import dspy

from dspy_dlpo.core.cancelling import check_cancelled
from dspy_dlpo.core.controller import controlled
from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.core.events import StepsEnded
from dspy_dlpo.core.history import History, Record, StepContext
from dspy_dlpo.core.languages import written_in
from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.core.storage import RunDirectory
from dspy_dlpo.host.loops import Loops
from dspy_dlpo.run.choice import Chosen
from dspy_dlpo.run.interrupt import StopSignals
from dspy_dlpo.run.log import log_shown
from dspy_dlpo.run.preflight import Preflight
from dspy_dlpo.run.reviewing import reviewed_choice
from dspy_dlpo.run.settings import Data, RunSettings
from dspy_dlpo.run.setup import set_up
from dspy_dlpo.run.wiring import wire

logger = logging.getLogger(__name__)
Made = TypeVar("Made")


class Compilation:
    """A student on its way to a better program, which is in `program` in the end, and what is known of it in `result`.

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

    def __init__(self, settings: RunSettings, student: dspy.Module, data: Data, preflight: Preflight) -> None:
        self._setup = setup = set_up(settings, student, data, preflight)
        controlled(setup.plan, StepContext(0, 0.0, History(), setup.plan.seed, setup.plan.examples))
        self.program: dspy.Module | None = None
        self.result: DLPOResult | None = None
        self._signals, self._loops = StopSignals(settings.stop_file), Loops()
        self._directory = None if settings.log_dir is None else RunDirectory(settings.log_dir)
        try:
            self._parts = wire(setup, self._directory, self._signals)
        except BaseException:
            self._close()
            raise

    def run(self) -> dspy.Module:
        """Run, select, and return the program with its result.

        Raises:
            Interrupted: If Ctrl-C is pressed a second time.
        """
        with self._shown(), self._signals.watching():  # here the time between two records is the run's as well
            for _ in self.records():
                pass
        assert self.program is not None
        return self.program

    def records(self) -> Generator[Record, None, None]:
        """Make the records one by one, then select; what is in force for that is in force only while it is done.

        Raises:
            Interrupted: If Ctrl-C is pressed a second time.
        """
        run, is_new = self._parts.run, self._parts.run.ended is None  # if not, an earlier process wrote it down
        preflight = self._setup.preflight
        with self._delivered():
            with self._shown():
                for sentence in (*preflight.without_room(), *preflight.unknown_rates()):
                    logger.warning("%s", sentence)
            records = run.records()
            while (record := self._made(lambda: next(records, None))) is not None:
                yield record
            count = len(run.history)
            chosen = self._made(lambda: self._chosen(is_new))
            yield from run.history[count:]
            with self._in_force():
                self._deliver(chosen)

    def end(self) -> None:
        """Have the next record be the last, if it is made at all: what remains is to choose."""
        self._signals.closed = True

    def _made(self, make: Callable[[], Made]) -> Made:
        """What comes of a part of the run.

        Raises:
            RunCancelled: If nobody waits for it any more.
        """
        check_cancelled()
        with self._in_force(), self._parts.meter.listening.attached(self._setup.preflight.task_models):
            return make()

    @contextmanager
    def _in_force(self) -> Iterator[None]:
        with self._shown(), written_in(self._setup.languages), self._signals.watching(), self._loops.in_force():
            yield

    def _shown(self) -> AbstractContextManager[None]:
        """Shows the log, unless the user's own progress bar is there."""
        settings = self._setup.settings
        return log_shown(settings.verbose and not getattr(settings.on_record, "shows_progress", False))

    def _chosen(self, is_new: bool) -> Chosen:
        run = self._parts.run
        assert run.ended is not None
        run.runs.account.heed(lambda: None)  # what remains is to choose
        if is_new:
            self._parts.log.add(StepsEnded(run.ended))
        chosen = self._parts.selection.choose()
        if self._parts.reviewer is None:
            return chosen
        return reviewed_choice(chosen, self._setup, run, self._parts.selection, self._parts.reviewer)

    def _deliver(self, chosen: Chosen) -> None:
        program = self._parts.delivery.program(chosen)
        self.result = program.detailed_results
        logger.info("%s; %s", self.result.ended, self.result.verdict)
        self._parts.delivery.tell_failure(self.result)
        self.program = program

    @contextmanager
    def _delivered(self) -> Iterator[None]:
        """Tells how it ended, whatever ended it."""
        try:
            yield
        except KeyboardInterrupt:
            raise self._parts.delivery.interrupted() from None
        except DLPOError as error:
            self.result = error.result = self.result or self._parts.delivery.failed(error)
            raise
        finally:
            self._close()
            on_end = getattr(self._setup.settings.on_record, "on_end", None)
            if on_end is not None:
                on_end(self.result)

    def _close(self) -> None:
        self._loops.close()
        if self._directory:
            self._directory.close()
