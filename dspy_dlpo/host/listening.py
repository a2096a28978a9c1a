"""Where a callback listens: at the models that it knows, once these and the known predictors have shown to be all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dspy.utils.callback import BaseCallback

from dspy_dlpo.host.tracing import is_watched, watch

# So many runs of the program are listened to everywhere before the known places alone are.
TRIED = 8
# Two runs may attach to one model at a time.
_ATTACHING = threading.Lock()


class Listening:
    """Where a callback listens.

    DSPy tells a callback of its settings of every call of a module, an adapter and a model, and binds all arguments
    anew each time; that takes longer than all else that is done about a call. A callback of single models is told of
    theirs alone, and a predictor that is watched needs none. So the callback listens everywhere at first, at the models
    that it is attached to after some runs in which none but these and watched predictors took part, and everywhere
    again once another shows.

    Args:
        callback: The callback.
        on_call: Told of a watched predictor as a call of it begins.
    """

    def __init__(self, callback: BaseCallback, on_call: Callable[[Any], None]) -> None:
        self._callback, self._on_call, self._lock = callback, on_call, threading.Lock()
        self._left, self._strangers = TRIED, False

    @property
    def everywhere(self) -> bool:
        """Whether the callback must be in DSPy's settings."""
        return self._strangers or self._left > 0

    def attach(self, instance: Any) -> bool:
        """Have a model tell the callback, or have a predictor watched; False if neither can be."""
        if watch(instance, self._on_call):
            return True
        with _ATTACHING:
            callbacks = getattr(instance, "callbacks", None)
            if not isinstance(callbacks, list):
                return False
            if not self.is_attached(instance):
                instance.callbacks = [*callbacks, self._callback]
        return True

    @contextmanager
    def attached(self, instances: Iterable[Any]) -> Iterator[None]:
        """Have models tell the callback for a while; their other callbacks stay."""
        attached = [instance for instance in instances if not self.is_attached(instance) and self.attach(instance)]
        try:
            yield
        finally:
            for instance in attached:
                with _ATTACHING:
                    instance.callbacks = [each for each in instance.callbacks if each is not self._callback]

    def is_attached(self, instance: Any) -> bool:
        """Whether a model tells the callback of itself, or a predictor is watched."""
        return is_watched(instance) or any(
            each is self._callback for each in getattr(instance, "callbacks", None) or ()
        )

    def ended(self, strangers: bool) -> None:
        """A run of the program ended, in which strangers took part or not."""
        with self._lock:
            self._left, self._strangers = max(0, self._left - 1), self._strangers or strangers
