"""Which parts of a batch a step's text gradients look at, and which predictors it updates."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dspy_dlpo.core.history import History
from dspy_dlpo.core.update import TextGradient

UPDATES = ("all", "most_blamed", "in_turn")
_PARAGRAPH = re.compile(r"\n\s*\n")


def shared(batch: Sequence[int], gradients: int) -> list[tuple[int, ...]]:
    """A batch in parts, one for each text gradient: of two examples at least, so there may be fewer parts.

    Args:
        batch: Failing examples.
        gradients: Parts wanted, at least 1.
    """
    count = min(gradients, max(1, len(batch) // 2))
    return [tuple(batch[i::count]) for i in range(count)]


def blamed(parts: Sequence[Sequence[TextGradient]]) -> list[list[TextGradient]]:
    """The gradients without those that find their predictor fine, unless all do."""
    at_fault = [[each for each in part if not each.is_fine] for part in parts]
    return at_fault if any(at_fault) else [list(part) for part in parts]


def whose_turn(update: str, gradients: Sequence[TextGradient], history: History) -> frozenset[str]:
    """The predictors that a step updates.

    Args:
        update: ``"all"`` that have a gradient; ``"most_blamed"``: the one with most points, a paragraph each, of equals
            the longest; or ``"in_turn"``: the one that was updated longest ago.
        gradients: What the critic wrote, in the program's order.
        history: What was done before.
    """
    names = list(dict.fromkeys(each.predictor for each in gradients))
    if update == "all" or len(names) < 2:
        return frozenset(names)
    if update == "most_blamed":
        texts = {name: [each.text for each in gradients if each.predictor == name] for name in names}
        return frozenset([max(names, key=lambda name: (_points(texts[name]), sum(map(len, texts[name]))))])
    last = {each.predictor: record.index for record in history.steps() for each in record.gradients}
    return frozenset([min(names, key=lambda name: last.get(name, -1))])


def _points(texts: Sequence[str]) -> int:
    return sum(len(_PARAGRAPH.split(text)) for text in texts)
