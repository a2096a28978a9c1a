"""The study of a search: made by whoever comes first, joined by all others, refused to those that search another."""

from __future__ import annotations

import json
import random
import time
import uuid
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError

from dspy_dlpo.tuning.job import Job
from dspy_dlpo.tuning.queue import SLOT, Pulse, Queue, quiet
from dspy_dlpo.tuning.storage import Store

# System attributes of a study: what it searches, its own name among all studies, and how many settings are tried.
DEFINITION, UID, SLOTS = "dlpo:definition", "dlpo:uid", "dlpo:slots"
DIRECTIONS = {"score": "maximize", "words": "minimize", "usd": "minimize"}


@dataclass(frozen=True)
class Opened:
    """A study that was made or joined.

    Args:
        study: Optuna's study.
        queue: Its slots.
        uid: Names it in the blobs.
        slots: How many settings it tries in all.
    """

    study: optuna.Study
    queue: Queue
    uid: str
    slots: int


def open_study(store: Store, name: str, job: Job, n_trials: int, pulse: Pulse) -> Opened:
    """Make the study of a search, or join it.

    Args:
        store: Where it is, or is to be.
        name: What it is called.
        job: The search.
        n_trials: Settings to try in all, the shipped ones included; a study that tries more already keeps its number.
        pulse: How the living are told from the dead.

    Raises:
        ValueError: If a study of this name searches something else.
    """
    study, storage = _made_or_joined(store, name, job, n_trials), store.storage
    queue = Queue(study, storage, pulse)
    attributes = _when_ready(store, study, pulse)
    if DEFINITION not in attributes:  # whoever made it died before it was ready
        attributes = _prepare(store, study, job, n_trials)
    differs = _differences(json.loads(attributes[DEFINITION]), job.definition)
    if differs:
        raise ValueError(
            f"The study {name!r} was made with another {', another '.join(differs)}. Pass the same, or another "
            "study_name."
        )
    slots = max(n_trials, int(attributes[SLOTS]))
    if slots > int(attributes[SLOTS]):
        storage.set_study_system_attr(study._study_id, SLOTS, slots)
        _fill(queue, job, slots)
    return Opened(study, queue, str(attributes[UID]), slots)


def _made_or_joined(store: Store, name: str, job: Job, n_trials: int) -> optuna.Study:
    options: dict[str, Any] = {"storage": store.storage, "study_name": name, "pruner": pruner(job.pruning)}
    try:
        directions: list[Any] = [DIRECTIONS[goal] for goal in job.objective]
        study = optuna.create_study(directions=directions, **options)
    except DuplicatedStudyError:
        return optuna.load_study(**options)
    with quiet():
        study.set_metric_names(list(job.objective))
    for label, value in {
        "tasks": ", ".join(job.name(task) for task in range(len(job.tasks))),
        "seeds": list(job.seeds),
        "budget_per_trial": ", ".join(f"{name}={limit:g}" for name, limit in job.budget.limits.items()),
        "pruning": job.pruning,
    }.items():
        study.set_user_attr(label, value)
    _prepare(store, study, job, n_trials)
    return study


def _prepare(store: Store, study: optuna.Study, job: Job, n_trials: int) -> dict[str, Any]:
    """Queue all slots, and then say that the study is ready."""
    storage, number = store.storage, study._study_id
    if UID not in storage.get_study_system_attrs(number):  # a maker that was only slow has named it already
        storage.set_study_system_attr(number, UID, uuid.uuid4().hex[:16])
    _fill(Queue(study, storage, Pulse()), job, n_trials)
    storage.set_study_system_attr(number, SLOTS, n_trials)
    storage.set_study_system_attr(number, DEFINITION, json.dumps(job.definition, sort_keys=True))
    return dict(storage.get_study_system_attrs(number))


def _fill(queue: Queue, job: Job, slots: int) -> None:
    """Queue the slots that have no trial yet; the first is the shipped settings."""
    known = {trial.user_attrs[SLOT] for trial in queue.trials()}
    queue.add([slot for slot in range(slots) if slot not in known], {0: job.space.shipped})


def _when_ready(store: Store, study: optuna.Study, pulse: Pulse) -> dict[str, Any]:
    """The study's attributes, once whoever makes it has said what it searches, or is taken for dead."""
    until = time.monotonic() + pulse.grace
    while True:
        attributes = dict(store.storage.get_study_system_attrs(study._study_id))
        if DEFINITION in attributes or time.monotonic() > until:
            return attributes
        time.sleep(random.SystemRandom().uniform(0.1, 0.3))


def _differences(old: dict[str, str], new: dict[str, str]) -> list[str]:
    return [name for name in new if old.get(name) != new[name]]


def pruner(pruning: str) -> optuna.pruners.BasePruner:
    """The pruner: never Optuna's own default, which compares from the first trial on."""
    with quiet():
        if pruning == "pairs":
            return optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=2)
        if pruning == "steps":
            return optuna.pruners.PercentilePruner(25.0, n_startup_trials=5, n_warmup_steps=3)
        return optuna.pruners.NopPruner()


def sampler(seed: int, slot: int) -> optuna.samplers.BaseSampler:
    """The sampler of one slot: the same in any process, different from slot to slot."""
    number = random.Random(f"{seed}/{slot}/sampler").randrange(2**32)
    with quiet():
        return optuna.samplers.TPESampler(seed=number, multivariate=True, group=True, n_startup_trials=10)
