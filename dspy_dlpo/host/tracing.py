"""What the predictors of a running program were given and answered, in order; calls that failed are part of it."""

from __future__ import annotations

import copyreg
import functools
from collections.abc import Callable
from typing import Any

import dspy
from dspy.utils.callback import BaseCallback
from dspy.utils.exceptions import AdapterParseError, is_retryable_lm_error

from dspy_dlpo.host.dead import is_dead

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


def watch(predictor: dspy.Predict, on_call: Callable[[Any], None]) -> bool:
    """Have a predictor tell of its calls, and put those that fail into the trace, as `FailedCalls` does.

    It is of a subclass then, and its copies are not: as callbacks, this stays behind. It takes a fraction of the time
    that DSPy takes to tell a callback of a call.

    Args:
        predictor: The predictor.
        on_call: Told of the predictor as a call begins.

    Returns:
        Whether that can be done.
    """
    if not is_watched(predictor):
        try:
            predictor.__class__ = _watched(type(predictor))
        except Exception:  # noqa: BLE001 - a class may refuse subclasses, and its objects another class
            return False
    predictor.__dict__[ON_CALL] = on_call
    return True


def is_watched(predictor: Any) -> bool:
    """Whether a predictor tells of its calls by itself."""
    return isinstance(predictor, _Watched)


class _Watched:
    """What a predictor gets that is watched."""

    _dlpo_kind: type  # what it was before

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.__dict__[ON_CALL](self)
        try:
            return super().forward(*args, **kwargs)  # type: ignore[misc]
        except Exception as error:
            _note_failure(self, kwargs, error)
            raise

    async def aforward(self, *args: Any, **kwargs: Any) -> Any:
        self.__dict__[ON_CALL](self)
        try:
            return await super().aforward(*args, **kwargs)  # type: ignore[misc]
        except Exception as error:
            _note_failure(self, kwargs, error)
            raise

    def __reduce_ex__(self, protocol: Any) -> Any:
        made = super().__reduce_ex__(protocol)
        made_anew = isinstance(made, tuple) and made[0] is copyreg.__newobj__  # type: ignore[attr-defined]
        if made_anew and isinstance(made[2], dict):
            state = {name: value for name, value in made[2].items() if name != ON_CALL}
            return self._dlpo_kind.__new__, (self._dlpo_kind, *made[1][1:]), state, *made[3:]
        return made


@functools.cache
def _watched(kind: type) -> type:
    names = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(kind)(kind.__name__, (_Watched, kind), {**names, "_dlpo_kind": kind})


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
    if dspy.settings.trace is None or is_retryable_lm_error(error) or is_dead(error):
        return
    given = {name: value for name, value in inputs.items() if name in predictor.signature.input_fields}
    dspy.settings.trace.append((predictor, given, _said(error)))


def _said(error: Exception) -> dict[str, str]:
    if isinstance(error, AdapterParseError):
        return {"unreadable reply": str(error.lm_response or "")}
    return {"error": f"{type(error).__name__}: {error}"}


def _as_it_is(value: Any) -> Any:
    return value.model_copy(update={"messages": list(value.messages)}) if isinstance(value, dspy.History) else value
