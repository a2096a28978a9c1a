"""Which predictors a step updates: all that are blamed, the most blamed, or one after the other."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dspy_dlpo.core.history import History
from dspy_dlpo.core.update import TextGradient

UPDATES = ("all", "most_blamed", "in_turn")
_PARAGRAPH = re.compile(r"\n\s*\n")


def whose_turn(update: str, gradients: Sequence[TextGradient], history: History) -> tuple[TextGradient, ...]:
    """The gradients that a step follows.

    Args:
        update: ``"all"``; ``"most_blamed"``: the one with most points, a paragraph each, of equals the longest; or
            ``"in_turn"``: the one whose predictor was updated longest ago.
        gradients: What the critic wrote, in the program's order.
        history: What was done before.
    """
    if update == "all" or len(gradients) < 2:
        return tuple(gradients)
    if update == "most_blamed":
        return (max(gradients, key=lambda each: (len(_PARAGRAPH.split(each.text)), len(each.text))),)
    last = {each.predictor: record.step for record in history.steps() for each in record.gradients}
    return (min(gradients, key=lambda each: last.get(each.predictor, -1)),)
