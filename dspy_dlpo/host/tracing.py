"""What the predictors of a running program were given and answered, in order; calls that failed are part of it."""

from __future__ import annotations

from typing import Any

import dspy
from dspy.utils.callback import BaseCallback
from dspy.utils.exceptions import AdapterParseError, is_retryable_lm_error

from dspy_dlpo.host.dead import is_dead


class Trace(list[Any]):
    """A trace that DSPy fills, a (predictor, inputs, outputs) for each call, with every history as it was at the call.

    Modules such as `dspy.ReActV2` go on writing into the history that they have passed.
    """

    def append(self, step: tuple[Any, dict[str, Any], Any]) -> None:
        """Add the step of a call that has just ended."""
        predictor, inputs, outputs = step
        super().append((predictor, {name: _as_it_is(value) for name, value in inputs.items()}, outputs))


class FailedCalls(BaseCallback):
    """Puts calls into the trace whose reply could not be read, or that failed by what they were given.

    DSPy leaves them out, and with them the predictor whose instructions are to blame. A call that failed in transport
    says nothing of them, and stays out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[str, tuple[dspy.Predict, dict[str, Any]]] = {}

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """A call begins."""
        if isinstance(instance, dspy.Predict):
            self._calls[call_id] = instance, inputs.get("kwargs", {})

    def on_module_end(self, call_id: str, outputs: Any | None, exception: Exception | None = None) -> None:
        """A call ended."""
        predictor, inputs = self._calls.pop(call_id, (None, {}))
        if predictor is None or not isinstance(exception, Exception) or dspy.settings.trace is None:
            return
        if is_retryable_lm_error(exception) or is_dead(exception):
            return
        given = {name: value for name, value in inputs.items() if name in predictor.signature.input_fields}
        dspy.settings.trace.append((predictor, given, _said(exception)))


def _said(error: Exception) -> dict[str, str]:
    if isinstance(error, AdapterParseError):
        return {"unreadable reply": str(error.lm_response or "")}
    return {"error": f"{type(error).__name__}: {error}"}


def _as_it_is(value: Any) -> Any:
    return value.model_copy(update={"messages": list(value.messages)}) if isinstance(value, dspy.History) else value
