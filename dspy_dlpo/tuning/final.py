"""The final claim of a search: the chosen settings against the shipped ones, on test examples that nothing saw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.core.history import Prompts
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.run.claim import score_prompts
from dspy_dlpo.tuning.job import Job
from dspy_dlpo.tuning.queue import DONE, SLOT
from dspy_dlpo.tuning.storage import Store
from dspy_dlpo.tuning.worker import lineage, outcome_name

RESAMPLES = 4000
# Whose prompts a row of a table was scored with.
START, SHIPPED, CHOSEN = range(3)


@dataclass(frozen=True)
class Claim:
    """What the chosen settings are worth on test examples.

    Args:
        trial: Number of the chosen trial.
        shipped_trial: Number of the trial with the shipped settings.
        start: Mean score of the user's own prompts, over tasks.
        shipped: Mean score of what the shipped settings found, over tasks and seeds.
        chosen: Mean score of what the chosen settings found.
        difference: Chosen minus shipped, paired by example and seed.
        interval: Its 95 % interval: a bootstrap over examples and, where there are several, seeds.
        examples: Test examples, over all tasks.
    """

    trial: int
    shipped_trial: int
    start: float
    shipped: float
    chosen: float
    difference: float
    interval: tuple[float, float]
    examples: int

    @property
    def is_gain(self) -> bool:
        """Whether the chosen settings are reliably better than the shipped ones."""
        return self.interval[0] > 0

    @property
    def verdict(self) -> str:
        """One sentence that says whether the gain is real."""
        if self.trial == self.shipped_trial:
            return "nothing better than the shipped settings was found: kept"
        low, high = self.interval
        gain = f"{self.difference * 100:+.1f} points over the shipped settings on {self.examples} test examples"
        interval = f"(95% interval {low * 100:+.1f} .. {high * 100:+.1f})"
        return f"{gain} {interval}" if self.is_gain else f"no reliable gain: {gain} {interval}; the shipped are kept"


def ended_trials(study: optuna.Study, *states: TrialState) -> list[FrozenTrial]:
    """The trials of slots that ended so: complete on every pair, pruned, or either if no state is named."""
    trials = study.get_trials(deepcopy=False, states=states or DONE)
    return [trial for trial in trials if SLOT in trial.user_attrs]


def shipped_trial(study: optuna.Study) -> FrozenTrial:
    """The trial of the shipped settings.

    Raises:
        DLPOError: If it never ended well.
    """
    found = next((trial for trial in ended_trials(study, TrialState.COMPLETE) if trial.user_attrs[SLOT] == 0), None)
    if found is None:
        raise DLPOError("The shipped settings never ended well, so nothing can be compared with them. Look at trial 0.")
    return found


def best_trial(study: optuna.Study) -> FrozenTrial:
    """The trial with the best score on what was held out; of equals the better in the second objective."""
    trials = ended_trials(study, TrialState.COMPLETE)
    sign = [-1.0 if each.name == "MAXIMIZE" else 1.0 for each in study.directions]
    return min(
        trials,
        key=lambda each: (*(s * round(v, 9) for s, v in zip(sign, each.values or (), strict=True)), each.number),
    )


def make_claim(job: Job, study: optuna.Study, store: Store, uid: str, slots: int) -> Claim:
    """Score the user's prompts and those of both settings on every task's testset.

    What was scored is kept task by task, so that a repetition pays for nothing twice.

    Raises:
        DLPOError: If prompts of a trial are missing, or a model cannot be used at all.
    """
    shipped, chosen = shipped_trial(study), best_trial(study)
    tables: list[Mapping[str, Any]] = []
    for task in range(len(job.tasks)):
        name = f"claim/{uid}/{slots}/{chosen.number}/{task}"
        known = store.blobs.get(name)
        if known is None:
            known = json.dumps(_table(job, store, uid, task, (shipped, chosen))).encode()
            store.blobs.put(name, known)
        tables.append(json.loads(known))
    rows = [np.array(table["scores"], dtype=float) for table in tables]  # kind, seed, example
    means = np.mean([each.mean(axis=(1, 2)) for each in rows], axis=0)
    gains = [each[CHOSEN] - each[SHIPPED] for each in rows]
    return Claim(
        trial=chosen.number,
        shipped_trial=shipped.number,
        start=float(means[START]),
        shipped=float(means[SHIPPED]),
        chosen=float(means[CHOSEN]),
        difference=float(np.mean([each.mean() for each in gains])),
        interval=_interval(gains),
        examples=sum(each.shape[2] for each in rows),
    )


def claim_to_json(claim: Claim) -> bytes:
    """A claim as bytes."""
    return json.dumps(asdict(claim)).encode()


def claim_from_json(body: bytes) -> Claim:
    """A claim of its bytes."""
    content = json.loads(body)
    return Claim(**{**content, "interval": tuple(content["interval"])})


def _table(job: Job, store: Store, uid: str, task: int, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """Scores by kind of prompts, seed and example; an example that any of them lost is left out."""
    found = job.tasks[task]
    kinds: list[list[Prompts]] = [[read_prompts(found.program, job.parameters)] * len(job.seeds)]
    kinds += [[prompts_of(job, store, uid, trial, task, seed) for seed in job.seeds] for trial in trials]
    scores = score_prompts(
        found.program,
        [prompts for kind in kinds for prompts in kind],
        found.metric,
        found.testset or (),
        task_model=job.options.get("task_model"),
        num_threads=job.options.get("num_threads") or 8,
        parameters=job.parameters,
    )
    common = sorted(set.intersection(*(set(each) for each in scores)))
    if not common:
        raise DLPOError(f"No test example of {job.name(task)} was answered under all prompts. Try again later.")
    rows = [[each[x] for x in common] for each in scores]
    n = len(job.seeds)
    return {"scores": [rows[kind * n : (kind + 1) * n] for kind in range(len(kinds))]}


def prompts_of(job: Job, store: Store, uid: str, trial: FrozenTrial, task: int, seed: int) -> Prompts:
    """The prompts that a trial returned for a task with a seed.

    Raises:
        DLPOError: If they are not there.
    """
    return dict(_outcome(job, store, uid, trial, task, seed)["prompts"])


def best_prompts(job: Job, store: Store, uid: str, trial: FrozenTrial, task: int) -> Prompts:
    """The prompts that a trial returned for a task with the seed that scored best on what was held out."""
    found = [_outcome(job, store, uid, trial, task, seed) for seed in job.seeds]
    return dict(max(found, key=lambda each: each["score"])["prompts"])


def _outcome(job: Job, store: Store, uid: str, trial: FrozenTrial, task: int, seed: int) -> dict[str, Any]:
    number = next(i for i, pair in enumerate(job.pairs) if (pair.task, pair.seed) == (task, seed))
    body = store.blobs.get(outcome_name(uid, lineage(trial)[0], number))
    if body is None:
        raise DLPOError(f"The prompts of trial {trial.number} are not in {store.shown}. Run the search anew.")
    content: dict[str, Any] = json.loads(body)
    return content


def _interval(gains: Sequence[np.ndarray[Any, Any]]) -> tuple[float, float]:
    """95 % interval of the mean over tasks of the mean gain, from resamples of seeds and examples within each task."""
    rng = np.random.default_rng(0)
    total = np.zeros(RESAMPLES)
    for table in gains:
        seeds, examples = table.shape
        mean = table.mean()
        for i in range(RESAMPLES):
            rows = table[rng.integers(0, seeds, seeds)] if seeds > 1 else table
            resampled = rows[:, rng.integers(0, examples, examples)].mean()
            total[i] += mean + (resampled - mean) * np.sqrt(examples / max(1, examples - 1))
    low, high = np.quantile(total / len(gains), (0.025, 0.975))
    return float(low), float(high)
