"""What `dspy.GEPA` tells a proposer of the calls of one predictor, as critic and writer are shown it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dspy_dlpo.core.roles import Row, TraceStep
from dspy_dlpo.host.values import as_text

# The field of a reply that could not be read, and so has none.
UNREAD = "in no form that can be read"


@dataclass(frozen=True)
class Reflections:
    """Calls of one predictor, with the feedback to them.

    Args:
        calls: What it was given and what it answered.
        rows: A run for each call, without a score: GEPA tells none.
    """

    calls: Sequence[TraceStep]
    rows: Sequence[Row]

    @property
    def inputs(self) -> list[str]:
        """What it was given in each call, as one text."""
        return [" ".join(call.inputs.values()) for call in self.calls]

    @property
    def outputs(self) -> list[str]:
        """What it answered in each call, as one text."""
        return [" ".join(call.outputs.values()) for call in self.calls]

    @property
    def fields(self) -> tuple[str, str]:
        """The names of its input fields and of its output fields."""
        return _names(call.inputs for call in self.calls), _names(call.outputs for call in self.calls)


def reflections(name: str, records: Sequence[Mapping[str, Any]]) -> Reflections:
    """GEPA's records of one predictor."""
    calls = [_call(name, record) for record in records]
    said = [str(record.get("Feedback") or "") for record in records]
    rows = [Row(i, None, feedback=said[i], trace=(call,)) for i, call in enumerate(calls)]
    return Reflections(calls, rows)


def _call(name: str, record: Mapping[str, Any]) -> TraceStep:
    answered = record.get("Generated Outputs") or {}
    outputs = as_text(answered if isinstance(answered, Mapping) else {UNREAD: answered})
    return TraceStep(name, as_text(record.get("Inputs") or {}), outputs)


def _names(fields: Iterable[Mapping[str, str]]) -> str:
    return ", ".join(dict.fromkeys(name for each in fields for name in each if name != UNREAD))
