"""One trial: a setting, run on every pair of task and seed, pruned when it is clearly worse."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dspy
import optuna

from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.errors import DLPOError, ResumeError
from dspy_dlpo.core.history import History, Record
from dspy_dlpo.core.plan import Plan
from dspy_dlpo.core.result import Comparison, DLPOResult
from dspy_dlpo.core.storage import EVENTS, read_history
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.tuning.blobs import Blobs
from dspy_dlpo.tuning.checkpoint import Checkpoint
from dspy_dlpo.tuning.job import Job, Pair
from dspy_dlpo.tuning.outcome import Outcome
from dspy_dlpo.tuning.queue import SLOT

# With pruning by steps, a run is looked at so often.
LOOKS = 10


class TrialLost(Exception):
    """The trial was given to another worker, as this one was not heard of for too long."""


class Attempt:
    """One attempt at a trial.

    Args:
        job: The search.
        trial: Optuna's trial, running.
        blobs: Where checkpoints are kept.
        root: Names the trial and its retries in the blobs.
        number: Number of this attempt, from 0.
        is_lost: Whether the trial was taken away meanwhile.
    """

    def __init__(
        self, job: Job, trial: optuna.Trial, blobs: Blobs, root: str, number: int, is_lost: Callable[[], bool]
    ) -> None:
        self._job, self._trial, self._blobs, self._root, self._number = job, trial, blobs, root, number
        self._is_lost = is_lost
        self._looked = -1
        self._checkpoint: Checkpoint | None = None
        self.outcomes: list[Outcome] = []
        self.was_pruned = False

    def run(self) -> tuple[float, ...]:
        """Try the setting on every pair, until it is clear that it is worse.

        Returns:
            Means over the pairs, one per objective.

        Raises:
            DLPOError: If the optimizer cannot run, or a pair was not compared on held-out examples.
            TrialLost: If the trial was given to another worker.
        """
        plan = self._job.space.suggest(self._trial)
        for number, pair in enumerate(self._job.pairs):
            try:
                self.outcomes.append(self._outcome(plan, number, pair))
            except optuna.TrialPruned:
                self.was_pruned = True
                break
            if self._job.pruning == "pairs":
                self._trial.report(self._score(self.outcomes[-1]), number)
                if number + 1 < len(self._job.pairs) and self._is_worse():
                    self.was_pruned = True
                    break
        return tuple(float(f"{self._mean(goal):.4g}") for goal in self._job.objective)

    def save(self) -> None:
        """Keep what was done so far; called from another thread."""
        checkpoint = self._checkpoint
        if checkpoint is not None:
            checkpoint.save()

    def _outcome(self, plan: Plan, number: int, pair: Pair) -> Outcome:
        task, records = self._job.tasks[pair.task], list[Record]()

        def on_record(record: Record) -> None:
            records[record.index :] = [record]  # pruning is done anew after a restart
            checkpoint.save()
            if self._is_lost():
                raise TrialLost
            if self._job.pruning == "steps":
                self._look(number, records)

        with tempfile.TemporaryDirectory(prefix="dlpo-tune-") as folder:
            log_dir = Path(folder) / "run"
            checkpoint = Checkpoint(self._blobs, f"{self._root}/{number}", self._number, log_dir)
            if checkpoint.restore() and (log_dir / EVENTS).exists():
                records += read_history(log_dir)
            self._checkpoint = checkpoint
            optimizer = self._job.optimizer(plan, pair.task, seed=pair.seed, log_dir=log_dir, on_record=on_record)
            compiled = partial(optimizer.compile, task.program, trainset=task.trainset, valset=task.valset)
            try:
                program = _gone_on(compiled, checkpoint, records)
            except optuna.TrialPruned:
                self.outcomes.append(self._unfinished(pair, records))
                raise
            finally:
                checkpoint.save()
                self._checkpoint = None
        result: DLPOResult = program.detailed_results
        if result.ended_by is EndedBy.INTERRUPTED:
            raise KeyboardInterrupt
        if not result.complete:
            raise DLPOError(f"{self._job.name(pair.task)} with seed {pair.seed} ended early: {result.ended}")
        return Outcome(self._job.name(pair.task), pair.seed, result, _state(program))

    def _is_worse(self) -> bool:
        """Whether the setting is given up; never the shipped ones, as all others are compared with them in the end."""
        return self._trial.user_attrs[SLOT] != 0 and self._trial.should_prune()

    def _look(self, number: int, records: list[Record]) -> None:
        """Report the best judged score so far, a few times in a run, and stop when that is clearly worse."""
        look = number * LOOKS + min(LOOKS - 1, int(LOOKS * records[-1].progress))
        best = max((record.score for record in records if record.score is not None), default=None)
        if best is None or look <= self._looked:
            return
        self._looked = look
        finished = [self._score(outcome) for outcome in self.outcomes]
        self._trial.report((sum(finished) + best) / (len(finished) + 1), look)
        if self._is_worse():
            raise optuna.TrialPruned

    def _unfinished(self, pair: Pair, records: list[Record]) -> Outcome:
        """What a run that was stopped had found: the best on the judging set."""
        history, start = History(records), read_prompts(self._job.tasks[pair.task].program, self._job.parameters)
        best = history.best()
        spent = {
            "metric_calls": records[-1].cost,
            "usd": records[-1].spent.get("usd"),
            "all": {name: int(records[-1].spent[name]) for name in ("input_tokens", "output_tokens")},
        }
        result = DLPOResult(
            verdict=str(Ending(EndedBy.PRUNED)),
            start_prompts=start,
            best_prompts=start if best is None else best.prompts,
            comparison=Comparison(),
            history=history,
            spent=spent,
            ended=str(Ending(EndedBy.PRUNED)),
            ended_by=EndedBy.PRUNED,
            complete=False,
            parameters=self._job.parameters,
        )
        return Outcome(self._job.name(pair.task), pair.seed, result)

    def _score(self, outcome: Outcome) -> float:
        if outcome.score is None:
            raise DLPOError(
                f"{outcome.task} with seed {outcome.seed} was not compared on held-out examples "
                f"({outcome.result.verdict}). Give the task a valset, or raise budget_per_trial."
            )
        return outcome.score

    def _mean(self, goal: str) -> float:
        finished = [outcome for outcome in self.outcomes if outcome.result.complete]
        values: dict[str, Callable[[Outcome], float]] = {
            "score": self._score,
            "words": lambda outcome: float(outcome.words),
            "usd": lambda outcome: outcome.usd or 0.0,
        }
        return sum(values[goal](outcome) for outcome in finished) / max(1, len(finished))


def _gone_on(compiled: Callable[[], dspy.Module], checkpoint: Checkpoint, records: list[Record]) -> dspy.Module:
    """The program of a run that goes on, or begins anew where what was kept is of another one: the task has changed."""
    try:
        return compiled()
    except ResumeError as error:
        checkpoint.set_aside(str(error))
        records.clear()
        return compiled()


def _state(program: dspy.Module) -> str:
    """The program's own saved state, as JSON."""
    state: dict[str, Any] = program.dump_state()
    return json.dumps(state, default=str)
