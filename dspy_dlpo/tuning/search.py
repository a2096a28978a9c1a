"""Search for better settings of the optimizer, on one machine or many."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy
import optuna
from optuna.trial import FrozenTrial, TrialState

from dspy_dlpo.as_python import import_line, optimizer_line
from dspy_dlpo.core.budget import Budget
from dspy_dlpo.core.checks import check_whole
from dspy_dlpo.core.task import Task
from dspy_dlpo.estimate.estimate import Estimate
from dspy_dlpo.host.program import with_prompts
from dspy_dlpo.teleprompter import DLPOTeleprompter
from dspy_dlpo.tuning.attempt import Attempt
from dspy_dlpo.tuning.display import show_trial
from dspy_dlpo.tuning.final import Claim, best_prompts, claim_of, ended_trials, keep_outcomes
from dspy_dlpo.tuning.job import make_job, plan_settings
from dspy_dlpo.tuning.slots import Pulse, Slot, slot_of, slots_of
from dspy_dlpo.tuning.storage import open_store, patiently
from dspy_dlpo.tuning.study import open_study, sampler
from dspy_dlpo.tuning.worker import Worker

logger = logging.getLogger(__name__)

STUDY_NAME = "dlpo-tuning"


@dataclass(frozen=True)
class TuneResult:
    """What a search over settings found.

    Args:
        verdict: One sentence that says whether the gain is real.
        claim: The chosen settings against the shipped ones, on test examples.
        optimizer: A ready optimizer: with the chosen settings where they are reliably better, else the shipped ones.
        candidate: An optimizer with the settings that scored best on what was held out, whatever the claim says.
        program: The first task's program with the best instructions that the optimizer's settings found.
        line: The Python that makes `optimizer`, to be completed with your metric and models.
        params: The best trial's parameters.
        trials: How many trials were complete, pruned and given up.
        spent: Program runs, tokens and US dollars (None if unknown) of all trials, pruned ones included.
        study_name: The study, and in `storage` where it is, without its password.
    """

    verdict: str
    claim: Claim
    optimizer: DLPOTeleprompter
    candidate: DLPOTeleprompter
    program: dspy.Module
    line: str
    params: dict[str, Any]
    trials: dict[str, int]
    spent: dict[str, float | None]
    study_name: str
    storage: str

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {what}" for what, count in self.trials.items() if count)
        return f"{self.verdict}\ntrials: {counts}\n{self.line}"


@dataclass(frozen=True)
class Price:
    """The most that a search can cost, before anything is spent.

    Args:
        trials: Settings that are tried.
        runs: Program runs, the final claim's included; None if runs are not limited.
        test_runs: Of these, those of the final claim, at most.
        each: The estimate of one run of the optimizer on each task.
        usd: US dollars, from and to; None if a price is unknown. Pruned trials cost less.
    """

    trials: int
    runs: int | None
    test_runs: int
    each: tuple[Estimate, ...]
    usd: tuple[float, float] | None


def tune(
    task: Task | Sequence[Task],
    *,
    n_trials: int,
    storage: str | None = None,
    study_name: str = STUDY_NAME,
    budget_per_trial: Budget | int | None = None,
    seeds_per_trial: int = 1,
    pruning: str = "auto",
    seed: int = 0,
    artifacts: str | None = None,
    pulse: Pulse | None = None,
    on_trial: Callable[[FrozenTrial], None] = lambda trial: None,
    **options: Any,
) -> TuneResult:
    """Search for better settings of the optimizer; the same call in other processes, on any machine, helps.

    Each trial is one setting, run on every task with every seed. Settings are chosen by the score on what each run
    holds out (valset); the claim is made once, on the testset. The same call again goes on where it stopped.

    Args:
        task: A task, or several; each needs a testset.
        n_trials: Settings to try, at least 2; the first are the shipped ones.
        storage: Where the study is: a database's URL, or a path of an SQLite file. None for the environment variable
            ``DLPO_STORAGE``, else the file ``dlpo-tuning.db``.
        study_name: What the study is called.
        budget_per_trial: What one run of the optimizer may spend: a budget, or program runs; None for 600. A trial
            makes one such run for every task and seed.
        seeds_per_trial: With how many seeds each setting is tried, at least 1.
        pruning: ``"pairs"`` gives a setting up that is clearly worse over pairs of task and seed (at least 4 of them),
            ``"steps"`` one that learns clearly more slowly, ``"none"`` none; ``"auto"`` is ``"pairs"`` where there are
            enough, else ``"steps"``.
        seed: Of the sampler and of the first run; a single worker that starts anew repeats the search.
        artifacts: The directory of run directories and reports, which all workers share. None for the environment
            variable ``DLPO_ARTIFACTS``, else beside an SQLite file, else ``dlpo-tuning.artifacts``.
        pulse: How workers that live are told from those that died.
        on_trial: Told of every trial that this process has ended.
        **options: Further arguments of `DLPOTeleprompter`, the same for all trials. ``techniques``, ``acceptance``,
            ``judging`` and ``batch_size`` are the shipped settings then.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is illegal, or the study of this name searches something else.
        StorageError: If the storage cannot be opened.
        WorkerError: If settings fail one after the other.
        DLPOError: If the shipped settings never ended well.
    """
    options.update(pruning=pruning, seed=seed, seeds_per_trial=seeds_per_trial)
    options.update(storage=storage, study_name=study_name, artifacts=artifacts, pulse=pulse)
    with Search(task, n_trials=n_trials, budget_per_trial=budget_per_trial, **options) as search:
        search.work(on_trial)
        return search.result()


class Search(AbstractContextManager["Search"]):
    """A search that this process takes part in, in a ``with`` block; its arguments are those of `tune`."""

    def __init__(
        self,
        task: Task | Sequence[Task],
        *,
        n_trials: int,
        storage: str | None = None,
        study_name: str = STUDY_NAME,
        artifacts: str | None = None,
        pulse: Pulse | None = None,
        seed: int = 0,
        **arguments: Any,
    ) -> None:
        check_whole("tune", "n_trials", n_trials, 2)
        self._job, self._seed, self._pulse = make_job(task, seed=seed, **arguments), seed, pulse or Pulse()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._store = open_store(storage, artifacts, self._pulse)
        try:
            self.study, self._slots = open_study(self._store, study_name, self._job, n_trials)
        except BaseException:
            self._store.close()
            raise

    def __exit__(self, *error: object) -> None:
        self._store.close()

    def work(
        self,
        on_trial: Callable[[FrozenTrial], None] = lambda trial: None,
        before: Callable[[], None] = lambda: None,
    ) -> int:
        """Try settings until all are done, by whomever; how many trials this process has ended.

        `on_trial` is told of each of them; `before` is called before each look at the study, and may end the work.
        """

        def ended(trial: FrozenTrial) -> None:
            if trial.state == TrialState.COMPLETE:
                slot = patiently(lambda: slot_of(self.study, trial.number))  # what is told of here is kept already
                shutil.rmtree(self._folder(slot), ignore_errors=True)
            on_trial(trial)

        worker = Worker(self._store, self.study, self._attempt, pulse=self._pulse, on_trial=ended, before=before)
        return worker.work(self._slots)

    def _attempt(self, trial: optuna.Trial, slot: Slot) -> float:
        self.study.sampler = sampler(self._seed, slot.number, self._job.space.shipped)
        # The shipped settings are never given up, as all others are compared with them in the end.
        attempt = Attempt(self._job, trial, self._folder(slot), may_prune=slot.number > 0)
        score = attempt.run()
        keep_outcomes(trial, attempt.outcomes)
        show_trial(trial, attempt.outcomes, self._store.artifacts)
        if attempt.was_pruned:
            raise optuna.TrialPruned
        return score

    def _folder(self, slot: Slot) -> Path:
        """Where the runs of a slot are kept; a study that was deleted and made anew has others."""
        return self._store.folder / "runs" / f"{self.study._study_id}-{slot.trials[0].number}-{slot.born}"

    def result(self) -> TuneResult:
        """What was found; the final claim is made by one process, and read by the others."""
        job, slots = self._job, patiently(lambda: slots_of(self.study))
        given_up = [each for each in slots[: self._slots] if not each.live and not each.is_lost(self._pulse.retries)]
        for slot in given_up:
            logger.warning("setting %d was given up after %d failures: %s", slot.number, slot.failures, slot.error)
        claim = claim_of(job, self.study, self._store, self._slots, self._pulse)
        slots = patiently(lambda: slots_of(self.study))
        trials = {trial.number: trial for trial in ended_trials(slots, TrialState.COMPLETE)}
        best, shipped = trials[claim.trial], trials[claim.shipped_trial]
        used = best if claim.is_gain else shipped
        plan, found = job.space.settings(used.params), job.space.settings(best.params)
        chosen = plan_settings(plan)
        pruned = len(ended_trials(slots, TrialState.PRUNED))
        return TuneResult(
            verdict=claim.verdict,
            claim=claim,
            optimizer=job.optimizer(plan, seed=job.seeds[0]),
            candidate=job.optimizer(found, seed=job.seeds[0]),
            program=with_prompts(job.tasks[0].program, best_prompts(job, used, 0), job.parameters),
            line=f"{import_line(chosen)}\n\n{optimizer_line(chosen)}",
            params=dict(best.params),
            trials={"complete": len(trials), "pruned": pruned, "given up": len(given_up)},
            spent={name: _spent(slots, name) for name in ("runs", "tokens", "usd")},
            study_name=self.study.study_name,
            storage=self._store.address.shown,
        )


def _spent(slots: Sequence[Slot], name: str) -> float | None:
    """A sum over all slots: the last attempt tells of all, as it went on from what they had paid for."""
    last = [(slot.live or slot.trials)[-1] for slot in slots]
    # One that was given up before its first run cost nothing; of one that failed later only the runs are known.
    values = [trial.user_attrs.get(name, None if trial.user_attrs.get("runs") else 0.0) for trial in last]
    known = [value for value in values if value is not None]
    return float(sum(known)) if len(known) == len(values) else None


def price(
    task: Task | Sequence[Task],
    *,
    n_trials: int,
    budget_per_trial: Budget | int | None = None,
    seeds_per_trial: int = 1,
    **options: Any,
) -> Price:
    """Tell what `tune` with the same arguments will cost at most; nothing is spent."""
    job = make_job(task, budget_per_trial=budget_per_trial, seeds_per_trial=seeds_per_trial, **options)
    each = tuple(
        job.optimizer(job.base, number).estimate(found.program, trainset=found.trainset, valset=found.valset)
        for number, found in enumerate(job.tasks)
    )
    seeds, limit = len(job.seeds), job.budget.metric_calls
    test_runs = sum(len(found.testset or ()) for found in job.tasks) * (1 + 2 * seeds)
    known = [estimate.usd for estimate in each if estimate.usd is not None]
    times = n_trials * seeds
    money = (sum(span.low for span in known) * times, sum(span.high for span in known) * times)
    runs = None if limit is None else n_trials * len(job.pairs) * limit + test_runs
    return Price(n_trials, runs, test_runs, each, money if len(known) == len(each) else None)
