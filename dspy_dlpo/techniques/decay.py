"""Textual learning-rate decay (TLRD): schedules that fall as the run goes on."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

from dspy_dlpo.core.checks import check_real, check_whole
from dspy_dlpo.core.schedule import Schedule
from dspy_dlpo.core.space import tunable


@dataclass(frozen=True)
class _Decay(Schedule):
    """A schedule with an optional linear warm-up from its end value, for the first `warmup` of the run."""

    init_value: float

    def __call__(self, progress: float) -> float:
        """The value at a progress from 0 to 1."""
        return self._after_warmup(progress, getattr(self, "warmup", 0.0))

    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest value."""
        values = (self._decayed(0.0), self._decayed(1.0))
        return min(values), max(values)

    def _after_warmup(self, progress: float, warmup: float) -> float:
        if progress < warmup:
            low = self._decayed(1.0)
            return low + (self._decayed(0.0) - low) * progress / warmup
        return self._decayed((progress - warmup) / (1 - warmup))

    @abstractmethod
    def _decayed(self, progress: float) -> float:
        """The value without warm-up."""


def _check(schedule: _Decay, *, warmup: float, rate: float = 1.0, end_value: float = 0.0) -> None:
    name = type(schedule).__name__
    check_real(name, "init_value", schedule.init_value, -math.inf)
    check_real(name, "end_value", end_value, -math.inf)
    check_real(name, "decay_rate", rate, 0, 1, above=True)
    check_real(name, "warmup", warmup, 0, 1, below=True, way_out="Pass a share of the run.")


@dataclass(frozen=True)
class LinearDecay(_Decay):
    """Fall (or rise) in a straight line.

    Args:
        init_value: Value at the start.
        end_value: Value when the budget is used up.
        warmup: Share of the run, from 0 to below 1, spent in climbing from `end_value` to `init_value` first.

    Source: DLPO, "textual learning rate decay" (arXiv 2503.13413), after ``optax.linear_schedule``. The clock is the
        budget charged, kept and rejected steps alike; in the authors' program it is the step.
    """

    end_value: float
    warmup: float = 0.0

    def __post_init__(self) -> None:
        _check(self, warmup=self.warmup, end_value=self.end_value)

    def _decayed(self, progress: float) -> float:
        return self.init_value + (self.end_value - self.init_value) * progress


@dataclass(frozen=True)
class CosineDecay(_Decay):
    """Fall along half a cosine: slowly at first and at the end, fast in between.

    Args:
        init_value: Value at the start.
        end_value: Value when the budget is used up.
        warmup: Share of the run, from 0 to below 1, spent in climbing from `end_value` to `init_value` first.

    Source: DLPO, "textual learning rate decay" (arXiv 2503.13413), after ``optax.cosine_decay_schedule``.
    """

    end_value: float
    warmup: float = 0.0

    def __post_init__(self) -> None:
        _check(self, warmup=self.warmup, end_value=self.end_value)

    def _decayed(self, progress: float) -> float:
        return self.end_value + (self.init_value - self.end_value) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class ExponentialDecay(_Decay):
    """Fall by the same factor in every tenth of the run.

    Args:
        init_value: Value at the start.
        decay_rate: Factor for each tenth of the run, above 0 and at most 1: at 0.7 the value ends at 2.8 % of its
            start.
        warmup: Share of the run, from 0 to below 1, spent in climbing from the end value to `init_value` first.

    Source: DLPO, "textual learning rate decay" (arXiv 2503.13413), after ``optax.exponential_decay``.
    """

    decay_rate: float = tunable(0.7, low=0.4, high=1.0)
    warmup: float = 0.0

    def __post_init__(self) -> None:
        _check(self, warmup=self.warmup, rate=self.decay_rate)

    def _decayed(self, progress: float) -> float:
        return float(self.init_value * self.decay_rate ** (10 * progress))


@dataclass(frozen=True)
class StepDecay(_Decay):
    """Stay, then fall by a factor, a few times.

    Args:
        init_value: Value at the start.
        decay_rate: Factor at each fall, above 0 and at most 1.
        falls: How often it falls, at equal distances in the run; at least 1.
        warmup: Share of the run, from 0 to below 1, spent in climbing from the end value to `init_value` first.

    Source: DLPO, "textual learning rate decay" (arXiv 2503.13413), after ``torch.optim.lr_scheduler.StepLR``.
    """

    decay_rate: float = tunable(0.5, low=0.2, high=1.0)
    falls: int = 3
    warmup: float = 0.0

    def __post_init__(self) -> None:
        _check(self, warmup=self.warmup, rate=self.decay_rate)
        check_whole("StepDecay", "falls", self.falls)

    def _decayed(self, progress: float) -> float:
        return float(self.init_value * self.decay_rate ** min(self.falls, math.floor(progress * (self.falls + 1))))
