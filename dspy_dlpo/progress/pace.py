"""How much of a budget is spent, and when it will be used up."""

from __future__ import annotations

from collections.abc import Mapping

from dspy_dlpo.core.budget import Budget

# The time left is told after so many records, so much of the budget and so many seconds: before, it would be a guess.
RECORDS, SHARE, SECONDS = 3, 0.05, 2.0

_CALLS = ("task_calls", "critic_calls", "writer_calls")


class Pace:
    """Spent so far over the budget, and the time that the rest will take.

    Args:
        budget: The budget.
        now: The time when the run began, in seconds.
    """

    def __init__(self, budget: Budget, now: float) -> None:
        self._limits = budget.limits
        self._began = now
        self._first: tuple[float, float] | None = None
        self._last = now
        self._records = 0
        self.spent: dict[str, float] = dict.fromkeys(self._limits, 0.0)

    @property
    def share(self) -> float:
        """Spent over the limit that is nearest to its end, from 0 to 1."""
        return min(1.0, max(self.spent[name] / limit for name, limit in self._limits.items()))

    @property
    def nearest(self) -> str:
        """The limit that is nearest to its end: runs of the program, where they are limited and nothing was spent."""
        return max(self._limits, key=lambda name: self.spent[name] / self._limits[name])

    @property
    def amounts(self) -> str:
        """Spent of that limit, such as ``120/600 runs`` or ``$0.12/$5.00``."""
        spent, limit = self.spent[self.nearest], self._limits[self.nearest]
        if self.nearest == "usd":
            return f"${spent:.2f}/${limit:.2f}"
        if self.nearest == "seconds":
            return f"{clock(spent)}/{clock(limit)}"
        unit = {"metric_calls": "runs", "lm_calls": "calls", "tokens": "tokens"}[self.nearest]
        return f"{spent:,.0f}/{limit:,.0f} {unit}"

    def add(self, spent: Mapping[str, float], now: float, *, fresh: bool) -> None:
        """Take a record's totals in.

        Args:
            spent: What `Record.spent` holds.
            now: The time.
            fresh: Whether it is the first record of a new run; one that goes on has spent something before.
        """
        self._records += 1
        self.spent = {name: _used(name, spent, now - self._began) for name in self._limits}
        if self._first is None:
            self._first = (self._began, 0.0) if fresh else (now, self.share)
        self._last = now

    def left(self, now: float) -> float | None:
        """Seconds until the budget is used up at the pace so far; None while that cannot be told."""
        if self._first is None or self._records < RECORDS:
            return None
        seconds, share = self._last - self._first[0], self.share - self._first[1]
        if seconds < SECONDS or share < SHARE:
            return None
        left = (1 - self.share) * seconds / share - (now - self._last)
        return left if left > 0 else None


def _used(name: str, spent: Mapping[str, float], seconds: float) -> float:
    if name == "seconds":
        return seconds
    if name == "lm_calls":
        return sum(spent.get(each, 0.0) for each in _CALLS)
    if name == "tokens":
        return spent.get("input_tokens", 0.0) + spent.get("output_tokens", 0.0)
    return spent.get(name, 0.0)


def in_words(seconds: float) -> str:
    """The time left as it can be trusted: in minutes."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "<1 min left"
    return f"~{minutes} min left" if minutes < 60 else f"~{minutes // 60} h {minutes % 60:02d} min left"


def clock(seconds: float) -> str:
    """A time that has passed: ``m:ss``, from an hour on ``h:mm:ss``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
