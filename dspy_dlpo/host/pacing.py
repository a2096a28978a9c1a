"""Calls of language models wait until the rates of their models allow them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from typing import Any

from dspy_dlpo.core.rates import Rate, Rates, rate_of
from dspy_dlpo.host.fitting import CHARACTERS_PER_TOKEN
from dspy_dlpo.host.threads import Heartbeat

# Seconds that are not waited for: a sum of floats may miss its end by less.
NOTHING = 1e-6
# Seconds between signs of life: another call of the same run that ends meanwhile sets the silence back to its own end.
BEAT = 1.0


class Clock:
    """Time in seconds, and waiting; a test has one of its own."""

    def now(self) -> float:
        """The time."""
        return time.monotonic()

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Wait so long, or until the condition is notified."""
        condition.wait(seconds)


class Pacing:
    """Has calls wait until the rates of their models allow them.

    After a call the next of its model may begin when the first's share of a minute has passed: at 30 requests a minute
    two seconds, at 30,000 tokens two seconds for each thousand. So no minute holds more than the rate, and nobody who
    waits holds a place: a call that a cache answered gives its share back to whoever waits next.

    What a call takes is known only when it has ended. Until then it is taken to be what the model's calls took in the
    mean, at first what the text of the request is long; the difference moves the next start. A wait holds its thread,
    so other calls of the same event loop are heard of after it.

    Args:
        rates: One for all models, each by itself, or by name.
        clock: The time.
    """

    def __init__(self, rates: Rates, clock: Clock | None = None) -> None:
        self._rates, self._clock = rates, clock or Clock()
        self._lanes: dict[str, _Lane | None] = {}
        self._open: dict[str, tuple[_Lane, dict[str, float]]] = {}
        self._changed = threading.Condition()

    def begin(self, call_id: str, model: str, inputs: Mapping[str, Any], heartbeat: Heartbeat) -> None:
        """Wait until a call may begin; the wait is no silence of the work that it is part of."""
        lane = self._lane(model)
        if lane is None:
            return
        with self._changed:
            while (wait := lane.next_start - self._clock.now()) > NOTHING:
                heartbeat.beat(after=wait)
                self._clock.wait(self._changed, min(wait, BEAT))
            self._open[call_id] = lane, lane.take(self._clock.now(), inputs)
        heartbeat.beat()

    def used(self, call_id: str, tokens: int) -> None:
        """A call took so many tokens."""
        self._settle(call_id, lambda lane, taken: lane.learn(taken, tokens))

    def cached(self, call_id: str) -> None:
        """A call was answered by a cache: it took nothing."""
        self._settle(call_id, lambda lane, taken: lane.correct(taken, dict.fromkeys(taken, 0.0)))

    def failed(self, call_id: str, error: Exception) -> None:
        """A call failed, after all of DSPy's retries; its model is left alone for as long as it asked to be."""
        until = self._clock.now() + (getattr(error, "retry_after", None) or 0.0)
        self._settle(call_id, lambda lane, taken: lane.fail(taken, until))

    def _settle(self, call_id: str, change: Any) -> None:
        with self._changed:
            if call_id in self._open:
                change(*self._open.pop(call_id))
                self._changed.notify_all()

    def _lane(self, model: str) -> _Lane | None:
        with self._changed:
            if model not in self._lanes:
                rate = rate_of(self._rates, model)
                self._lanes[model] = None if rate is None else _Lane(rate)
            return self._lanes[model]


class _Lane:
    """When the next call of one model may begin.

    Args:
        rate: The model's.
    """

    def __init__(self, rate: Rate) -> None:
        self._seconds = {name: 60.0 / limit for name, limit in rate.limits.items()}  # of one request, of one token
        self._free_at = dict.fromkeys(self._seconds, -math.inf)
        self._known, self._mean = 0, 0.0  # calls whose tokens are known, and their mean

    @property
    def next_start(self) -> float:
        return max(self._free_at.values())

    def take(self, now: float, inputs: Mapping[str, Any]) -> dict[str, float]:
        """A call begins; gives what it is taken to use."""
        tokens = self._mean if self._known else _characters(inputs) / CHARACTERS_PER_TOKEN
        taken = {"requests": 1.0, "tokens": tokens}
        for name, seconds in self._seconds.items():
            self._free_at[name] = max(now, self._free_at[name]) + taken[name] * seconds
        return taken

    def learn(self, taken: Mapping[str, float], tokens: float) -> None:
        """A call has used so many tokens."""
        self._known += 1
        self._mean += (tokens - self._mean) / self._known
        self.correct(taken, {**taken, "tokens": tokens})

    def fail(self, taken: Mapping[str, float], until: float) -> None:
        """A call has failed: it was a request, and the next waits until then."""
        self.correct(taken, {**taken, "tokens": 0.0})
        self._free_at = {name: max(free, until) for name, free in self._free_at.items()}

    def correct(self, taken: Mapping[str, float], used: Mapping[str, float]) -> None:
        """A call has used something else than it was taken to."""
        for name, seconds in self._seconds.items():
            self._free_at[name] += (used[name] - taken[name]) * seconds


def _characters(inputs: Mapping[str, Any]) -> int:
    """How long the text of a request is."""
    messages = inputs.get("messages") or []
    return len(str(inputs.get("prompt") or "")) + sum(len(str(each)) for each in messages)
