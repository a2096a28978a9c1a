"""What a run may spend, and the account that holds it to that."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dspy_dlpo.core.cancelling import check_cancelled, is_cancelled
from dspy_dlpo.core.checks import check_real, check_whole
from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.events import Sent, What
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.thresholds import THRESHOLDS

# Program runs of each preset, the selection on the validation set included.
AUTO = {"light": 600, "medium": 2000, "heavy": 6000}


@dataclass(frozen=True)
class Budget:
    """The most that a run may spend, selection included; at least one limit. The first that is reached ends the run.

    Args:
        metric_calls: Runs of the program that are scored by the metric, at least 1: on training and validation
            examples, repeated runs included. Never exceeded.
        lm_calls: Calls of language models that no cache answered, in all roles, at least 1. Exceeded by no more than
            the runs of the program, or the critiques or edits, in flight when it is reached.
        tokens: Tokens in and out, in all roles, at least 1; exceeded by no more than `lm_calls` is.
        usd: US dollars, above 0; exceeded by no more than `lm_calls` is. Every model needs a price that is known.
        seconds: Wall-clock time, above 0; calls in flight are finished. Time spent before a resumption counts.
        feedback_calls: Calls of a GEPA-style metric for what it says of single predictors, at least 0, beside the one
            for the score that each run has: in all it is called ``metric_calls + feedback_calls`` times at most. That
            ends no run: critics go on without. The models that a metric asks count in `lm_calls`, `tokens` and `usd`.
        prices: US dollars for a million tokens in and a million out, by model name, for models whose price DSPy and
            LiteLLM do not know, or where you pay another.

    Raises:
        ValueError: If a limit is out of range, or none is given.
        TypeError: If a limit is no number.
    """

    metric_calls: int | None = None
    lm_calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None
    feedback_calls: int | None = None
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("metric_calls", "lm_calls", "tokens"):
            if getattr(self, name) is not None:
                check_whole("Budget", name, getattr(self, name))
        if self.feedback_calls is not None:
            check_whole("Budget", "feedback_calls", self.feedback_calls, low=0)
        for name in ("usd", "seconds"):
            value = getattr(self, name)
            if value is not None:
                check_real("Budget", name, value, 0, above=True)
        if not self.limits:
            raise ValueError("Budget(metric_calls=None) sets no limit. Pass at least one, such as metric_calls=600.")
        for model, price in self.prices.items():
            if len(price) != 2 or not all(isinstance(each, (int, float)) and 0 <= each < math.inf for each in price):
                raise ValueError(
                    f"Budget(prices={{{model!r}: {price!r}}}) must hold two numbers of at least 0. Pass US dollars for "
                    "a million tokens in, and for a million out."
                )

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set and end a run, by name."""
        names = ("metric_calls", "lm_calls", "tokens", "usd", "seconds")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @property
    def given(self) -> dict[str, float]:
        """All that is limited, by name."""
        feedback = {} if self.feedback_calls is None else {"feedback_calls": self.feedback_calls}
        return {**self.limits, **feedback}

    def lower_than(self, other: Budget) -> list[str]:
        """What this budget limits to less than another does."""
        ours, theirs = self.given, other.given
        return [name for name, limit in ours.items() if limit < theirs.get(name, math.inf)]


def resolve_budget(auto: str | None, budget: Budget | None) -> Budget:
    """The budget that `auto` names, unless one is given.

    Raises:
        ValueError: If `auto` is no preset.
    """
    if budget is not None:
        return budget
    if auto not in AUTO:
        raise ValueError(f"auto={auto!r} is no preset. Pass one of {', '.join(map(repr, AUTO))}, or a budget.")
    return Budget(metric_calls=AUTO[auto])


class RunEnds(Exception):
    """The run is to end now, with the best so far.

    Args:
        ending: How.
    """

    def __init__(self, ending: Ending) -> None:
        super().__init__(str(ending))
        self.ending = ending


class BudgetSpent(RunEnds):
    """The account cannot pay for what is asked for."""

    def __init__(self, resource: str = "metric_calls") -> None:
        super().__init__(Ending(EndedBy.BUDGET, "" if resource == "metric_calls" else resource))


@dataclass(frozen=True)
class Used:
    """What was used so far of the resources other than program runs.

    Args:
        total: ``lm_calls``, ``tokens``, ``usd`` and ``seconds`` that decisions rest on so far; infinite where it cannot
            be told.
        per_run: The same for one run of the program, on average; 0 before the first.
        recorded: What the run directory remembers beside, and this process has not come to yet.
    """

    total: Mapping[str, float] = field(default_factory=dict)
    per_run: Mapping[str, float] = field(default_factory=dict)
    recorded: Mapping[str, float] = field(default_factory=dict)


class Account:
    """What may still be spent: a view of what a run's log says was spent already.

    Runs of the program are paid for before they are made, so their limit is never exceeded. Of the other resources it
    is known only afterwards what a run used: each run is let go only if, with those in flight, it fits on average.

    Args:
        budget: The limits.
        reserved: Program runs that are set aside for what comes after the run.
        kept: Program runs that are kept for those that a crash may lose in flight.
        used: Gives what was used of the other resources.
        log: The run's.
        stop: Gives how the user asks the run to end; None while nobody does.
    """

    def __init__(
        self,
        budget: Budget,
        reserved: int = 0,
        *,
        kept: int = 0,
        used: Callable[[], Used] = lambda: Used(),
        log: RunLog | None = None,
        stop: Callable[[], Ending | None] = lambda: None,
    ) -> None:
        self.log = RunLog() if log is None else log
        self.limit = math.inf if budget.metric_calls is None else budget.metric_calls
        self.kept = min(kept, int(THRESHOLDS.kept_share * self.limit)) if math.isfinite(self.limit) else kept
        self.reserved = int(min(reserved, self.limit))
        self._clock = self.limit - self.reserved - self.kept
        self._others = {name: limit for name, limit in budget.limits.items() if name != "metric_calls"}
        self._used, self._stop = used, stop

    @property
    def spent(self) -> int:
        """Program runs that decisions rest on: the clock. What earlier processes made beside is paid for, too."""
        return self.log.state.spent

    @property
    def lost(self) -> int:
        """Program runs that were in flight when an earlier process died."""
        return self.log.state.lost[What.RUN.value]

    @property
    def left(self) -> float:
        """Program runs that are neither paid for nor set aside; infinite if they are not limited.

        Of 100 with 25 set aside and 8 kept for a crash, 67; after a crash that lost 8 it is the same, as it took what
        was kept for it.
        """
        return self.limit - self.reserved - max(self.kept, self.lost) - (self.log.state.paid - self.lost)

    @property
    def progress(self) -> float:
        """Spent over what was not set aside at first, of the resource that is nearest to its end; from 0 to 1."""
        shares = [self.spent / self._clock if self._clock > 0 else 1.0]
        if self._others:
            used = self._used()
            shares += [used.total.get(name, 0.0) / max(1e-9, self._available(name, used, 0)) for name in self._others]
        return min(1.0, max(shares))

    def send(self, runs: int) -> None:
        """Write down that so many runs go out; a negative number takes back those that were not made."""
        if runs:
            self.log.add(Sent(What.RUN, runs))

    def check(self, runs: int = 0) -> None:
        """Make sure that more may be spent, and that so many program runs can be paid for.

        Raises:
            BudgetSpent: If they cannot, or a resource other than program runs is used up.
            RunEnds: If the user asks the run to end.
            RunCancelled: If nobody waits for it any more.
        """
        check_cancelled()
        asked = self._stop()
        if asked is not None:
            raise RunEnds(asked)
        spent = self._spent_up(0)
        if spent:
            raise BudgetSpent(spent)
        if runs and runs > self.left:  # a request to the prompt model is none
            raise BudgetSpent

    def may_start(self, in_flight: int) -> bool:
        """Whether one more run may go out beside those in flight."""
        return not is_cancelled() and self._stop() is None and not self._spent_up(in_flight)

    def affordable(self) -> float:
        """How many more program runs the resources pay for, with a margin; infinite if none is limited."""
        used = self._used() if self._others else Used()
        counts = [self.left]
        for name in self._others:
            each, free = used.per_run.get(name, 0.0), self._available(name, used, self.lost) - _paid(name, used)
            of_finalist = THRESHOLDS.longer * each
            counts.append(0.0 if not math.isfinite(free) else free / of_finalist if each > 0 else math.inf)
        return max(0.0, min(counts))

    def reserve(self, runs: int) -> None:
        """Set so many program runs aside, of those that are not spent."""
        self.reserved = int(min(runs, self.limit - self.spent))

    def release(self) -> None:
        """Make what was set aside available."""
        self.reserved = 0

    def heed(self, stop: Callable[[], Ending | None]) -> None:
        """Take from now on another word for how the run is asked to end."""
        self._stop = stop

    def _spent_up(self, in_flight: int) -> str:
        """The first resource that does not pay for one more run beside those in flight; empty if all do."""
        if not self._others:
            return ""
        used = self._used()
        for name in self._others:
            total, available = _paid(name, used), self._available(name, used, self.lost)
            if math.isinf(total):
                return f"{name} (how much cannot be told: a model has no known price, or reports no tokens)"
            if total >= available or total + (in_flight + 1) * used.per_run.get(name, 0.0) > available:
                return name
        return ""

    def _available(self, name: str, used: Used, lost: int) -> float:
        """What of a resource is neither set aside, a share at most, nor kept for runs that a crash loses."""
        limit, each = self._others[name], used.per_run.get(name, 0.0)
        if math.isinf(each):
            return limit
        share = THRESHOLDS.selection_share * limit if self.reserved else 0.0
        aside = min(share, THRESHOLDS.longer * self.reserved * each) if each > 0 else share
        return limit - aside - max(min(THRESHOLDS.kept_share * limit, self.kept * each), lost * each)


def _paid(name: str, used: Used) -> float:
    return used.total.get(name, 0.0) + used.recorded.get(name, 0.0)
