"""A study as slots: each is one setting to try, with one trial, and a further one each time it is tried again.

Trials are numbered by the database, so a trial's slot is how many first trials have lower numbers: all workers see the
same, and nobody has to hand slots out. Where more trials were made than there are slots, or two of one slot, the later
ones stand idle.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from datetime import timezone

import optuna
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from dspy_dlpo.tuning.gaps import quiet

logger = logging.getLogger(__name__)

# Attributes of trials: another worker has the slot; its own number, where it was given back on purpose; its error.
IDLE, RELEASED, ERROR = "idle", "dlpo:released", "error"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Pulse:
    """How workers that live are told from those that died.

    Args:
        every: Seconds between heartbeats.
        grace: Seconds without a beat after which a worker counts as dead.
        poll: Seconds between looks at a study in which nothing is left to take.
        retries: How often a slot is tried again after a failure.
    """

    every: float = 30.0
    grace: float = 120.0
    poll: float = 2.0
    retries: int = 3


@dataclass(frozen=True)
class Slot:
    """One setting to try: which it is, from 0, and all attempts at it, in order."""

    number: int
    trials: tuple[FrozenTrial, ...]

    @property
    def born(self) -> str:
        """When it was first tried, the same on machines of any time zone; Optuna gives local time."""
        began = self.trials[0].datetime_start
        return "" if began is None else f"{began.astimezone(timezone.utc):%Y%m%d%H%M%S%f}"

    @property
    def live(self) -> list[FrozenTrial]:
        """The trials that wait, run or have ended well."""
        return [each for each in self.trials if each.state != TrialState.FAIL]

    @property
    def failures(self) -> int:
        """How often it failed; what was given back on purpose does not count."""
        failed = [each for each in self.trials if each.state == TrialState.FAIL]
        return sum(each.system_attrs.get(RELEASED) != each.number for each in failed)

    def is_lost(self, retries: int) -> bool:
        """Whether nobody has it, although it has not failed too often."""
        return not self.live and self.failures <= retries

    @property
    def error(self) -> str:
        """The last error."""
        return str(self.trials[-1].user_attrs.get(ERROR, "its worker died"))


def slots_of(study: optuna.Study) -> list[Slot]:
    """The slots of a study, as they stand."""
    attempts: dict[int, list[FrozenTrial]] = {}
    for trial in study.get_trials(deepcopy=False):
        if IDLE not in trial.user_attrs:
            attempts.setdefault(int(trial.system_attrs.get("failed_trial", trial.number)), []).append(trial)
    return [Slot(number, tuple(trials)) for number, (_, trials) in enumerate(sorted(attempts.items()))]


def slot_of(study: optuna.Study, number: int) -> Slot:
    """The slot of the trial with a number."""
    return next(each for each in slots_of(study) if number in [trial.number for trial in each.trials])


def try_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a trial again, with its parameters."""
    with quiet():
        RetryHeartbeatStaleTrialCallback()(study, copy.deepcopy(trial))  # it adds to what the trial holds


def retry(retries: int, study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a trial again whose worker died, unless its slot has failed too often."""
    if IDLE not in trial.user_attrs and slot_of(study, trial.number).is_lost(retries):
        logger.warning("the worker of trial %d is gone; it is queued again", trial.number)
        try_again(study, trial)
