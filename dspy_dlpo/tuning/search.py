"""Search for better settings of the optimizer, on one machine or many."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import dspy
import optuna
from optuna.trial import FrozenTrial, TrialState

from dspy_dlpo.core.budget import Budget
from dspy_dlpo.core.checks import check_whole
from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.core.task import Task
from dspy_dlpo.estimate.estimate import Estimate
from dspy_dlpo.host.program import with_prompts
from dspy_dlpo.teleprompter import DLPOTeleprompter
from dspy_dlpo.tuning.code import import_line, optimizer_line
from dspy_dlpo.tuning.display import show_text
from dspy_dlpo.tuning.final import Claim, best_prompts, claim_from_json, claim_to_json, ended_trials, make_claim
from dspy_dlpo.tuning.heart import Heart
from dspy_dlpo.tuning.job import Job, make_job, plan_settings
from dspy_dlpo.tuning.queue import Pulse, Queue
from dspy_dlpo.tuning.storage import Store, open_store
from dspy_dlpo.tuning.study import Opened, open_study
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
        study_name: The study.
        storage: Where it is, without its password.
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
    objective: str | Sequence[str] = "score",
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
        storage: Where the study is: a URL, or a path of an SQLite file. None for the environment variable
            ``DLPO_STORAGE``, else the file ``dlpo-tuning.db``.
        study_name: What the study is called.
        objective: ``"score"``, or that with a second: ``("score", "words")`` or ``("score", "usd")``.
        budget_per_trial: What one run of the optimizer may spend: a budget, or program runs; None for 600. A trial
            makes one such run for every task and seed.
        seeds_per_trial: With how many seeds each setting is tried, at least 1.
        pruning: ``"pairs"`` gives a setting up that is clearly worse over pairs of task and seed (at least 4 of them),
            ``"steps"`` one that learns clearly more slowly, ``"none"`` none; ``"auto"`` is ``"pairs"`` where there are
            enough, else ``"steps"``, and ``"none"`` with two objectives.
        seed: Of the sampler and of the first run; a single worker that starts anew repeats the search.
        artifacts: Where checkpoints and artifacts are kept, if not beside the study.
        pulse: How workers that live are told from those that died.
        on_trial: Told of every trial that this process has ended.
        **options: Further arguments of `DLPOTeleprompter`, the same for all trials. ``techniques``, ``acceptance``,
            ``judging`` and ``batch_size`` are the shipped settings then.

    Returns:
        What was found; when all trials have ended, whoever ran them.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is illegal, or the study of this name searches something else.
        StorageError: If the storage cannot be opened.
        WorkerError: If trials fail one after the other.
        DLPOError: If the shipped settings never ended well.
    """
    with Search(
        task,
        n_trials=n_trials,
        storage=storage,
        study_name=study_name,
        objective=objective,
        budget_per_trial=budget_per_trial,
        seeds_per_trial=seeds_per_trial,
        pruning=pruning,
        seed=seed,
        artifacts=artifacts,
        pulse=pulse,
        **options,
    ) as search:
        search.work(on_trial)
        return search.result()


class Search:
    """A search over settings that this process takes part in, in a ``with`` block; its arguments are those of `tune`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is illegal, or the study of this name searches something else.
        StorageError: If the storage cannot be opened.
    """

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
        objective: str | Sequence[str] = "score",
        pruning: str = "auto",
        **arguments: Any,
    ) -> None:
        check_whole("tune", "n_trials", n_trials, 2)
        self._job = make_job(task, seed=seed, objective=objective, pruning=pruning, **arguments)
        self._seed, self._pulse = seed, pulse or Pulse()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._store = open_store(storage, artifacts)
        try:
            self._opened = open_study(self._store, study_name, self._job, n_trials, self._pulse)
        except BaseException:
            self._store.close()
            raise

    def __enter__(self) -> Search:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._store.close()

    def work(
        self,
        on_trial: Callable[[FrozenTrial], None] = lambda trial: None,
        before: Callable[[], None] = lambda: None,
    ) -> int:
        """Try settings until all are done, by whomever.

        Args:
            on_trial: Told of every trial that this process has ended.
            before: Called before each trial is taken; what it raises ends the work.

        Returns:
            How many trials this process has ended.

        Raises:
            WorkerError: If trials fail one after the other.
            KeyboardInterrupt: On Ctrl-C; the trial is given back.
        """
        worker = Worker(
            self._job, self._store, self._opened, seed=self._seed, pulse=self._pulse, on_trial=on_trial, before=before
        )
        return worker.work()

    def result(self) -> TuneResult:
        """What was found; the final claim is made by one process, and read by the others.

        Raises:
            DLPOError: If the shipped settings never ended well, or the claim cannot be made.
        """
        return _result(self._job, self._store, self._opened, self._pulse)


def price(
    task: Task | Sequence[Task],
    *,
    n_trials: int,
    budget_per_trial: Budget | int | None = None,
    seeds_per_trial: int = 1,
    **options: Any,
) -> Price:
    """Tell what `tune` with the same arguments will cost at most; nothing is spent.

    Args:
        task: As for `tune`, as are the others.
        n_trials: Settings to try.
        budget_per_trial: What one run of the optimizer may spend.
        seeds_per_trial: With how many seeds each setting is tried.
        **options: Further arguments of `DLPOTeleprompter`.

    Returns:
        Program runs at most, and US dollars where every price is known.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is illegal.
    """
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
    return Price(
        trials=n_trials,
        runs=None if limit is None else n_trials * len(job.pairs) * limit + test_runs,
        test_runs=test_runs,
        each=each,
        usd=money if len(known) == len(each) else None,
    )


def _result(job: Job, store: Store, opened: Opened, pulse: Pulse) -> TuneResult:
    poisoned = opened.queue.poisoned(opened.slots)
    for slot, why in poisoned.items():
        logger.warning("setting %d was given up after %d attempts: %s", slot, pulse.retries + 1, why)
    claim = _claim(job, store, opened, pulse)
    trials = {trial.number: trial for trial in ended_trials(opened.study, TrialState.COMPLETE)}
    best, shipped = trials[claim.trial], trials[claim.shipped_trial]
    used = best if claim.is_gain else shipped
    plan, found = job.space.settings(used.params), job.space.settings(best.params)
    chosen = plan_settings(plan)
    return TuneResult(
        verdict=claim.verdict,
        claim=claim,
        optimizer=job.optimizer(plan, seed=job.seeds[0]),
        candidate=job.optimizer(found, seed=job.seeds[0]),
        program=with_prompts(job.tasks[0].program, best_prompts(job, store, opened.uid, used, 0), job.parameters),
        line=f"{import_line(chosen)}\n\n{optimizer_line(chosen)}",
        params=dict(best.params),
        trials={
            "complete": len(trials),
            "pruned": len(ended_trials(opened.study, TrialState.PRUNED)),
            "given up": len(poisoned),
        },
        spent=_spent(opened.study),
        study_name=opened.study.study_name,
        storage=store.shown,
    )


def _spent(study: optuna.Study) -> dict[str, float | None]:
    trials = ended_trials(study)
    spent: dict[str, float | None] = {}
    for name in ("runs", "tokens", "usd"):
        values = [trial.user_attrs.get(name) for trial in trials]
        known = [value for value in values if value is not None]
        spent[name] = float(sum(known)) if len(known) == len(values) else None
    return spent


def _why_no_claim(queue: Queue, store: Store) -> str:
    lost = f"a worker made it, but {store.shown} does not hold it. Have all workers use the same storage and artifacts"
    return queue.poisoned(1).get(0, lost)


def _claim(job: Job, store: Store, opened: Opened, pulse: Pulse) -> Claim:
    """The claim of a study whose trials have ended: made by one process, read by the others."""
    name = f"claim/{opened.uid}/{opened.slots}"
    while True:
        known = store.blobs.get(name)
        if known is not None:
            return claim_from_json(known)
        study = optuna.create_study(
            storage=store.storage,
            study_name=f"{opened.study.study_name} (claim after {opened.slots} trials)",
            direction="maximize",
            load_if_exists=True,
        )
        queue = Queue(study, store.storage, pulse)
        trial = queue.take(1)
        if trial is None:
            if store.blobs.get(name) is None:
                raise DLPOError(f"The final claim failed: {_why_no_claim(queue, store)}.")
            continue
        with Heart(store.storage, trial, pulse.every):
            try:
                claim = make_claim(job, opened.study, store, opened.uid, opened.slots)
            except BaseException:
                queue.release(trial)
                raise
            store.blobs.put(name, claim_to_json(claim))
            for label, value in json.loads(claim_to_json(claim)).items():
                trial.set_user_attr(label, value)
            trial.set_user_attr("verdict", claim.verdict)
            show_text(trial, claim.verdict)
            study.tell(trial, claim.difference)
        return claim
