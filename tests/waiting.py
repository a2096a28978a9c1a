"""Waiting in tests: for what is to happen, never for a guess of how long it takes."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Seconds after which something counts as hung, on however busy a machine; less than the ten minutes that a call of a
# model takes which is to hang. No test that passes waits for it.
PATIENCE = 500.0


def wait_until(condition: Callable[[], T], what: str) -> T:
    """What a condition gives as soon as it is true.

    Raises:
        AssertionError: If that does not come.
    """
    until = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < until, f"{what} did not happen within {PATIENCE:g} s"
        time.sleep(0.02)
    return found
