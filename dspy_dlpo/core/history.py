"""What a run has done so far: its only state, from which techniques, schedules and acceptance read all they need."""

from __future__ import annotations

import hashlib
import json
import math
import random
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cmp_to_key, lru_cache
from typing import Protocol, overload

from dspy_dlpo.core.edits import Dropped, Edit, Edits
from dspy_dlpo.core.json_lines import RARE
from dspy_dlpo.core.reasons import NO_REASON, Reason, Why
from dspy_dlpo.core.sentences import words_of
from dspy_dlpo.core.update import Note, TextGradient

Prompts = dict[str, str]


class Fault(str, Enum):
    """Why a step came to no edit by the prompt model's doing."""

    NO_CRITIQUE = "no critique"
    NO_USABLE_REPLY = "no usable reply"


@dataclass(frozen=True)
class Asked:
    """One request to the writer: for which predictor, in which form, and whether the reply would change anything."""

    predictor: str
    form: str
    usable: bool


class RecordKind(str, Enum):
    """What a record tells of."""

    START = "start"
    STEP = "step"
    TRIAL = "trial"
    GROWTH = "growth"
    PRUNE = "prune"

    def __str__(self) -> str:
        return self.value

    @property
    def enlarges(self) -> bool:
        """Whether examples came to the judging set, and nothing was decided."""
        return self in (RecordKind.START, RecordKind.GROWTH)


@dataclass(frozen=True)
class LedgerEntry:
    """What one edit of a proposal was found to do.

    Of a `CorpusMetric` it gained the examples whose new answer alone raises the score, and lost those whose answer
    alone lowers it.

    Args:
        edit: The edit.
        gained: Training examples that it repaired.
        lost: Training examples that it broke.
        kept: Whether it is part of the judged proposal.
        reason: Why it was kept or not.
    """

    edit: Edit
    gained: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    kept: bool = False
    reason: Reason = NO_REASON


def ledger_as_one(edits: Edits, why: Why, *, kept: bool = True) -> tuple[LedgerEntry, ...]:
    """The ledger of edits that were judged as one, so that it is not known what each did."""
    return tuple(LedgerEntry(edit, kept=kept, reason=why.because()) for edit in edits)


@dataclass(frozen=True)
class Record:
    """One thing the run did: the start, a step, a trial, a growth of the judging set, or a pruning.

    Args:
        kind: What it tells of.
        index: Number of the record, from 0 (the start).
        progress: The run's clock when it began, 0 to 1.
        prompts: The prompts in force before, by predictor.
        proposal: The prompts that were judged: after constraints, and of a proposal that failed its better half.
        batch: Failing training examples that the step looked at.
        gradients: What is wrong, as critic or writer say, for each part of the batch and predictor; without text where
            nothing was said.
        notes: What the techniques said to the writer, by predictor.
        edits: The edits that were admitted.
        dropped: The edits that were not, with reasons.
        ledger: What each admitted edit gained and lost.
        bar: The lowest accepted score; None when everything is accepted or nothing was judged.
        scores: Real runs of the proposal: the score of each run, by training example.
        of_set: Whether only the whole set has a score, and `scores` are what each example contributes to it.
        complete: Whether the proposal has run on the whole judging set.
        score: Mean score of the proposal on the judging set; None when it was cut short.
        base: Mean score of the prompts in force on the same examples, before; None if nothing was judged.
        accepted: Whether the proposal is now in force.
        reason: Why; ``str(record.reason)`` says it in words.
        cost: Program runs spent when it ended, from the start of the run.
        spent: Running totals when it ended: ``metric_calls``, and calls and tokens by role.
        seconds: How long it took.
        chosen: The numbers that a controller chose for this step, by name; those of the plan held for the others.
        fault: Why there is no edit, where critic or writer failed; None for any other record.
        asked: What the writer was asked, in order.
    """

    kind: RecordKind
    index: int
    progress: float
    prompts: Prompts
    proposal: Prompts
    batch: tuple[int, ...] = ()
    gradients: tuple[TextGradient, ...] = ()
    notes: Mapping[str, tuple[Note, ...]] = field(default_factory=dict)
    edits: Edits = ()
    dropped: tuple[Dropped, ...] = ()
    ledger: tuple[LedgerEntry, ...] = ()
    bar: float | None = None
    scores: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    complete: bool = False
    score: float | None = None
    base: float | None = None
    accepted: bool = False
    reason: Reason = NO_REASON
    cost: int = 0
    spent: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    chosen: Mapping[str, float] = field(default_factory=dict)
    fault: Fault | None = None
    asked: tuple[Asked, ...] = ()
    of_set: bool = field(default=False, metadata={RARE: True})

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", RecordKind(self.kind))

    @property
    def step(self) -> int:
        """The former name of `index`, which goes with the next version."""
        warnings.warn("Record.step is now Record.index. Use that.", DeprecationWarning, stacklevel=2)
        return self.index

    @property
    def gained(self) -> bool:
        """Whether it was accepted and raised the score."""
        return self.accepted and self.score is not None and self.base is not None and self.score > self.base + 1e-9


class Sets(Protocol):
    """Score the same prompts on other sets of examples, where a metric scores whole sets alone."""

    @property
    def resamples(self) -> int:
        """Resamples of a bootstrap."""

    def contributions(self, examples: Sequence[int]) -> Mapping[int, float]:
        """What each of these examples contributes to the score of all of these, which is the mean."""

    def score(self, examples: Sequence[int]) -> float:
        """The score on examples, of which one may stand there several times."""


@dataclass(frozen=True)
class Scored:
    """Prompts with their mean score on each example they have run on.

    Args:
        prompts: The prompts.
        scores: By example; where whole sets are scored, what each contributes to that of all of these.
        sets: Scores other sets of these examples there; None for a metric of single examples.
        of_set: Whether the scores are contributions.
    """

    prompts: Prompts
    scores: Mapping[int, float]
    sets: Sets | None = None
    of_set: bool = False

    def on(self, examples: Sequence[int]) -> Mapping[int, float]:
        """The scores on some of the examples, as a set of their own, in the order in which these are given."""
        scores = self.scores if self.sets is None else self.sets.contributions(examples)
        return {x: scores[x] for x in examples}

    @property
    def words(self) -> int:
        """Words of all prompts together."""
        return words_of(self.prompts.values())


def prompts_key(prompts: Mapping[str, str]) -> str:
    """A short name for a set of prompts: equal for equal texts, in any process."""
    return _key(tuple(sorted(prompts.items())))


@lru_cache(maxsize=1024)
def _key(items: tuple[tuple[str, str], ...]) -> str:
    text = json.dumps(dict(items), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[float, int]:
    """Mean of first minus second over the examples that both have run, and how many there are."""
    common = sorted(first.keys() & second.keys())
    if not common:
        return 0.0, 0
    return math.fsum(first[x] - second[x] for x in common) / len(common), len(common)


class History(Sequence[Record]):
    """The records of a run, in order."""

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self._records = tuple(records)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> History: ...
    def __getitem__(self, index: int | slice) -> Record | History:
        """One record, or a part of the history."""
        return History(self._records[index]) if isinstance(index, slice) else self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def current(self, start: Prompts) -> Prompts:
        """The prompts in force: the proposal last accepted, or `start`."""
        accepted = (record for record in reversed(self._records) if record.accepted and record.kind != RecordKind.PRUNE)
        return next((record.proposal for record in accepted), start)

    @property
    def of_sets(self) -> bool:
        """Whether only whole sets have a score, and those of examples are what each contributes."""
        return any(record.of_set for record in self._records)

    def steps(self) -> tuple[Record, ...]:
        """The records of steps."""
        return tuple(record for record in self._records if record.kind == RecordKind.STEP)

    def gradients(self, predictor: str, last: int) -> tuple[tuple[int, TextGradient], ...]:
        """What the critic wrote of a predictor in the last steps.

        Returns:
            Pairs of age (1 for the step before this one) and gradient, newest first.
        """
        recent = list(reversed(self.steps()))[:last]
        return tuple(
            (age, gradient)
            for age, record in enumerate(recent, start=1)
            for gradient in record.gradients
            if gradient.predictor == predictor
        )

    def scored(self) -> tuple[Scored, ...]:
        """Every distinct set of prompts that was judged to the end, in order of first appearance."""
        found: dict[str, tuple[Prompts, dict[int, float]]] = {}
        for record in self._records:
            if record.complete:
                _, scores = found.setdefault(prompts_key(record.proposal), (record.proposal, {}))
                scores.update({x: math.fsum(runs) / len(runs) for x, runs in record.scores.items() if runs})
        of_set = self.of_sets
        return tuple(Scored(prompts, scores, of_set=of_set) for prompts, scores in found.values())

    def ranked(self) -> tuple[Scored, ...]:
        """The judged prompts, best first, compared on the examples that both have run; of equals the shorter first."""
        return best_first(self.scored())

    def best(self) -> Scored | None:
        """The best prompts judged so far; None before anything was judged."""
        return min(self.scored(), key=cmp_to_key(_compare), default=None)


def judging_set(history: History) -> tuple[int, ...]:
    """The training examples that are judged on by the end of a history: what the start and the growths drew."""
    return tuple(x for record in history if record.kind.enlarges for x in record.batch)


def digits_of(history: History) -> int:
    """Decimals in which scores are told in their own units: a correlation says nothing in one."""
    return 3 if history.of_sets else 1


def best_first(scored: Sequence[Scored]) -> tuple[Scored, ...]:
    """Prompts in order of their scores on the examples that two of them have run; of equals the shorter first."""
    return tuple(sorted(scored, key=cmp_to_key(_compare)))


def _difference(first: Scored, second: Scored) -> float:
    """Mean of first minus second over the examples that both have run."""
    if first.sets is None or second.sets is None:
        return paired_difference(first.scores, second.scores)[0]
    common = sorted(first.scores.keys() & second.scores.keys())
    return first.sets.score(common) - second.sets.score(common) if common else 0.0


def _compare(first: Scored, second: Scored) -> int:
    difference = _difference(first, second)
    if abs(difference) > 1e-9:
        return -1 if difference > 0 else 1
    return first.words - second.words


@dataclass(frozen=True)
class StepContext:
    """What a technique, a schedule's user or an acceptance may know of the step at hand.

    Args:
        index: Number of the record to come, from 0.
        progress: The run's clock, 0 to 1.
        history: All that was done before.
        seed: The run's seed.
        examples: The training examples in words, in order, for those who show some to the writer.
    """

    index: int
    progress: float
    history: History
    seed: int = 0
    examples: Sequence[str] = ()

    @property
    def step(self) -> int:
        """The former name of `index`, which goes with the next version."""
        warnings.warn("StepContext.step is now StepContext.index. Use that.", DeprecationWarning, stacklevel=2)
        return self.index

    def rng(self, *labels: str) -> random.Random:
        """A source of randomness of this step's own: the same for the same seed, index and labels."""
        return random.Random("/".join([str(self.seed), str(self.index), *labels]))
