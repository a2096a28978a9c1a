"""A study as a queue of slots: any number of processes take them, and each is done exactly once.

A slot is one setting to try. It is done when a trial of it has ended well (complete or pruned). A trial whose worker
died fails, and another trial of the same slot takes its place, with the same parameters. Where two processes make a
trial of one slot at the same time, the one with the lower number has it.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from dspy_dlpo.tuning.heart import WORKER, Listener
from dspy_dlpo.tuning.place import worker_name

logger = logging.getLogger(__name__)

SLOT = "slot"
DUPLICATE, SURPLUS, RELEASED, ERROR = "dlpo:duplicate_of", "dlpo:surplus", "dlpo:released", "dlpo:error"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Pulse:
    """How a queue tells the living from the dead.

    Args:
        every: Seconds between heartbeats.
        grace: Seconds without a beat after which a worker counts as dead.
        poll: Seconds between looks at a queue in which nothing waits.
        retries: How often a slot is tried again after a failure.
    """

    every: float = 30.0
    grace: float = 120.0
    poll: float = 2.0
    retries: int = 3


class Queue:
    """The slots of a study.

    Args:
        study: The study.
        storage: Its storage.
        pulse: How the living are told from the dead.
    """

    def __init__(self, study: optuna.Study, storage: BaseStorage, pulse: Pulse) -> None:
        self._study, self._storage, self._pulse = study, storage, pulse
        self._listener = Listener(pulse.grace)
        self._missing: dict[int, float] = {}

    def add(self, slots: Sequence[int], params: Mapping[int, Mapping[str, Any]]) -> None:
        """Queue slots; those that `params` names with these parameters, the others with what the sampler will say."""
        for slot in slots:
            self._study.enqueue_trial(dict(params.get(slot, {})), user_attrs={SLOT: slot})

    def trials(self) -> list[FrozenTrial]:
        """All trials that belong to a slot, as they stand."""
        trials = self._study.get_trials(deepcopy=False)
        return [each for each in trials if SLOT in each.user_attrs and DUPLICATE not in each.system_attrs]

    def take(self, slots: int, before: Callable[[], None] = lambda: None) -> optuna.Trial | None:
        """Take a slot; waits while others hold the last ones, as they may die.

        Args:
            slots: How many there are in all.
            before: Called before each look.

        Returns:
            Its trial, now running; None when all slots are done, or have failed too often.
        """
        while True:
            before()
            trials = self.trials()
            self._take_back(trials)
            waiting = [each for each in trials if each.state == TrialState.WAITING]
            if waiting and (trial := self._ask()):
                return trial
            if waiting:
                continue
            running = any(each.state == TrialState.RUNNING for each in trials)
            lost = self._lost(trials, slots)  # of the same look: one that was queued again since is not done
            if not running and not lost:
                return None
            self._queue_again(lost, trials)
            time.sleep(self._pulse.poll)

    def lost(self, slots: int) -> list[int]:
        """Slots without a trial that waits, runs or has ended well, and that have not failed too often."""
        return self._lost(self.trials(), slots)

    def _lost(self, trials: Sequence[FrozenTrial], slots: int) -> list[int]:
        return [slot for slot, count in self._failures(trials, slots).items() if count <= self._pulse.retries]

    def poisoned(self, slots: int) -> dict[int, str]:
        """Slots that have failed too often, and their last errors."""
        trials = self.trials()
        failures = self._failures(trials, slots)
        errors = {each.user_attrs[SLOT]: str(each.system_attrs.get(ERROR, "its worker died")) for each in trials}
        return {slot: errors[slot] for slot, count in failures.items() if count > self._pulse.retries}

    def _failures(self, trials: Sequence[FrozenTrial], slots: int) -> dict[int, int]:
        """How often each slot has failed that has no trial which waits, runs or has ended well."""
        live = {each.user_attrs[SLOT] for each in trials if _is_live(each)}
        failures = {slot: 0 for slot in range(slots) if slot not in live}
        for trial in trials:
            if trial.user_attrs[SLOT] in failures and RELEASED not in trial.system_attrs:
                failures[trial.user_attrs[SLOT]] += 1
        return failures

    def _ask(self) -> optuna.Trial | None:
        """The first trial that waits; None if another worker was faster."""
        trial = self._study.ask()
        self._storage.set_trial_system_attr(trial._trial_id, WORKER, worker_name())
        slot = trial.user_attrs.get(SLOT)
        if slot is None:  # none was waiting any more: Optuna has made this one up
            self._give_up(trial, SURPLUS, True)
            return None
        others = [each.number for each in self.trials() if each.user_attrs[SLOT] == slot and _is_live(each)]
        if min([*others, trial.number]) < trial.number:
            self._give_up(trial, DUPLICATE, min(others))
            return None
        return trial

    def _give_up(self, trial: optuna.Trial, why: str, value: Any) -> None:
        self._storage.set_trial_system_attr(trial._trial_id, why, value)
        self._study.tell(trial, state=TrialState.FAIL)

    def _take_back(self, trials: Sequence[FrozenTrial]) -> None:
        """Fail the trials whose workers are gone, and queue them again."""
        for trial in trials:
            if trial.state == TrialState.RUNNING and self._listener.is_stale(trial):
                try:
                    taken = self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
                except UpdateFinishedTrialError:
                    continue
                if taken and trial.user_attrs[SLOT] in self.lost(trial.user_attrs[SLOT] + 1):
                    logger.warning("the worker of trial %d is gone; it is queued again", trial.number)
                    self._retry(self._storage.get_trial(trial._trial_id))

    def release(self, trial: optuna.Trial) -> None:
        """Give a trial back that was interrupted on purpose; it does not count as a failure."""
        self._storage.set_trial_system_attr(trial._trial_id, RELEASED, True)
        self._study.tell(trial, state=TrialState.FAIL)
        self._retry(self._storage.get_trial(trial._trial_id))

    def _retry(self, trial: FrozenTrial) -> None:
        """Queue a trial again with what it had; Optuna's own names say of which trial it is a retry."""
        kept = {name: value for name, value in trial.system_attrs.items() if not name.startswith("dlpo:")}
        history = [*kept.get("retry_history", ()), trial.number]
        self._study.add_trial(
            optuna.create_trial(
                state=TrialState.WAITING,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs={SLOT: trial.user_attrs[SLOT]},
                system_attrs={**kept, "failed_trial": history[0], "retry_history": history},
            )
        )

    def _queue_again(self, lost: Sequence[int], trials: Sequence[FrozenTrial]) -> None:
        """Queue slots whose trials failed with an error, or whose rescuer died too, if that stays so for a while."""
        now = time.monotonic()
        for slot in list(self._missing):
            if slot not in lost:
                del self._missing[slot]
        for slot in lost:
            if now - self._missing.setdefault(slot, now) < self._pulse.poll:
                continue
            failed = [each for each in trials if each.user_attrs[SLOT] == slot]
            if failed:
                self._retry(failed[-1])
            else:
                self.add([slot], {})


def _is_live(trial: FrozenTrial) -> bool:
    return trial.state != TrialState.FAIL


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's warnings that something is experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
