"""Count what is spent, by role: calls, cache hits, failures and tokens."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dspy
from dspy.utils.callback import ACTIVE_CALL_ID, BaseCallback
from dspy.utils.usage_tracker import UsageTracker

ROLE = "dlpo_role"
_INPUT = ("prompt_tokens", "input_tokens")
_OUTPUT = ("completion_tokens", "output_tokens")


class Meter(BaseCallback, UsageTracker):
    """Counts language-model calls by role, under any number of threads, with DSPy's history on or off.

    It is DSPy's callback and usage tracker at once. DSPy reports usage for every call that no cache answered; a call
    without usage and without an error is a cache hit. Retries within one call are not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._roles: dict[str, str] = {}
        self._billed: set[str] = set()
        self._totals: dict[str, dict[str, int]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Meter:
        return self

    @contextmanager
    def role(self, name: str, **settings: Any) -> Iterator[None]:
        """Charge the calls made inside to a role, under further DSPy settings."""
        callbacks = [callback for callback in dspy.settings.callbacks if callback is not self]
        with dspy.context(callbacks=[*callbacks, self], usage_tracker=self, **{ROLE: name}, **settings):
            yield

    def totals(self) -> dict[str, dict[str, int]]:
        """By role: ``calls``, ``cache_hits``, ``failures``, ``input_tokens``, ``output_tokens``."""
        with self._lock:
            return {role: dict(counts) for role, counts in sorted(self._totals.items())}

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """A call begins."""
        with self._lock:
            self._roles[call_id] = dspy.settings.get(ROLE) or "other"
            self._count(self._roles[call_id], "calls", 1)

    def add_usage(self, lm_name: str, usage_entry: Any) -> None:
        """A call was billed."""
        call_id = ACTIVE_CALL_ID.get()
        usage = usage_entry if isinstance(usage_entry, Mapping) else {}
        with self._lock:
            role = self._roles.get(call_id or "", "other")
            self._billed.add(call_id or "")
            self._count(role, "input_tokens", _first(usage, _INPUT))
            self._count(role, "output_tokens", _first(usage, _OUTPUT))

    def on_lm_end(self, call_id: str, outputs: Any, exception: Exception | None = None) -> None:
        """A call ended."""
        with self._lock:
            role = self._roles.pop(call_id, "other")
            if exception is not None:
                self._count(role, "failures", 1)
            elif call_id not in self._billed:
                self._count(role, "cache_hits", 1)
            self._billed.discard(call_id)

    def _count(self, role: str, what: str, number: int) -> None:
        empty = {"calls": 0, "cache_hits": 0, "failures": 0, "input_tokens": 0, "output_tokens": 0}
        self._totals.setdefault(role, empty)[what] += number


def _first(usage: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return next((int(usage[name]) for name in names if isinstance(usage.get(name), (int, float))), 0)
