"""A worker: Optuna's loop over the slots of a study, until all are done by whomever."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.host.secrets import Redactor
from dspy_dlpo.tuning.gaps import WORKER, SignOfLife, quiet
from dspy_dlpo.tuning.slots import DONE, ERROR, IDLE, RELEASED, Pulse, Slot, slot_of, slots_of, try_again
from dspy_dlpo.tuning.storage import AWAY, Patience, Store

logger = logging.getLogger(__name__)

# After so many settings in a row that failed a worker ends: it is not the settings that are wrong.
MOST_FAILURES = 3


class WorkerError(DLPOError):
    """A worker gave up: its trials fail one after the other."""


class TrialLost(Exception):
    """The trial was given to another worker, as this one was not heard of for too long; or another one was faster."""


class Worker:
    """Tries the slots of a study.

    Args:
        store: Where the study is.
        study: The study.
        attempt: Tries the setting of a slot and returns its score, as an objective of Optuna.
        pulse: How the living are told from the dead.
        most_failures: Settings in a row whose failure ends the work.
        on_trial: Told of every trial that this worker has ended.
        before: Called before each look at the study; what it raises ends the work.
    """

    def __init__(
        self,
        store: Store,
        study: optuna.Study,
        attempt: Callable[[optuna.Trial, Slot], float],
        *,
        pulse: Pulse,
        most_failures: int = MOST_FAILURES,
        on_trial: Callable[[FrozenTrial], None] = lambda trial: None,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._study, self._attempt, self._pulse = store, study, attempt, pulse
        self._most_failures, self._on_trial, self._before = most_failures, on_trial, before
        self._slots = 0
        self._taken: int | None = None  # Optuna's id of the trial in hand
        self._ended: list[FrozenTrial] = []
        self._failed: dict[int, Exception] = {}  # by slot, since the last success
        self._lost: set[int] = set()
        self._interrupted = False

    def work(self, slots: int) -> int:
        """Try settings until so many slots are done, or failed too often; how many trials this worker has ended."""
        self._slots, self._life = slots, SignOfLife(self._store.folder / "workers")
        patience, goes_on, count = Patience(self._pulse.poll), True, 0
        try:
            while goes_on:
                self._before()
                try:
                    goes_on, patience = self._turn(), Patience(self._pulse.poll)
                except Exception as error:  # the database is away, or somebody took the trial
                    if self._interrupted:  # Optuna tells the study first; if that fails, it is all that is raised
                        raise KeyboardInterrupt from error
                    patience.wait(error)
                while self._ended:
                    count += 1
                    self._on_trial(self._ended.pop())
                if len(self._failed) >= self._most_failures:
                    self._give_up()
        except KeyboardInterrupt:
            with suppress(*AWAY):
                self._settle()
            raise
        finally:
            self._life.end()
        return count

    def _turn(self) -> bool:
        """Try a setting, if one is to be had; False if all is over."""
        self._settle()
        with quiet():
            optuna.storages.fail_stale_trials(self._study)
        slots = slots_of(self._study)
        wanted = slots[: self._slots]
        lost = {each.number for each in wanted if each.is_lost(self._pulse.retries)}
        states = {trial.state for slot in slots for trial in slot.trials}
        if TrialState.WAITING in states or len(wanted) < self._slots:
            self._study.optimize(self._objective, n_trials=1, catch=(Exception,))
            self._settle()
        elif lost or TrialState.RUNNING in states:
            # Whoever failed a trial is about to queue it again, or has died in that moment.
            for number in lost & self._lost:
                try_again(self._study, wanted[number].trials[-1])
            self._lost = lost - self._lost
            time.sleep(self._pulse.poll)
        else:
            return False
        return True

    def _objective(self, trial: optuna.Trial) -> float:
        self._taken = trial._trial_id
        self._mark(trial, WORKER, f"{trial.number}/{self._life.name}")
        slot = slot_of(self._study, trial.number)
        if slot.number >= self._slots or slot.live[0].number < trial.number:
            trial.set_user_attr(IDLE, True)
            raise TrialLost
        trial.set_user_attr("slot", slot.number)
        try:
            score = self._attempt(trial, slot)
        except (Exception, KeyboardInterrupt) as error:
            self._interrupted = isinstance(error, KeyboardInterrupt)
            self._broke_off(trial, slot, error)
            raise
        self._failed.clear()
        return score

    def _broke_off(self, trial: optuna.Trial, slot: Slot, error: BaseException) -> None:
        """Record why a trial ends early; what ends the worker, or was away, is not held against the setting."""
        if isinstance(error, optuna.TrialPruned):
            return self._failed.clear()
        if isinstance(error, TrialLost):
            return logger.warning("trial %d was given to another worker: this one was not heard of", trial.number)
        is_own = isinstance(error, Exception) and not isinstance(error, AWAY)
        if isinstance(error, Exception) and is_own:
            text, self._failed[slot.number] = self._told(error), error
            logger.warning("trial %d failed: %s", trial.number, text, exc_info=logger.isEnabledFor(logging.DEBUG))
            with suppress(*AWAY, UpdateFinishedTrialError):
                trial.set_user_attr(ERROR, text)
        if not is_own or len(self._failed) >= self._most_failures:
            self._mark(trial, RELEASED, trial.number)

    def _settle(self) -> None:
        """See what became of the trial in hand; one that broke off is given back."""
        if self._taken is None:
            return
        storage, trial = self._store.storage, self._store.storage.get_trial(self._taken)
        if trial.state == TrialState.RUNNING:
            storage.set_trial_system_attr(self._taken, RELEASED, trial.number)
            storage.set_trial_state_values(self._taken, TrialState.FAIL)
            trial = storage.get_trial(self._taken)
        is_released = trial.system_attrs.get(RELEASED) == trial.number and IDLE not in trial.user_attrs
        if trial.state in DONE:
            self._ended.append(trial)
        elif is_released and not slot_of(self._study, trial.number).live:
            try_again(self._study, trial)
        self._taken = None

    def _mark(self, trial: optuna.Trial, name: str, value: int | str) -> None:
        self._store.storage.set_trial_system_attr(trial._trial_id, name, value)

    def _told(self, error: Exception) -> str:
        text = f"{type(error).__name__}: {error}".encode(errors="backslashreplace").decode()
        return Redactor().error(self._store.address.redact(text))[:300]

    def _give_up(self) -> None:
        last, count = list(self._failed.values())[-1], len(self._failed)
        raise WorkerError(
            f"{count} settings in a row failed; the last with {self._told(last).rstrip('.')}. Mend that, and run the "
            "same again: what is done is kept."
        ) from last
