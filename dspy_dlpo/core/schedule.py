"""A number over time: what stands where a hyperparameter may change as the run goes on."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod


class Schedule(ABC):
    """A number as a function of the run's progress. Subclasses are frozen dataclasses."""

    @abstractmethod
    def __call__(self, progress: float) -> float:
        """The value at a progress from 0 (start of the run) to 1 (budget used up)."""

    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest value it takes, so that its user can check both."""


Number = float | int | Schedule


def value_at(number: Number, progress: float) -> float:
    """The value of a number or schedule at a progress from 0 to 1; a progress outside is clipped."""
    if isinstance(number, Schedule):
        return number(min(max(progress, 0.0), 1.0))
    return float(number)


def check_number(owner: str, name: str, number: Number, low: float, high: float) -> None:
    """Check that a number, or a schedule at all times, lies within legal bounds.

    Raises:
        ValueError: If it does not.
        TypeError: If it is neither a number nor a `Schedule`.
    """
    if isinstance(number, bool) or not isinstance(number, (int, float, Schedule)):
        raise TypeError(f"{owner}({name}={number!r}) is neither a number nor a schedule. Pass one of them.")
    values = number.bounds() if isinstance(number, Schedule) else (float(number),)
    if not all(low <= value <= high and math.isfinite(value) for value in values):
        upper = "" if high == float("inf") else f" and at most {high:g}"
        raise ValueError(f"{owner}({name}={number!r}) must be at least {low:g}{upper} at all times. Pass such a value.")
