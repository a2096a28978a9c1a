"""DSPy's cache, switched off for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dspy
from dspy.clients.cache import Cache


@contextmanager
def cache_off() -> Iterator[None]:
    """No cache answers a call of a model inside, and none keeps its answer, in any thread of this process.

    DSPy has no switch by context; an option of single calls would not reach those that a user's function makes.
    """
    kept = dspy.cache
    dspy.cache = Cache(enable_disk_cache=False, enable_memory_cache=False, disk_cache_dir=None)
    try:
        yield
    finally:
        dspy.cache = kept
