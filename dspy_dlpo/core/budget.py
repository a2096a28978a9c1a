"""What a run may spend."""

from __future__ import annotations

from dataclasses import dataclass

from dspy_dlpo.core.checks import check_whole

# Program runs of each preset, the selection on the validation set included.
AUTO = {"light": 600, "medium": 2000, "heavy": 6000}


@dataclass(frozen=True)
class Budget:
    """The most that a run may spend.

    Args:
        metric_calls: Runs of the program that are scored by the metric, at least 1: on training and validation
            examples, repeated runs included. Never exceeded.
    """

    metric_calls: int

    def __post_init__(self) -> None:
        check_whole("Budget", "metric_calls", self.metric_calls)


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


class BudgetSpent(Exception):
    """The account cannot pay for the runs that are asked for."""


class Account:
    """Program runs that may still be paid for.

    Args:
        limit: Program runs in all.
        reserved: How many of them are set aside.
    """

    def __init__(self, limit: int, reserved: int = 0) -> None:
        self.limit = limit
        self.reserved = min(reserved, limit)
        self.spent = 0

    @property
    def left(self) -> int:
        """Program runs that are neither spent nor set aside."""
        return self.limit - self.reserved - self.spent

    @property
    def progress(self) -> float:
        """Spent over what is not set aside, from 0 to 1."""
        available = self.limit - self.reserved
        return min(1.0, self.spent / available) if available else 1.0

    def charge(self, runs: int) -> None:
        """Pay for runs before they are made.

        Raises:
            BudgetSpent: If they cannot all be paid for; nothing is charged then.
        """
        if runs > self.left:
            raise BudgetSpent
        self.spent += runs

    def release(self) -> None:
        """Make what was set aside available."""
        self.reserved = 0
