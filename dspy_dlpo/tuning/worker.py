"""A worker: takes slots of a study and tries them, until all are done."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.tuning.attempt import Attempt, TrialLost
from dspy_dlpo.tuning.display import show_text, show_trial
from dspy_dlpo.tuning.figures import show_study
from dspy_dlpo.tuning.heart import Heart
from dspy_dlpo.tuning.job import Job
from dspy_dlpo.tuning.queue import ERROR, SLOT, Pulse
from dspy_dlpo.tuning.storage import Store
from dspy_dlpo.tuning.study import Opened, sampler

logger = logging.getLogger(__name__)

# After so many failures in a row a worker ends: it is not the settings that are wrong.
MOST_FAILURES = 3


class WorkerError(DLPOError):
    """A worker gave up: its trials fail one after the other."""


class Worker:
    """Takes slots and tries them.

    Args:
        job: The search.
        store: Where the study is.
        opened: The study.
        seed: Seed of the sampler.
        pulse: How the living are told from the dead.
        on_trial: Told of every trial that this worker has ended.
        before: Called before each look at the queue; what it raises ends the work.
    """

    def __init__(
        self,
        job: Job,
        store: Store,
        opened: Opened,
        *,
        seed: int,
        pulse: Pulse,
        on_trial: Callable[[FrozenTrial], None] = lambda trial: None,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self._before = before
        self._job, self._store, self._opened = job, store, opened
        self._seed, self._pulse, self._on_trial = seed, pulse, on_trial
        self._failures = 0

    def work(self) -> int:
        """Try settings until all slots are done.

        Returns:
            How many trials this worker has ended.

        Raises:
            WorkerError: If trials fail one after the other.
            KeyboardInterrupt: On Ctrl-C; the trial is given back, with what was done so far.
        """
        ended = 0
        while (trial := self._opened.queue.take(self._opened.slots, self._before)) is not None:
            self._try(trial)
            ended += 1
        return ended

    def _try(self, trial: optuna.Trial) -> None:
        slot = trial.user_attrs[SLOT]
        self._opened.study.sampler = sampler(self._seed, slot)
        root, number = lineage(self._store.storage.get_trial(trial._trial_id))
        attempt: Attempt
        heart = Heart(self._store.storage, trial, self._pulse.every, lambda: attempt.save())
        prefix = f"run/{self._opened.uid}/{root}"
        attempt = Attempt(self._job, trial, self._store.blobs, prefix, number, lambda: heart.is_lost)
        began = time.monotonic()
        try:
            with heart:
                values = attempt.run()
                self._keep(attempt, root)
                show_trial(self._opened.study, trial, attempt.outcomes, self._store.artifacts)
                self._tell(trial, attempt, values)
        except KeyboardInterrupt:
            self._opened.queue.release(trial)
            raise
        except TrialLost:
            logger.warning("trial %d was given to another worker: this one was not heard of for too long", trial.number)
            return
        except Exception as error:  # noqa: BLE001 - whatever a setting does, the other trials go on
            self._fail(trial, error)
            return
        self._failures = 0
        if not attempt.was_pruned:
            self._store.blobs.remove_all(f"{prefix}/")
        logger.info("trial %d ended after %.0f s", trial.number, time.monotonic() - began)
        show_study(self._opened.study)
        self._on_trial(self._store.storage.get_trial(trial._trial_id))

    def _keep(self, attempt: Attempt, root: int) -> None:
        """Keep the prompts that each pair returned, for the final claim."""
        for number, outcome in enumerate(attempt.outcomes):
            content = {"prompts": dict(outcome.result.best_prompts), "score": outcome.score}
            self._store.blobs.put(outcome_name(self._opened.uid, root, number), json.dumps(content).encode())

    def _tell(self, trial: optuna.Trial, attempt: Attempt, values: tuple[float, ...]) -> None:
        try:
            if attempt.was_pruned:
                self._opened.study.tell(trial, state=TrialState.PRUNED)
            else:
                self._opened.study.tell(trial, list(values))
        except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
            state = self._store.storage.get_trial(trial._trial_id).state
            if state == TrialState.FAIL:
                raise TrialLost from None
            if state == TrialState.RUNNING:
                raise

    def _fail(self, trial: optuna.Trial, error: Exception) -> None:
        """Record why a trial failed; its slot is tried again a few times."""
        self._failures += 1
        text = f"{type(error).__name__}: {error}"[:300]
        logger.warning("trial %d failed: %s", trial.number, text, exc_info=logger.isEnabledFor(logging.DEBUG))
        try:
            self._store.storage.set_trial_system_attr(trial._trial_id, ERROR, text)
            show_text(trial, text)
            self._opened.study.tell(trial, state=TrialState.FAIL)
        except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
            pass  # it was taken away already
        if self._failures >= MOST_FAILURES:
            raise WorkerError(
                f"{MOST_FAILURES} trials in a row failed; the last with {text}. Mend that, and run the same again: "
                "what is done is kept."
            ) from error
        time.sleep(random.SystemRandom().random() * self._pulse.poll)


def lineage(trial: FrozenTrial) -> tuple[int, int]:
    """The number of the first attempt at a trial, and how many came before this one."""
    history: list[Any] = trial.system_attrs.get("retry_history", [])
    return (int(history[0]) if history else trial.number), len(history)


def outcome_name(uid: str, root: int, pair: int) -> str:
    """Where the prompts lie that a trial found for a pair."""
    return f"outcome/{uid}/{root}/{pair}"
