"""The history of a run as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dspy_dlpo.core.history import Record
from dspy_dlpo.core.sentences import words_of
from dspy_dlpo.report.extras import extra

COLUMNS = (
    "step",
    "kind",
    "accepted",
    "score",
    "base",
    "gain",
    "bar",
    "examples",
    "edits",
    "kept",
    "dropped",
    "words",
    "metric_calls",
    "usd",
    "progress",
    "seconds",
    "reason",
)


def to_frame(history: Sequence[Record]) -> Any:
    """A pandas DataFrame with one row per record; `DLPOResult.to_pandas` tells the columns.

    Raises:
        ImportError: If pandas is not installed.
    """
    pandas = extra("pandas", "to_pandas()")
    frame = pandas.DataFrame([_row(record) for record in history], columns=list(COLUMNS))
    numbers = dict.fromkeys(("score", "base", "gain", "bar", "usd", "progress", "seconds"), "float64")
    whole = dict.fromkeys(("step", "examples", "edits", "kept", "dropped", "words", "metric_calls"), "int64")
    return frame.astype({**numbers, **whole, "accepted": "bool"})


def _row(record: Record) -> dict[str, Any]:
    has_gain = record.score is not None and record.base is not None
    in_force = record.proposal if record.accepted else record.prompts
    return {
        "step": record.index,
        "kind": record.kind.value,
        "accepted": record.accepted,
        "score": record.score,
        "base": record.base,
        "gain": record.score - record.base if has_gain else None,  # type: ignore[operator]
        "bar": record.bar,
        "examples": len(record.scores),
        "edits": len(record.edits),
        "kept": sum(entry.kept for entry in record.ledger),
        "dropped": len(record.dropped),
        "words": words_of(in_force.values()),
        "metric_calls": record.cost,
        "usd": record.spent.get("usd"),
        "progress": record.progress,
        "seconds": record.seconds,
        "reason": str(record.reason),
    }
