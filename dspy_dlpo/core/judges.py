"""How proposals are judged: the whole, then its better half, or as the paper does. One of your own is a class more."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dspy_dlpo.core.acceptance import Bar
from dspy_dlpo.core.checks import check_real, check_whole
from dspy_dlpo.core.edits import Edit, Edits
from dspy_dlpo.core.halving import Judged, judge_by_halves
from dspy_dlpo.core.history import ledger_as_one
from dspy_dlpo.core.judging import Incumbent, judge
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.space import tunable

# Which finalist is returned.
BEST, SHORTEST, CHEAPEST = "best", "shortest", "cheapest"


@dataclass(frozen=True)
class Rules:
    """What a judge must heed beside the bar.

    Args:
        legal: Gives those of some edits that the rules of the step admit together.
        must_pay: Whether an edit may only come into force with a gain, even where the bar would let it pass.
    """

    legal: Callable[[Edits], Edits] = lambda edits: edits
    must_pay: Callable[[Edit], bool] = lambda edit: False

    def admit(self, edits: Edits) -> bool:
        """Whether edits are legal together, as they stand."""
        return self.legal(edits) == edits


@dataclass(frozen=True)
class Judge(ABC):
    """How proposals are judged; and with what runs, as far as no decision depends on that.

    Args:
        wave: Program runs between two looks at whether a judgement can stop, at least 1.
        width: Program runs that go out together at most, where no decision stands between them; at least `wave`. None
            for all of them, as many at a time as there are threads; with a run directory one wave, as a crash may lose
            all that are in flight, and that many runs of the budget are kept for it.
        trials: Whether prompts are tried without some of their sentences once the steps stall; and whether what the
            training answers show (labels, a form, words of the inputs that go with an answer) is told where the program
            answers otherwise, if that gains.
        finalists: Prompts compared on the validation set at the end beside the user's own, at least 1.
        holdout: Share of the trainset split off as validation set when none is given, 0 to below 1. At 0 nothing is
            held out, and the verdict says so.
        prefer: Which finalist is returned: the ``"best"`` on the validation set, or the ``"shortest"`` that is better
            than the user's own and within one standard error of the best, paired. The shortest prompts that are as
            close on the training examples are among the finalists then. ``"cheapest"`` is the same by what one run of
            the program costs at the prices of the run's start, which must be known (``Budget(prices=)``); what a cache
            answered is not known, and where that is so of the best, it is returned.
        metric_noise: Standard deviation of a score that the metric gives again, at least 0, in its units, as
            ``judge_metric(task).noise`` tells. The verdict says then if a gain lies within it; nothing else changes,
            and a run that has ended says it too if the same call is made once more with it. None: unknown.
        proposals: What the writer is asked for: ``"edits"``, or ``"prompts"`` (a whole new prompt, as plain textual
            gradient descent does), which is turned into edits.

    Raises:
        TypeError: If a number is none.
        ValueError: If a value is out of range.
    """

    wave: int = 8
    width: int | None = None
    trials: bool = True
    finalists: int = 3
    holdout: float = 0.5
    proposals: str = "edits"
    prefer: str = "best"
    metric_noise: float | None = field(default=None, repr=False)  # names no run: no decision depends on it

    def __post_init__(self) -> None:
        name = type(self).__name__
        self._one_of("proposals", ("edits", "prompts"))
        self._one_of("prefer", (BEST, SHORTEST, CHEAPEST))
        for number in ("wave", "finalists"):
            check_whole(name, number, getattr(self, number))
        if self.width is not None:
            check_whole(name, "width", self.width, low=self.wave)
        check_real(name, "holdout", self.holdout, 0, 1, below=True)
        if self.metric_noise is not None:
            way_out = "Pass judge_metric(task).noise, or None if it is unknown."
            check_real(name, "metric_noise", self.metric_noise, 0, way_out=way_out)

    def _one_of(self, field: str, options: Sequence[object]) -> None:
        if (value := getattr(self, field)) not in options:
            said = f"{type(self).__name__}({field}={value!r})"
            raise ValueError(f"{said} must be one of {', '.join(map(repr, options))}. Pass one of them.")

    @abstractmethod
    def judge(self, incumbent: Incumbent, edits: Edits, bar: Bar, rules: Rules) -> Judged:
        """Decide which edits of a proposal are kept.

        Args:
            incumbent: The prompts in force on the judging set; it makes the runs.
            edits: Edits of these prompts that the rules admit, at least one.
            bar: The lowest judged score that passes.
            rules: What must be heeded beside it.

        Returns:
            The prompts that come of it, their judgement, and what each edit gained and lost, as far as that is known.

        Raises:
            BudgetSpent: When runs cannot be paid for; `CutShort`, which is one, tells what competes nevertheless.
        """

    def first_examples(self, count: int) -> int:
        """How many of so many training examples are judged on from the start; all of them unless a judge says less."""
        return count


def first_judged(judge: Judge, count: int, *, of_sets: bool) -> int:
    """How many of so many training examples are judged on from the start: all where only whole sets have a score."""
    return count if of_sets else judge.first_examples(count)


@dataclass(frozen=True)
class EditJudge(Judge):
    """Judge a proposal as a whole, and where it fails its better half, twice at most.

    Args:
        first: Training examples of the judging set at the start, at least 1. It grows when the score on it saturates or
            the steps stall.

    The other arguments are those of `Judge`.
    """

    first: int = tunable(16, low=8, high=64)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(type(self).__name__, "first", self.first)

    def judge(self, incumbent: Incumbent, edits: Edits, bar: Bar, rules: Rules) -> Judged:
        """Take what reaches the bar whole, and of what does not the better half that does."""
        return judge_by_halves(incumbent, edits, bar, rules.admit, rules.must_pay)

    def first_examples(self, count: int) -> int:
        """`first`, or all there are."""
        return min(self.first, count)


@dataclass(frozen=True)
class WholeJudge(Judge):
    """The paper's way: one decision for the whole proposal, on the whole training set, and no trials.

    The arguments are those of `Judge`.
    """

    trials: bool = False

    def judge(self, incumbent: Incumbent, edits: Edits, bar: Bar, rules: Rules) -> Judged:
        """Take all edits or none."""
        prompts = incumbent.part(edits)
        judgement = judge(incumbent, prompts, bar)
        return prompts, judgement, ledger_as_one(edits, Why.JUDGED_WHOLE, kept=judgement.passed)


def Judging(by: str = "edit", **settings: Any) -> Judge:
    """The former name of both judges, which goes with the next version: pass an `EditJudge` or a `WholeJudge`."""
    if by not in ("edit", "whole"):
        raise ValueError(f"Judging(by={by!r}) must be one of 'edit', 'whole'. Pass an EditJudge or a WholeJudge.")
    kind = EditJudge if by == "edit" else WholeJudge
    warnings.warn(f"Judging(by={by!r}) is now {kind.__name__}(). Pass that.", DeprecationWarning, stacklevel=2)
    if kind is EditJudge:
        return EditJudge(**settings)
    settings.pop("first", None)
    return WholeJudge(**{"trials": True, **settings})
