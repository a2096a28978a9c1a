"""The study of a search: made by whoever comes first, joined by all others, refused to those that search another."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import optuna

from dspy_dlpo.tuning.gaps import quiet
from dspy_dlpo.tuning.job import Job
from dspy_dlpo.tuning.storage import Store

# System attributes of a study: what it searches, and how many settings are tried.
DEFINITION, SLOTS = "dlpo:definition", "dlpo:slots"


def open_study(store: Store, name: str, job: Job, n_trials: int) -> tuple[optuna.Study, int]:
    """Make or join the study of a search, and tell how many settings it tries: `n_trials`, or more if it did already.

    Raises:
        ValueError: If a study of this name searches something else.
    """
    options: dict[str, Any] = {"storage": store.storage, "study_name": name, "pruner": _pruner(job.pruning)}
    study = optuna.create_study(direction="maximize", load_if_exists=True, **options)
    old, new = store.storage.get_study_system_attrs(study._study_id), job.definition
    if DEFINITION not in old:
        store.storage.set_study_system_attr(study._study_id, DEFINITION, json.dumps(new, sort_keys=True))
        with quiet():
            study.set_metric_names(["score"])
        study.set_user_attr("tasks", ", ".join(job.name(task) for task in range(len(job.tasks))))
        study.set_user_attr("budget_per_trial", ", ".join(f"{name}={x:g}" for name, x in job.budget.limits.items()))
        old = store.storage.get_study_system_attrs(study._study_id)
    known = json.loads(old[DEFINITION])
    differs = [each for each in new if known.get(each) != new[each]]
    if differs:
        raise ValueError(
            f"The study {name!r} was made with another {', another '.join(differs)}. Pass the same, or another "
            "study_name."
        )
    slots = max(n_trials, int(old.get(SLOTS, 0)))
    store.storage.set_study_system_attr(study._study_id, SLOTS, slots)
    return study, slots


def _pruner(pruning: str) -> optuna.pruners.BasePruner:
    """The pruner: never Optuna's own default, which compares from the first trial on."""
    with quiet():
        if pruning == "pairs":
            return optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=2)
        if pruning == "steps":
            return optuna.pruners.PercentilePruner(25.0, n_startup_trials=5, n_warmup_steps=3)
        return optuna.pruners.NopPruner()


def sampler(seed: int, slot: int, shipped: Mapping[str, Any]) -> optuna.samplers.BaseSampler:
    """The sampler of one slot, the same in any process; that of the first gives the shipped settings."""
    number = random.Random(f"{seed}/{slot}/sampler").randrange(2**32)
    with quiet():
        chosen = optuna.samplers.TPESampler(seed=number, multivariate=True, group=True, n_startup_trials=10)
        return chosen if slot else optuna.samplers.PartialFixedSampler(dict(shipped), chosen)
