"""Runs without a score of their own: the metric scores a whole set of them, and an example contributes to that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dspy_dlpo.core.acceptance import TOLERANCE
from dspy_dlpo.core.budget import Account
from dspy_dlpo.core.errors import MetricError, RangeError
from dspy_dlpo.core.history import Prompts, Scored, prompts_key
from dspy_dlpo.core.roles import Failure, Forward, Row
from dspy_dlpo.core.runs import Key, RunCache
from dspy_dlpo.core.set_scores import PromptSet, SetScore, SetScores


class CorpusRuns(RunCache):
    """The runs made so far on one set of examples, where only whole sets have a score.

    Args:
        forward: As for `RunCache`, and so are the others.
        account: Pays.
        wave: Runs between two decisions.
        which: What the examples are called in the log.
        score: Scores sets.
        width: Runs that go out together at most.
        low: The lowest legal score; None for the lowest so far.
        high: The highest legal score; None if it is unknown.
    """

    scores_sets = True

    def __init__(
        self,
        forward: Forward,
        account: Account,
        wave: int = 8,
        which: str = "train",
        *,
        score: SetScore,
        width: int | None = None,
        low: float | None = 0.0,
        high: float | None = 1.0,
    ) -> None:
        self._score, self._high = score, high
        self._answers: dict[Key, Row] = {}
        works = bool(account.log.state.history)
        self._sets = SetScores(score, self._answers, low, works=works, checks_range=which == "train")
        super().__init__(forward, account, wave, which, width=width, low=low)

    def _restore(self, key: str, example: int, row: Row) -> None:
        self._rows.setdefault((key, example), []).append(row)
        if row.failure is not Failure.TRANSPORT:
            self._answers.setdefault((key, example), row)

    def _answered(self, key: Key) -> int:
        return int(key in self._answers)

    def has_score(self, prompts: Prompts, example: int) -> bool:
        """Whether a run can be part of a set."""
        return (prompts_key(prompts), example) in self._answers

    def all_scores(self, prompts: Prompts, examples: Sequence[int]) -> Mapping[int, tuple[float, ...]]:
        """The contribution of each example that has run, in the set of all of these."""
        return {x: (value,) for x, value in self.means(prompts, examples).items()}

    def means(self, prompts: Prompts, examples: Sequence[int]) -> dict[int, float]:
        """The contribution of each example that has run, in the set of all of these; their mean is its score."""
        this = self._set(prompts, examples)
        found = self._sets.contributions(this) if this[1] else {}
        return {x: found[x] for x in examples if x in found}

    def failing(self, prompts: Prompts, examples: Sequence[int], high: float | None) -> tuple[int, ...]:
        """The examples that cost something, those that cost most first; none where the score is the best.

        Where leaving one out tells of none, as an F1 of 0 stays 0, it is those that would gain if they were answered as
        the labels say; all, if that tells nothing either.
        """
        this = self._set(prompts, examples)
        if not this[1] or (high is not None and self._sets.whole(this) >= high - TOLERANCE):
            return ()
        costs = self._sets.costs(this)
        found = [x for x in this[1] if costs[x] > TOLERANCE] or [*self._sets.ideal(this)] or [*this[1]]
        return tuple(sorted(found, key=lambda x: (-round(costs[x], 9), x)))

    def changes(self, old: Prompts, new: Prompts, examples: Sequence[int]) -> dict[int, float]:
        """What each answer of other prompts would change if it alone took the place of the old one."""
        found = self._sets.swaps(self._set(old, examples), self._set(new, examples))
        return {x: found[x] for x in examples if x in found}

    def net(self, old: Prompts, new: Prompts, examples: Sequence[int]) -> float:
        """What all of these answers change together, where those not made yet are taken to be as before."""
        this, other = self._set(old, examples), self._set(new, examples)
        return self._sets.exchanged(this, other, self._sets.differing(this, other))

    def told(self, prompts: Prompts, examples: Sequence[int], among: Sequence[int]) -> list[Row]:
        """Runs with the best score where an example costs nothing, else the lowest, and what it costs in words."""
        this, failing = self._set(prompts, among), self.failing(prompts, among, self._high)
        rows = super().told(prompts, examples, among)
        answers, costs = {id(self._answers[this[0], x]) for x in this[1]}, self._sets.costs(this)
        costing = {x: costs[x] for x in failing}
        return [self._told(row, this, costing.get(row.example)) if id(row) in answers else row for row in rows]

    def scored(self, prompts: Prompts, examples: Sequence[int]) -> Scored:
        """Prompts with their contributions, and with what scores other sets of these examples."""
        sets = _Sets(self, prompts, self._score.resamples)
        return Scored(prompts, self.means(prompts, examples), sets, of_set=True)

    def try_metric(self, prompts: Prompts, example: int) -> None:
        """Have the metric called once, with the first run.

        Raises:
            MetricError: If it cannot work.
        """
        row = self._answers.get((prompts_key(prompts), example))
        if row is not None and not row.failure and not self._sets.works:
            try:
                self._score.try_out(row)
            except RangeError as error:
                raise MetricError(str(error)) from error

    def unscored_sets(self, judged: Sequence[tuple[Prompts, Sequence[int]]] | None = None) -> int:
        """How many prompts have no score, of those that were judged or of all: the same in a run that goes on."""
        sets = set(self._sets.known) if judged is None else {self._set(*each) for each in judged}
        for this in sets:
            self._sets.whole(this)
        return len({key for key, _ in self._sets.undefined & sets})

    def of_resample(self, prompts: Prompts, examples: Sequence[int]) -> float:
        """The score of prompts on examples of which each has run, and may stand there several times."""
        key = prompts_key(prompts)
        return self._sets.part([self._answers[key, x] for x in examples])

    def _set(self, prompts: Prompts, examples: Sequence[int]) -> PromptSet:
        """The examples that have run."""
        key = prompts_key(prompts)
        return key, tuple(sorted({x for x in examples if (key, x) in self._answers}))

    def _told(self, row: Row, this: PromptSet, cost: float | None) -> Row:
        """A run as critics are told of it; `cost` is None for one that costs nothing."""
        if cost is None:
            return replace(row, score=self._high)
        sets, whole, x = self._sets, self._sets.whole(this), row.example
        said = f"The score of all {len(this[1])} examples together is {whole:.3g}"
        if cost > TOLERANCE:
            said += f"; without this one it would be {whole + cost:.3g}"
        elif x in sets.ideal(this):
            said += f"; with the expected answer to this one it would be {sets.ideal(this)[x]:.3g}"
        return replace(row, score=sets.lowest, feedback=f"{said}.")


@dataclass(frozen=True)
class _Sets:
    """Scores of prompts on any of the examples that they have run on: the `Sets` of a `Scored`."""

    runs: CorpusRuns
    prompts: Prompts
    resamples: int

    def contributions(self, examples: Sequence[int]) -> Mapping[int, float]:
        """What each of these examples contributes to the score of all of these."""
        return self.runs.means(self.prompts, examples)

    def score(self, examples: Sequence[int]) -> float:
        """The score on examples, of which one may stand there several times."""
        return self.runs.of_resample(self.prompts, examples)
