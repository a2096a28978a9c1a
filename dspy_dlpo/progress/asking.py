"""Ask a person about an edit, in a terminal or a notebook."""

from __future__ import annotations

import sys

from dspy_dlpo.core.errors import ReviewError
from dspy_dlpo.core.review import ReviewAnswer, Suggestion
from dspy_dlpo.progress.streams import unwrapped

QUESTION = "Keep it? [y]es, [n]o, or a sentence to stand in its place: "
_ANSWERS = {"y": True, "yes": True, "n": False, "no": False}


def can_be_asked() -> bool:
    """Whether somebody can answer: at a terminal, or in a notebook."""
    return "ipykernel" in sys.modules or (sys.stdin is not None and sys.stdin.isatty())


def ask_person(suggestion: Suggestion) -> ReviewAnswer:
    """Show an edit, and wait for the answer; an empty one is asked for again.

    Raises:
        ReviewError: If nobody answers.
    """
    with unwrapped():
        sys.stdout.write(f"\n{suggestion}\n")
        while True:
            try:
                said = input(QUESTION).strip()
            except EOFError:
                raise ReviewError("Nobody answered whether an edit may stay: standard input has ended.") from None
            if said:
                return _ANSWERS.get(said.casefold(), said)
