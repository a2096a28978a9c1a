"""What a run changed, as a patch that people and tools read: a unified diff with a file for every predictor."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from dspy_dlpo.core.history import Prompts


def patch(before: Prompts, after: Prompts) -> str:
    """The unified diff of two sets of prompts, from ``a/<predictor>.txt`` to ``b/<predictor>.txt``.

    Returns:
        The diff, which ends with a line break; empty where nothing differs. Files end with a line break as well, so
        that none of them lacks it.
    """
    return "".join(f"{line}\n" for name in before for line in _lines(name, before[name], after[name]))


def _lines(name: str, before: str, after: str) -> Iterator[str]:
    file = f"{name.replace('/', '_')}.txt"
    # Not `splitlines`: for a patch a line ends at a line feed alone.
    return difflib.unified_diff(before.split("\n"), after.split("\n"), f"a/{file}", f"b/{file}", lineterm="")
