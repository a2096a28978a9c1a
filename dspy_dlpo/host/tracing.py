"""What the predictors of a running program were given and answered, in order; calls that failed are part of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dspy
from dspy.utils.callback import BaseCallback
from dspy.utils.exceptions import AdapterParseError, is_retryable_lm_error

from dspy_dlpo.host.lm_errors import is_permanent

# The attribute of a watched predictor that holds what is told of its calls.
ON_CALL = "_dlpo_on_call"


class Trace(list[Any]):
    """A trace that DSPy fills, a (predictor, inputs, outputs) for each call, with every history as it was at the call.

    Modules such as `dspy.ReActV2` go on writing into the history that they have passed.
    """

    def append(self, step: tuple[Any, dict[str, Any], Any]) -> None:
        """Add the step of a call that has just ended."""
        predictor, inputs, outputs = step
        super().append((predictor, {name: _as_it_is(value) for name, value in inputs.items()}, outputs))


def watch(predictor: Any, on_call: Callable[[Any], None]) -> bool:
    """Have a predictor tell of its calls, and put those that fail into the trace, as `FailedCalls` does.

    It takes a fraction of the time that DSPy takes to tell a callback of a call. A predictor of a user's own class, or
    with a `forward` of its own, stays what it is. A copy of one that is watched is plain again.

    Args:
        predictor: The predictor; whatever else it is stays as it is.
        on_call: Told of the predictor as a call begins.

    Returns:
        Whether that can be done.
    """
    if type(predictor) not in (dspy.Predict, _Watched) or {"forward", "aforward"} & vars(predictor).keys():
        return False
    predictor.__class__ = _Watched
    vars(predictor)[ON_CALL] = on_call
    return True


def is_watched(predictor: Any) -> bool:
    """Whether a predictor tells of its calls by itself."""
    return type(predictor) is _Watched


class _Watched(dspy.Predict):
    """A predictor that is watched."""

    def forward(self, **kwargs: Any) -> Any:
        self._begins()
        try:
            return super().forward(**kwargs)
        except Exception as error:
            _note_failure(self, kwargs, error)
            raise

    async def aforward(self, **kwargs: Any) -> Any:
        self._begins()
        try:
            return await super().aforward(**kwargs)
        except Exception as error:
            _note_failure(self, kwargs, error)
            raise

    def _begins(self) -> None:
        on_call = vars(self).get(ON_CALL)
        if on_call is not None:
            on_call(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        state = {name: value for name, value in self.__getstate__().items() if name != ON_CALL}
        return dspy.Predict.__new__, (dspy.Predict,), state


# It shows as what it was: in its `repr`, and where a module shows the source of another to a model.
for _name in ("__name__", "__qualname__", "__module__", "__doc__", "__firstlineno__"):
    if hasattr(dspy.Predict, _name):
        setattr(_Watched, _name, getattr(dspy.Predict, _name))


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
        if isinstance(instance, dspy.Predict) and not is_watched(instance):
            self._calls[call_id] = instance, inputs.get("kwargs", {})

    def on_module_end(self, call_id: str, outputs: Any | None, exception: Exception | None = None) -> None:
        """A call ended."""
        predictor, inputs = self._calls.pop(call_id, (None, {}))
        if predictor is not None and isinstance(exception, Exception):
            _note_failure(predictor, inputs, exception)


def _note_failure(predictor: Any, inputs: dict[str, Any], error: Exception) -> None:
    """Put a failed call into the trace, unless it failed in transport."""
    if dspy.settings.trace is None or is_retryable_lm_error(error) or is_permanent(error):
        return
    given = {name: value for name, value in inputs.items() if name in predictor.signature.input_fields}
    dspy.settings.trace.append((predictor, given, _said(error)))


def _said(error: Exception) -> dict[str, str]:
    if isinstance(error, AdapterParseError):
        return {"unreadable reply": str(error.lm_response or "")}
    return {"error": f"{type(error).__name__}: {error}"}


def _as_it_is(value: Any) -> Any:
    return value.model_copy(update={"messages": list(value.messages)}) if isinstance(value, dspy.History) else value
