"""The heart of a running trial, and who hears that it has stopped: one way for every storage.

Optuna's own heartbeat is only there for databases, ends at the first beat that fails, and does not see a trial that was
killed before its first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from dspy_dlpo.tuning.place import is_gone, worker_name

logger = logging.getLogger(__name__)

BEAT, WORKER = "dlpo:beat", "dlpo:worker"


class Heart:
    """Beats for a trial in the background until the block ends. A beat that fails is followed by the next.

    Args:
        storage: The study's storage.
        trial: The trial.
        every: Seconds between beats.
        also: Called after each beat, such as to save what was done so far.
    """

    def __init__(
        self, storage: BaseStorage, trial: optuna.Trial, every: float, also: Callable[[], None] = lambda: None
    ) -> None:
        self._storage, self._trial_id, self._every, self._also = storage, trial._trial_id, every, also
        self._ended = threading.Event()
        self.is_lost = False  # the trial was taken away from this process
        self._thread = threading.Thread(target=self._beat, daemon=True, name="dlpo-heart")

    def __enter__(self) -> Heart:
        self._storage.set_trial_system_attr(self._trial_id, WORKER, worker_name())
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(timeout=self._every)

    def _beat(self) -> None:
        number = 0
        while not self._ended.wait(self._every if number else 0):
            number += 1
            try:
                self._storage.set_trial_system_attr(self._trial_id, BEAT, number)
                self._also()
            except UpdateFinishedTrialError:
                self.is_lost = not self._ended.is_set()
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the next beat may come through
                logger.warning("a heartbeat failed: %s", type(error.__cause__ or error).__name__)


class Listener:
    """Tells which running trials have lost their worker.

    A trial is stale when this process, by its own clock, has seen no new beat of it for a while; one whose process ran
    on this machine, as soon as that is gone. The time between two looks counts as silence for half the grace at most:
    where the database was away meanwhile nobody could beat, and a worker needs a moment to find that it is back.

    Args:
        grace: Seconds without a beat.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._heard: dict[int, _Heard] = {}

    def is_stale(self, trial: FrozenTrial) -> bool:
        """Whether a running trial has lost its worker."""
        if is_gone(str(trial.system_attrs.get(WORKER, ""))):
            return True
        beat, now = trial.system_attrs.get(BEAT), time.monotonic()
        last = self._heard.get(trial._trial_id)
        silence = last.silence + min(now - last.at, self._grace / 2) if last and last.beat == beat else 0.0
        self._heard[trial._trial_id] = _Heard(beat, now, silence)
        return silence > self._grace


@dataclass(frozen=True)
class _Heard:
    """What the last look at a trial showed: its beat, when that was, and for how many seconds it had been the same."""

    beat: object
    at: float
    silence: float
