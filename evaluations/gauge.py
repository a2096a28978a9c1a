"""Count what an arm really asks of a model, whatever it reports itself, and stop it at the cap."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

import dspy
from dspy.utils.exceptions import is_retryable_lm_error
from dspy.utils.usage_tracker import UsageTracker


class CapReached(BaseException):
    """An arm asked for more than its cap allows. Not an Exception, so that no optimizer takes it for a wrong answer."""


class Gauge(UsageTracker):
    """Counts the calls, tokens and money of one model, copies of it included.

    Args:
        most_calls: Calls after which `CapReached` is raised.
        price: US dollars for a million tokens in and a million out.
        ends_when_lost: Whether a call that was not answered, after all retries, raises `CapReached` too.
    """

    def __init__(
        self,
        most_calls: float = math.inf,
        price: tuple[float, float] = (0.0, 0.0),
        ends_when_lost: bool = False,
    ):
        super().__init__()
        self.ends_when_lost = ends_when_lost
        self.most_calls, self.price = most_calls, price
        self.calls = self.input_tokens = self.output_tokens = 0
        self.was_cut = False
        self.lost = 0  # calls that the endpoint did not answer, after all retries
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Gauge:
        return self

    @property
    def usd(self) -> float:
        """US dollars so far."""
        return (self.input_tokens * self.price[0] + self.output_tokens * self.price[1]) / 1e6

    def before(self, calls: int) -> None:
        """Count calls that are about to be made.

        Raises:
            CapReached: If they are more than the cap allows.
        """
        with self._lock:
            if self.calls + calls > self.most_calls:
                self.was_cut = True
                raise CapReached
            self.calls += calls

    def add_usage(self, lm_name: str, usage_entry: Mapping[str, Any]) -> None:
        """Count the tokens of a call, and pass them on to the tracker around it."""
        with self._lock:
            self.input_tokens += int(usage_entry.get("prompt_tokens") or 0)
            self.output_tokens += int(usage_entry.get("completion_tokens") or 0)


class GaugedLM(dspy.LM):
    """A language model whose public calls are gauged; copies share the gauge.

    Args:
        model: The model, or a `dspy.LM` to take settings and engine from.
        gauge: Counts.
        **settings: Of `dspy.LM`.
    """

    def __init__(self, model: str | dspy.LM, gauge: Gauge, **settings: Any) -> None:
        if isinstance(model, dspy.LM):
            engines = {"engine": model.engine, "async_engine": model._async_engine_spec}
            settings = {**model.kwargs, "cache": model.cache, "callbacks": model.callbacks, **engines, **settings}
            model = model.model
        super().__init__(model, **settings)
        self.gauge = gauge

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Count, and call."""
        self.gauge.before(int(kwargs.get("n") or self.kwargs.get("n") or 1))
        try:
            with dspy.context(usage_tracker=_Both(self.gauge, dspy.settings.usage_tracker)):
                return super().__call__(*args, **kwargs)
        except Exception as error:
            if is_retryable_lm_error(error):
                self.gauge.lost += 1
                if self.gauge.ends_when_lost:  # an arm that takes it for a wrong answer would wait for hundreds more
                    raise CapReached from error
            raise


class _Both(UsageTracker):
    """Tells a gauge and the tracker that was in place."""

    def __init__(self, gauge: Gauge, other: UsageTracker | None) -> None:
        super().__init__()
        self._gauge, self._other = gauge, other

    def add_usage(self, lm_name: str, usage_entry: Any) -> None:
        """Tell both."""
        self._gauge.add_usage(lm_name, usage_entry)
        if self._other is not None:
            self._other.add_usage(lm_name, usage_entry)
