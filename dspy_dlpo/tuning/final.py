"""The final claim of a search: the chosen settings against the shipped ones, on test examples that nothing saw."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.core.history import Prompts
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.run.claim import gain_interval, score_prompts
from dspy_dlpo.tuning.attempt import PairOutcome
from dspy_dlpo.tuning.job import Job
from dspy_dlpo.tuning.slots import Pulse, Slot, slots_of
from dspy_dlpo.tuning.storage import Store, patiently
from dspy_dlpo.tuning.worker import Worker, WorkerError

# Whose prompts a row of a table was scored with.
START, SHIPPED, CHOSEN = range(3)
# Attributes: what a pair of a trial returned; the scores of a task on its test examples.
OUTCOME, TABLE = "dlpo:outcome:", "dlpo:table:"


@dataclass(frozen=True)
class Claim:
    """What the chosen settings are worth on test examples, beside the user's own prompts and the shipped settings.

    Scores are means over tasks and seeds; `difference` is chosen less shipped, paired by example and seed, and
    `interval` its 95 % interval: a bootstrap over examples and, where there are several, seeds.
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


def keep_outcomes(trial: optuna.Trial, outcomes: Sequence[PairOutcome]) -> None:
    """Keep the prompts that each pair returned with the trial, whichever process makes the claim."""
    for number, outcome in enumerate(outcomes):
        content = {"prompts": dict(outcome.result.best_prompts), "score": outcome.score}
        keep = partial(trial.storage.set_trial_system_attr, trial._trial_id, f"{OUTCOME}{number}", json.dumps(content))
        patiently(keep)


def ended_trials(slots: Sequence[Slot], state: TrialState) -> list[FrozenTrial]:
    """One trial of each slot that ended so: complete on every pair, or pruned."""
    return [each for slot in slots for each in slot.live[:1] if each.state == state]


def claim_of(job: Job, study: optuna.Study, store: Store, slots: int, pulse: Pulse) -> Claim:
    """The claim of a study whose trials have ended: one process makes it, in a study of its own, and others read it."""
    first = patiently(lambda: slots_of(study))[0]
    if not first.live:
        raise DLPOError("The shipped settings never ended well, so nothing can be compared with them. Look at trial 0.")
    # A study of this name may have been deleted and made anew.
    born = hashlib.sha256(f"{study._study_id} {first.born}".encode()).hexdigest()[:6]
    name = f"{study.study_name} (claim after {slots} trials, {born})"
    make = partial(optuna.create_study, storage=store.storage, study_name=name, direction="maximize")
    claims = patiently(partial(make, load_if_exists=True))

    def attempt(trial: optuna.Trial, slot: Slot) -> float:
        claim = _make_claim(job, study, claims, first.live[0])
        trial.set_user_attr("verdict", claim.verdict)
        trial.set_user_attr("claim", asdict(claim))
        return claim.difference

    try:
        Worker(store, claims, attempt, pulse=pulse, most_failures=1).work(1)
    except WorkerError as error:
        raise (error.__cause__ or error) from None
    made = patiently(lambda: slots_of(claims))
    ended = ended_trials(made, TrialState.COMPLETE)
    if not ended:
        raise DLPOError(f"The final claim failed: {made[0].error}.")
    content = ended[0].user_attrs["claim"]
    return Claim(**{**content, "interval": tuple(content["interval"])})


def _make_claim(job: Job, study: optuna.Study, claims: optuna.Study, shipped: FrozenTrial) -> Claim:
    """Score all prompts on every task's testset; kept task by task, so that a repetition pays for nothing twice."""
    chosen, tables = _best_trial(study), []  # by task: kind, seed, example
    for task in range(len(job.tasks)):
        name = f"{TABLE}{chosen.number}:{task}"
        known = claims._storage.get_study_system_attrs(claims._study_id).get(name)
        if known is None:
            known = json.dumps(_table(job, task, (shipped, chosen)))
            keep = partial(claims._storage.set_study_system_attr, claims._study_id, name, known)
            patiently(keep)  # it is paid for
        tables.append(np.array(json.loads(known), dtype=float))
    start, of_shipped, of_chosen = (float(x) for x in np.mean([each.mean(axis=(1, 2)) for each in tables], axis=0))
    return Claim(
        trial=chosen.number,
        shipped_trial=shipped.number,
        start=start,
        shipped=of_shipped,
        chosen=of_chosen,
        difference=of_chosen - of_shipped,
        interval=gain_interval([each[CHOSEN] - each[SHIPPED] for each in tables]),
        examples=sum(each.shape[2] for each in tables),
    )


def _best_trial(study: optuna.Study) -> FrozenTrial:
    """The trial with the best score on what was held out, of equals the first."""
    return max(ended_trials(slots_of(study), TrialState.COMPLETE), key=lambda trial: round(trial.value or 0.0, 9))


def _table(job: Job, task: int, trials: Sequence[FrozenTrial]) -> list[list[list[float]]]:
    """Scores by kind of prompts, seed and example; an example that any of them lost is left out."""
    found, n = job.tasks[task], len(job.seeds)
    prompts: list[Prompts] = [read_prompts(found.program, job.parameters)] * n
    prompts += [dict(kept["prompts"]) for trial in trials for kept in _kept(job, trial, task)]
    scored = score_prompts(
        found.program,
        prompts,
        found.metric,
        found.testset or (),
        task_model=job.options.get("task_model"),
        num_threads=job.options.get("num_threads") or 8,
        parameters=job.parameters,
        rates=job.options.get("rates"),
    )
    common = sorted(set.intersection(*(set(each.scores) for each in scored)))
    if not common:
        raise DLPOError(f"No test example of {job.name(task)} was answered under all prompts. Try again later.")
    rows = [list(each.on(common).values()) for each in scored]
    return [rows[at : at + n] for at in range(0, len(rows), n)]


def best_prompts(job: Job, trial: FrozenTrial, task: int) -> Prompts:
    """The prompts that a trial returned for a task with the seed that scored best on what was held out."""
    return dict(max(_kept(job, trial, task), key=lambda each: each["score"])["prompts"])


def _kept(job: Job, trial: FrozenTrial, task: int) -> list[dict[str, Any]]:
    """What a trial returned for a task, by seed."""
    try:
        bodies = [trial.system_attrs[f"{OUTCOME}{n}"] for n, pair in enumerate(job.pairs) if pair.task == task]
    except KeyError:
        raise DLPOError(f"The prompts of trial {trial.number} are not in the study. Run the search anew.") from None
    return [json.loads(body) for body in bodies]
