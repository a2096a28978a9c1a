"""Runs without a score of their own: a metric scores a whole set of them, and leaving one out tells what it is worth.

The contributions of the examples of a set are the jackknife's pseudo-values, shifted so that their mean is the score of
the set: so all that reads a mean over examples reads that score, and their standard error is the jackknife's.

Source: Tukey, "Bias and confidence in not quite large samples", Annals of Mathematical Statistics 29, 1958.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from dspy_dlpo.core.acceptance import TOLERANCE
from dspy_dlpo.core.budget import Account
from dspy_dlpo.core.errors import MetricError, RangeError
from dspy_dlpo.core.history import Prompts, Scored, prompts_key
from dspy_dlpo.core.roles import Failure, Forward, Row
from dspy_dlpo.core.runs import Key, RunCache

logger = logging.getLogger(__name__)

# Where a range that is wrong ends the run: what comes later would be worth nothing.
TRAIN = "train"
# Prompts by their key, and the examples of a set, in order.
Set = tuple[str, tuple[int, ...]]


class SetScore(Protocol):
    """Score a set of runs; the metric."""

    @property
    def resamples(self) -> int:
        """Resamples of a bootstrap."""

    def __call__(self, rows: Sequence[Row], ideal: Collection[int] = ()) -> float:
        """The score of runs, one of which may stand there several times.

        Args:
            rows: The runs.
            ideal: Examples whose runs are taken to have answered as the labels say.

        Raises:
            MetricError: If there is none.
        """

    def try_out(self, row: Row) -> None:
        """Find out early, from one run, whether the metric cannot work.

        Raises:
            MetricError: If so.
        """


class CorpusRuns(RunCache):
    """The runs made so far on one set of examples, where only whole sets have a score.

    A set that the metric cannot score counts as the lowest, once it has scored one.

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
        self._score, self._low, self._high = score, low, high
        self._answers: dict[Key, Row] = {}
        self._wholes: dict[Set, float] = {}
        self._undefined: set[Set] = set()
        self._rests: dict[Set, tuple[float, ...]] = {}
        self._ideals: dict[Set, Mapping[int, float]] = {}
        self._swaps: dict[tuple[Set, Set], Mapping[int, float]] = {}
        self._works = bool(account.log.state.history)
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
        if not this[1]:
            return {}
        whole, rests = self._whole(this), self._without_each(this)
        middle, most = math.fsum(rests) / len(rests), len(rests) - 1
        found = {x: whole + most * (middle - rest) for x, rest in zip(this[1], rests, strict=True)}
        return {x: found[x] for x in examples if x in found}

    def failing(self, prompts: Prompts, examples: Sequence[int], high: float | None) -> tuple[int, ...]:
        """The examples that cost something, those that cost most first; none where the score is the best.

        Where leaving one out tells of none, as an F1 of 0 stays 0, it is those that would gain if they were answered as
        the labels say; all, if that tells nothing either.
        """
        this = self._set(prompts, examples)
        if not this[1] or (high is not None and self._whole(this) >= high - TOLERANCE):
            return ()
        costs = self._costs(this)
        found = [x for x in this[1] if costs[x] > TOLERANCE] or [*self._ideal(this)] or [*this[1]]
        return tuple(sorted(found, key=lambda x: (-round(costs[x], 9), x)))

    def changes(self, old: Prompts, new: Prompts, examples: Sequence[int]) -> dict[int, float]:
        """What each answer of other prompts would change if it alone took the place of the old one.

        In the units of contributions: the mean over the set is the change of its score.
        """
        this, other = self._set(old, examples), self._set(new, examples)
        if (this, other) not in self._swaps:
            changes = {x: self._exchanged(this, other, [x]) for x in self._differing(this, other)}
            self._swaps[this, other] = {x: change for x, change in changes.items() if abs(change) > TOLERANCE}
        found = self._swaps[this, other]
        return {x: found[x] for x in examples if x in found}

    def net(self, old: Prompts, new: Prompts, examples: Sequence[int]) -> float:
        """What all of these answers change together, where those not made yet are taken to be as before."""
        this, other = self._set(old, examples), self._set(new, examples)
        differing = self._differing(this, other)
        return self._exchanged(this, other, differing) if differing else 0.0

    def told(self, prompts: Prompts, examples: Sequence[int], among: Sequence[int]) -> list[Row]:
        """Runs with the best score where an example costs nothing, else the lowest, and what it costs in words."""
        this = self._set(prompts, among)
        failing, costs = set(self.failing(prompts, among, self._high)), self._costs(this)
        rows = [row for x in examples for row in self.rows(prompts, x)]
        return [
            self._told(row, this, row.example in failing, costs)
            if row is self._answers.get((this[0], row.example))
            else row
            for row in rows
        ]

    def scored(self, prompts: Prompts, examples: Sequence[int]) -> Scored:
        """Prompts with their contributions, and with what scores other sets of these examples."""
        return Scored(prompts, self.means(prompts, examples), _Sets(self, prompts), of_set=True)

    def try_metric(self, prompts: Prompts, example: int) -> None:
        """Have the metric called once, with the first run.

        Raises:
            MetricError: If it cannot work.
        """
        row = self._answers.get((prompts_key(prompts), example))
        if row is not None and not row.failure and not self._works:
            try:
                self._score.try_out(row)
            except RangeError as error:
                raise MetricError(str(error)) from error

    def unscored_sets(self, judged: Sequence[tuple[Prompts, Sequence[int]]] | None = None) -> int:
        """How many prompts have no score, of those that were judged or of all: the same in a run that goes on."""
        sets = self._wholes if judged is None else {self._set(*each) for each in judged}
        for this in sets:
            self._whole(this)
        return len({key for key, _ in self._undefined.intersection(sets)})

    def of_resample(self, prompts: Prompts, examples: Sequence[int]) -> float:
        """The score of prompts on examples of which each has run, and may stand there several times."""
        key = prompts_key(prompts)
        return self._part([self._answers[key, x] for x in examples])

    @property
    def resamples(self) -> int:
        """Resamples of a bootstrap."""
        return self._score.resamples

    def _set(self, prompts: Prompts, examples: Sequence[int]) -> Set:
        key = prompts_key(prompts)
        return key, tuple(sorted({x for x in examples if (key, x) in self._answers}))

    def _whole(self, this: Set) -> float:
        """The score of a set, worked out once.

        Raises:
            MetricError: If the metric has never scored one, or its range is wrong.
        """
        if this not in self._wholes:
            try:
                self._wholes[this] = self._score(self._rows_of(this))
            except MetricError as error:
                if not self._works or (isinstance(error, RangeError) and self._which == TRAIN):
                    raise MetricError(str(error)) from error
                if not self._undefined:
                    logger.warning("%s This set counts as the lowest score; later ones like it are counted.", error)
                self._undefined.add(this)
                self._wholes[this] = self._lowest()
            self._works = True
        return self._wholes[this]

    def _lowest(self) -> float:
        return min(self._wholes.values(), default=0.0) if self._low is None else self._low

    def _part(self, rows: Sequence[Row], ideal: Collection[int] = ()) -> float:
        """The score of a set that is not said of any prompts."""
        try:
            return self._score(rows, ideal)
        except MetricError:
            return self._lowest()

    def _rows_of(self, this: Set) -> list[Row]:
        return [self._answers[this[0], x] for x in this[1]]

    def _without_each(self, this: Set) -> tuple[float, ...]:
        """The score of a set without each of its examples; of one alone its own."""
        if this not in self._rests:
            whole, rows = self._whole(this), self._rows_of(this)
            rests = [self._part([*rows[:i], *rows[i + 1 :]]) for i in range(len(rows))] if len(rows) > 1 else [whole]
            self._rests[this] = tuple(rests)
        return self._rests[this]

    def _costs(self, this: Set) -> dict[int, float]:
        """By how much the score would be higher without each example."""
        rests = self._without_each(this) if this[1] else ()
        return {x: rest - self._whole(this) for x, rest in zip(this[1], rests, strict=True)}

    def _ideal(self, this: Set) -> Mapping[int, float]:
        """The score where one example is answered as its labels say, of those examples that would raise it so."""
        if this not in self._ideals:
            whole, rows = self._whole(this), self._rows_of(this)
            ideals = {x: self._part(rows, (x,)) for x in this[1]}
            self._ideals[this] = {x: score for x, score in ideals.items() if score > whole + TOLERANCE}
        return self._ideals[this]

    def _differing(self, this: Set, other: Set) -> list[int]:
        """The examples that both have run, with other answers."""
        both = [x for x in this[1] if x in set(other[1])]
        return [x for x in both if _answer(self._answers[this[0], x]) != _answer(self._answers[other[0], x])]

    def _exchanged(self, this: Set, other: Set, examples: Sequence[int]) -> float:
        """The change of the score where some answers take the place of others, in the units of contributions."""
        found = set(examples)
        rows = [self._answers[other[0] if x in found else this[0], x] for x in this[1]]
        return len(rows) * (self._part(rows) - self._whole(this))

    def _told(self, row: Row, this: Set, fails: bool, costs: Mapping[int, float]) -> Row:
        if not fails:
            return replace(row, score=self._high)
        whole, cost, x = self._whole(this), costs[row.example], row.example
        said = f"The score of all {len(this[1])} examples together is {whole:.3g}"
        if cost > TOLERANCE:
            said += f"; without this one it would be {whole + cost:.3g}"
        elif x in self._ideal(this):
            said += f"; with the expected answer to this one it would be {self._ideal(this)[x]:.3g}"
        return replace(row, score=self._lowest(), feedback=f"{said}.")


@dataclass(frozen=True)
class _Sets:
    """Scores of prompts on any of the examples that they have run on: the `Sets` of a `Scored`."""

    runs: CorpusRuns
    prompts: Prompts

    @property
    def resamples(self) -> int:
        """Resamples of a bootstrap."""
        return self.runs.resamples

    def contributions(self, examples: Sequence[int]) -> Mapping[int, float]:
        """What each of these examples contributes to the score of all of these."""
        return self.runs.means(self.prompts, examples)

    def score(self, examples: Sequence[int]) -> float:
        """The score on examples, of which one may stand there several times."""
        return self.runs.of_resample(self.prompts, examples)


def _answer(row: Row) -> tuple[Any, ...]:
    """What the metric sees of a run."""
    return (True,) if row.failure else (False, row.outputs, row.values)
