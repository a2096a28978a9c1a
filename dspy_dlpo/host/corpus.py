"""Metrics that want all examples at once and do not say so: told apart from those that score one."""

from __future__ import annotations

import re
import typing
from collections.abc import Collection, Iterable, Sequence
from typing import Any

_PLURAL = re.compile(
    r"(all_)?(golds|gold_\w*s|preds|predictions|references|refs|targets|examples|labels|outputs|responses|answers|truths"
    r"|gts|y_true|y_pred)$"
)
_LIST_TEXT = re.compile(r"(typing\.)?(list|List|tuple|Tuple|Sequence|Iterable|Collection)\b")


def says_corpus(names: Sequence[str]) -> bool:
    """Whether the names of the first two parameters speak of many examples and many predictions."""
    return len(names) == 2 and all(_PLURAL.match(name.lower().strip("_")) for name in names)


def is_list_type(annotation: Any) -> bool:
    """Whether an annotation says that a list is wanted; it may stand there as text."""
    if isinstance(annotation, str):
        return _LIST_TEXT.match(annotation) is not None
    origin = typing.get_origin(annotation) or annotation
    return origin in (list, tuple, Sequence, Iterable, Collection)


def wants_lists(metric: Any) -> str:
    """What is said of such a metric, and the way out."""
    name = getattr(metric, "__name__", "metric")
    name = name if name.isidentifier() else "metric"
    return (
        "wants lists of all examples and predictions, but DSPy calls a metric with one of each, and takes the mean of "
        f"its scores. Pass CorpusMetric({name}) to have whole sets scored by it."
    )
