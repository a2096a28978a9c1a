"""Count what is spent, by role: calls, cache hits, failures, tokens and money."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dspy
from dspy.utils.callback import ACTIVE_CALL_ID, BaseCallback
from dspy.utils.usage_tracker import UsageTracker

from dspy_dlpo.core.tally import Tallies, Tally, rounded, summary, summed
from dspy_dlpo.host.listening import Listening
from dspy_dlpo.host.loops import CALLERS_LOOP
from dspy_dlpo.host.pacing import Pacing
from dspy_dlpo.host.prices import Prices, tokens_of
from dspy_dlpo.host.threads import HEARTBEAT, Heartbeat
from dspy_dlpo.host.tracing import FailedCalls

_NUMBERS = itertools.count()


class Scope:
    """A piece of work whose calls are charged to one role.

    Args:
        role: The role.
    """

    def __init__(self, role: str) -> None:
        self.role, self.tally, self.heartbeat = role, Tally(), HEARTBEAT.get() or Heartbeat()
        self.error: Exception | None = None  # of the last call that failed
        self.handled: list[Exception] = []  # of calls that failed before and were followed by others
        self.strangers = False  # whether a model or a predictor took part that the meter is not attached to
        self.usage: UsageTracker | None = None  # DSPy's own, where it is asked to track usage
        self.outer: UsageTracker | None = None  # the one that was in place before
        callers = CALLERS_LOOP.get()  # what is awaited runs there
        self._own_threads, self._failed_in = (threading.get_ident(), callers and callers.thread), 0
        self.heartbeat.spent.append((role, self.tally))

    def __deepcopy__(self, memo: dict[int, Any]) -> Scope:
        return self

    def begins(self) -> None:
        """A call begins. An error before it was handled by the work itself, unless threads of its own are at work."""
        self.heartbeat.beat()
        if self.error is not None and self._failed_in == threading.get_ident() in self._own_threads:
            self.handled.append(self.error)
            self.error = None

    def note_usage(self, prediction: Any) -> None:
        """Give a prediction what was used, as ``dspy.configure(track_usage=True)`` asks for."""
        if self.usage is not None and isinstance(prediction, dspy.Prediction):
            prediction.set_lm_usage(self.usage.get_total_tokens())

    def fails(self, error: Exception) -> None:
        """A call failed."""
        self.error, self._failed_in = error, threading.get_ident()


class Meter(FailedCalls, UsageTracker):
    """Counts language-model calls by role, under any number of threads, with DSPy's history on or off.

    It is DSPy's callback and usage tracker at once, and as the former it traces failed calls too: what DSPy does for a
    callback takes longer than what ours do. DSPy reports usage for every call that no cache answered; a call
    without usage and without an error is a cache hit. Where a program puts its own usage tracker in place, that one
    passes on what it is told; where it takes callbacks away, calls show by their usage. Retries within one call are not
    seen. Of a model that is first called after some runs without it, failures and cache hits before its first billed
    call are not seen either (see `Listening`).

    Args:
        prices: What calls cost.
        before: Gives what was spent by role before, by earlier processes; it counts in all that is told.
        pacing: Has calls wait for the rates of their models; None if these have none. With it the meter listens
            everywhere: no call may pass it by.
    """

    def __init__(
        self,
        prices: Prices | None = None,
        before: Callable[[], Tallies] = dict,
        pacing: Pacing | None = None,
    ) -> None:
        super().__init__()
        self._prices, self._before, self._pacing = prices or Prices(), before, pacing
        self._lock = threading.RLock()
        self._open: dict[str, tuple[Scope, Any]] = {}
        self._billed: set[str] = set()
        self._totals: dict[str, Tally] = {}
        self._other = Scope("other")
        self._heard = threading.local()
        self._role = f"dlpo_role_{next(_NUMBERS)}"  # models that two meters hear of at a time are told apart by it
        self.listening = Listening(self, self._on_call)

    def __deepcopy__(self, memo: dict[int, Any]) -> Meter:
        return self

    def __reduce__(self) -> tuple[type[BaseCallback], tuple[()]]:
        return BaseCallback, ()  # a model that goes to another process takes nothing along

    @contextmanager
    def role(self, name: str, *, everywhere: bool = True, **settings: Any) -> Iterator[Scope]:
        """Charge the calls made inside to a role, under further DSPy settings; yields their scope.

        Args:
            name: The role.
            everywhere: False to hear only of models and predictors that the meter is attached to.
            settings: Settings of DSPy.
        """
        scope, callbacks, outer = Scope(name), dspy.settings.callbacks, dspy.settings.usage_tracker
        if everywhere:
            callbacks = [*(each for each in callbacks if each is not self), self]
        if outer is not self and not _listens(outer, self):
            scope.outer = outer
        tracker: UsageTracker = self
        if dspy.settings.track_usage:  # DSPy tracks only where no tracker is in place
            tracker = scope.usage = UsageTracker()
            _listen(tracker, self)
        with dspy.context(callbacks=callbacks, usage_tracker=tracker, **{self._role: scope}, **settings):
            yield scope

    @contextmanager
    def run(self, name: str, **settings: Any) -> Iterator[Scope]:
        """As `role`, for one run of the program: it listens no wider than it has to."""
        everywhere = self.listening.everywhere or self._pacing is not None
        with self.role(name, everywhere=everywhere, **settings) as scope:
            try:
                yield scope
            finally:
                called = [step[0] for step in dspy.settings.trace or ()]
                self.listening.ended(scope.strangers or not all(map(self.listening.is_attached, called)))

    def note(self, scope: Scope, **spent: float) -> None:
        """Add to what a scope has spent beside calls of models."""
        with self._lock:
            self._count(scope, **spent)

    def totals(self) -> dict[str, dict[str, Any]]:
        """What was spent by role.

        Returns:
            By role: ``calls``, ``cache_hits``, ``failures``, ``input_tokens``, ``output_tokens``, and ``usd``: US
            dollars, or None when the price of a call is unknown.
        """
        return {role: summary(tally) for role, tally in self.tallies().items()}

    def tallies(self) -> dict[str, Tally]:
        """A snapshot of what was spent by role, sorted by role."""
        with self._lock:
            return dict(sorted(summed([self._before(), self._totals]).items()))

    def total(self) -> Tally:
        """What was spent in all roles."""
        return summed({"all": tally} for tally in self.tallies().values()).get("all", Tally())

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """A call of a module begins."""
        super().on_module_start(call_id, instance, inputs)
        if isinstance(instance, dspy.Predict):
            self._on_call(instance)

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """A call begins; that is told twice where the meter listens to the model and everywhere."""
        scope = self._scope(instance)
        if scope is None:  # somebody else's call of a model that the meter is attached to
            return
        self._meet(scope, instance)
        scope.begins()
        with self._lock:
            begins = call_id not in self._open
            if begins:
                self._open[call_id] = scope, instance
                self._count(scope, calls=1)
        if begins and self._pacing is not None:
            self._pacing.begin(call_id, str(getattr(instance, "model", "")), inputs, scope.heartbeat)

    def heard(self) -> int:
        """How often this thread has told of usage."""
        return getattr(self._heard, "times", 0)

    def add_usage(self, lm_name: str, usage_entry: Any) -> None:
        """A call was billed."""
        self._heard.times = self.heard() + 1
        call_id = ACTIVE_CALL_ID.get() or ""
        usage = usage_entry if isinstance(usage_entry, Mapping) else {}
        with self._lock:
            known = call_id in self._open
            scope, lm = self._open[call_id] if known else (self._scope(None) or self._other, lm_name)
            if known:
                self._billed.add(call_id)
        if not known:
            scope.strangers = True
            scope.heartbeat.beat()
        if scope.outer is not None:
            scope.outer.add_usage(lm_name, usage_entry)
        tokens, cost = tokens_of(usage), self._prices.cost(lm, usage)
        if tokens is not None and self._pacing is not None:
            self._pacing.used(call_id, sum(tokens))
        spent: dict[str, float] = {} if known else {"calls": 1}
        if tokens is None:
            spent["unreported"] = 1
        else:
            spent["input_tokens"], spent["output_tokens"] = tokens
        if cost is None:
            spent["unpriced"] = 1
        else:
            spent["usd"] = rounded(cost)
        with self._lock:
            self._count(scope, **spent)

    def on_lm_end(self, call_id: str, outputs: Any, exception: Exception | None = None) -> None:
        """A call ended."""
        with self._lock:
            scope, _ = self._open.pop(call_id, (None, None))
            if scope is None:
                return
            if exception is not None:
                scope.fails(exception)
                self._count(scope, failures=1)
            elif call_id not in self._billed:
                self._count(scope, cache_hits=1)
            is_cached = exception is None and call_id not in self._billed
            self._billed.discard(call_id)
        scope.heartbeat.beat()
        if self._pacing is not None:
            if exception is not None:
                self._pacing.failed(call_id, exception)
            elif is_cached:
                self._pacing.cached(call_id)

    def _scope(self, lm: Any) -> Scope | None:
        """What a call of a model is charged to; None if it is made outside of any role."""
        scope: Scope | None = dspy.settings.get(self._role)
        return scope

    def _on_call(self, predictor: Any) -> None:
        self._meet(dspy.settings.get(self._role), predictor)

    def _meet(self, scope: Scope | None, instance: Any) -> None:
        """Note whether a model or a predictor, or a usage tracker of the program's own, is one that is not known."""
        if scope is None:
            return
        tracker = dspy.settings.usage_tracker
        if tracker is not self and tracker is not scope.usage:
            _listen(tracker, self)
            scope.strangers = True
        elif not scope.strangers:
            scope.strangers = not self.listening.is_attached(instance)

    def _count(self, scope: Scope, **spent: float) -> None:
        scope.tally.count(**spent)
        self._totals.setdefault(scope.role, Tally()).count(**spent)


class ModelMeter(Meter):
    """Counts by model instead of by role: the roles are the models' places in `models`."""

    def __init__(self) -> None:
        super().__init__()
        self.models: list[Any] = []
        self._scopes: dict[int, Scope] = {}

    def _scope(self, lm: Any) -> Scope:
        if id(lm) not in self._scopes:
            self._scopes[id(lm)] = Scope(str(len(self.models)))
            self.models.append(lm)
        return self._scopes[id(lm)]


def _listen(tracker: Any, meter: Meter) -> None:
    """Have a usage tracker of the program's own pass on what it is told."""
    if tracker is None or isinstance(tracker, Meter) or _listens(tracker, meter):
        return
    tell = tracker.add_usage

    def add_usage(lm_name: str, usage_entry: Any) -> None:
        before = meter.heard()
        tell(lm_name, usage_entry)
        if meter.heard() == before:  # one that tells the tracker around it has told the meter already
            meter.add_usage(lm_name, usage_entry)

    tracker.add_usage, tracker._dlpo_meter = add_usage, meter


def _listens(tracker: Any, meter: Meter) -> bool:
    return getattr(tracker, "_dlpo_meter", None) is meter
