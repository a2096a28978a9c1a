"""Where a callback listens: at the models and predictors that it knows, once these have shown to be all."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dspy.utils.callback import BaseCallback

# So many runs of the program are listened to everywhere before the known places alone are.
TRIED = 8
# Two runs may attach to one model at a time.
_ATTACHING = threading.Lock()


class Listening:
    """Where a callback listens.

    DSPy tells a callback of its settings of every call of a module, an adapter and a model, and binds all arguments
    anew each time; that takes longer than all else that is done about a call. A callback of single models and
    predictors is told of theirs alone. So it listens everywhere at first, at the models and predictors that it is
    attached to after some runs in which no other took part, and everywhere again once another shows.

    Args:
        callback: The callback.
    """

    def __init__(self, callback: BaseCallback) -> None:
        self._callback, self._lock = callback, threading.Lock()
        self._left, self._strangers = TRIED, False

    @property
    def everywhere(self) -> bool:
        """Whether the callback must be in DSPy's settings."""
        return self._strangers or self._left > 0

    def attach(self, instance: Any) -> bool:
        """Have a model or a predictor tell the callback; False if it takes no callbacks."""
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
        """Whether a model or a predictor tells the callback of itself."""
        return any(each is self._callback for each in getattr(instance, "callbacks", None) or ())

    def ended(self, strangers: bool) -> None:
        """A run of the program ended, in which strangers took part or not."""
        with self._lock:
            self._left, self._strangers = max(0, self._left - 1), self._strangers or strangers
