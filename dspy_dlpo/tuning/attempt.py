"""One trial: a setting, run on every pair of task and seed, pruned when it is clearly worse."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import dspy
import optuna
from optuna.exceptions import UpdateFinishedTrialError

from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.errors import DLPOError, ResumeError
from dspy_dlpo.core.handover import RunFolder
from dspy_dlpo.core.history import Record
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.core.sentences import words_of
from dspy_dlpo.core.storage import EVENTS, read_history
from dspy_dlpo.tuning.job import Job, Pair
from dspy_dlpo.tuning.storage import AWAY
from dspy_dlpo.tuning.worker import TrialLost

logger = logging.getLogger(__name__)

# With pruning by steps, a run is looked at so often.
LOOKS = 10


@dataclass(frozen=True)
class PairOutcome:
    """The result of one optimization of a trial; `program_json` is the returned program's own state, if at hand."""

    task: str
    seed: int
    result: DLPOResult
    program_json: str = ""

    @property
    def score(self) -> float | None:
        """Mean score of the returned prompts on held-out examples; None if they were not compared."""
        return self.result.comparison.best

    @property
    def words(self) -> int:
        """Words of the returned prompts together."""
        return words_of(self.result.best_prompts.values())

    @property
    def runs(self) -> int:
        """Program runs spent."""
        return int(self.result.spent["metric_calls"])

    @property
    def usd(self) -> float | None:
        """US dollars spent; None if nothing was or the price is unknown."""
        return self.result.spent["usd"] or None

    @property
    def tokens(self) -> int:
        """Tokens of all models, read and written."""
        roles = [each for each in self.result.spent.values() if isinstance(each, Mapping) and "input_tokens" in each]
        return int(sum(each["input_tokens"] + each["output_tokens"] for each in roles))


class Attempt:
    """One attempt at a trial; `folder` holds the runs of the trial and of its retries."""

    def __init__(self, job: Job, trial: optuna.Trial, folder: Path, *, may_prune: bool) -> None:
        self._job, self._trial, self._folder, self._may_prune = job, trial, folder, may_prune
        self._looked = -1
        self.outcomes: list[PairOutcome] = []
        self.was_pruned = False

    def run(self) -> float:
        """Try the setting on every pair, until it is clear that it is worse; the mean score of those that ended.

        Raises:
            DLPOError: If the optimizer cannot run, or a pair was not compared on held-out examples.
            TrialLost: If the trial was given to another worker.
        """
        plan = self._job.space.suggest(self._trial)
        try:
            for number, pair in enumerate(self._job.pairs):
                self._run_pair(plan, number, pair)
                if self._job.pruning == "pairs":
                    self._tell(partial(self._trial.report, _score(self.outcomes[-1]), number))
                    if number + 1 < len(self._job.pairs):
                        self._prune_if_worse()
        except optuna.TrialPruned:
            self.was_pruned = True
        scores = [_score(outcome) for outcome in self.outcomes if outcome.result.complete]
        return float(f"{sum(scores) / max(1, len(scores)):.4g}")

    def _run_pair(self, plan: Plan, number: int, pair: Pair) -> None:
        task, records = self._job.tasks[pair.task], list[Record]()
        name, folder = self._job.name(pair.task), RunFolder(self._folder / str(number), str(self._trial.number))

        def on_record(record: Record) -> None:
            records[record.index :] = [record]  # pruning is done anew after a restart
            self._tell_spending(record.cost)
            if self._job.pruning == "steps":
                self._look(number, records)

        folder.restore()
        if (folder.path / EVENTS).exists():
            records += read_history(folder.path)
        optimizer = self._job.optimizer(plan, pair.task, seed=pair.seed, log_dir=folder.path, on_record=on_record)
        compiled = partial(optimizer.compile, task.program, trainset=task.trainset, valset=task.valset)
        try:
            program = _gone_on(compiled, folder, records)
        except optuna.TrialPruned:
            self.outcomes.append(PairOutcome(name, pair.seed, _unfinished(folder.path, self._job.parameters)))
            raise
        result: DLPOResult = program.detailed_results
        if result.ended_by is EndedBy.INTERRUPTED:
            raise KeyboardInterrupt
        if not result.complete:
            raise DLPOError(f"{name} with seed {pair.seed} ended early: {result.ended}")
        self.outcomes.append(PairOutcome(name, pair.seed, result, json.dumps(program.dump_state(), default=str)))

    def _tell_spending(self, runs: int) -> None:
        """Show the program runs so far."""
        self._tell(lambda: self._trial.set_user_attr("runs", runs + sum(each.runs for each in self.outcomes)))

    def _tell(self, say: Callable[[], object]) -> object:
        """Talk to the study, which may be away: the run goes on then. Raises `TrialLost` if others have the trial."""
        try:
            return say()
        except UpdateFinishedTrialError:
            raise TrialLost from None
        except AWAY as error:
            logger.warning("the study does not answer (%s); the run goes on", type(error.__cause__ or error).__name__)
            return None

    def _look(self, number: int, records: list[Record]) -> None:
        """Report the best judged score so far, a few times in a run, and stop when that is clearly worse."""
        look = number * LOOKS + min(LOOKS - 1, int(LOOKS * records[-1].progress))
        best = max((record.score for record in records if record.score is not None), default=None)
        if best is None or look <= self._looked:
            return
        self._looked = look
        scores = [*map(_score, self.outcomes), best]
        self._tell(lambda: self._trial.report(sum(scores) / len(scores), look))
        self._prune_if_worse()

    def _prune_if_worse(self) -> None:
        if self._may_prune and self._tell(self._trial.should_prune):
            raise optuna.TrialPruned


def _score(outcome: PairOutcome) -> float:
    if outcome.score is None:
        raise DLPOError(
            f"{outcome.task} with seed {outcome.seed} was not compared on held-out examples "
            f"({outcome.result.verdict}). Give the task a valset, or raise budget_per_trial."
        )
    return outcome.score


def _gone_on(compiled: Callable[[], dspy.Module], folder: RunFolder, records: list[Record]) -> dspy.Module:
    """The program of a run that goes on, or begins anew where what was kept is of another one: the task has changed."""
    try:
        return compiled()
    except ResumeError as error:
        folder.set_aside(str(error))
        records.clear()
        return compiled()


def _unfinished(path: Path, parameters: tuple[str, ...]) -> DLPOResult:
    """What a run that was stopped had found: the best on the judging set."""
    ended = str(Ending(EndedBy.PRUNED))
    result = DLPOResult.load(path)
    return replace(result, verdict=ended, ended=ended, ended_by=EndedBy.PRUNED, parameters=parameters)
