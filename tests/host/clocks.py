"""A clock that runs only where something waits."""

import threading

from dspy_dlpo.host.pacing import Clock


class FakeClock(Clock):
    """Waiting moves it on by as much, at once."""

    def __init__(self) -> None:
        self.time, self.waits = 0.0, []
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.time

    def wait(self, condition, seconds) -> None:
        with self._lock:
            self.waits.append(seconds)
            self.time += seconds
