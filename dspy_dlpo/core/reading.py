"""Records and rows, read back from the JSON that was written of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dspy_dlpo.core.edits import Dropped, Edit
from dspy_dlpo.core.history import Asked, Fault, LedgerEntry, Record
from dspy_dlpo.core.reasons import reason_from_data
from dspy_dlpo.core.roles import Failure, Row, TraceStep
from dspy_dlpo.core.update import Note, TextGradient


def record_from_data(data: Mapping[str, Any]) -> Record:
    """The record that plain data hold.

    Raises:
        KeyError: If a field is missing.
    """
    older = {"index": data["step"]} if "step" in data else {}  # as earlier versions named it
    return Record(
        **{
            **{name: value for name, value in data.items() if name != "step"},
            **older,
            "batch": tuple(data["batch"]),
            "gradients": tuple(
                TextGradient(g["predictor"], g["text"], tuple(g["examples"])) for g in data["gradients"]
            ),
            "notes": {name: tuple(Note(**note) for note in notes) for name, notes in data["notes"].items()},
            "edits": tuple(Edit(**edit) for edit in data["edits"]),
            "dropped": tuple(Dropped(Edit(**each["edit"]), each["reason"]) for each in data["dropped"]),
            "ledger": tuple(_entry(entry) for entry in data["ledger"]),
            "reason": reason_from_data(data["reason"]),
            "scores": {int(x): tuple(scores) for x, scores in data["scores"].items()},
            "fault": Fault(data["fault"]) if data.get("fault") else None,  # not in records of older versions
            "asked": tuple(Asked(**each) for each in data.get("asked", ())),
        }
    )


def row_from_data(data: Mapping[str, Any]) -> Row:
    """The row that plain data hold.

    Raises:
        KeyError: If a field is missing.
    """
    fields = {each: data[each] for each in Row.__dataclass_fields__}
    trace = tuple(TraceStep(**step) for step in data["trace"])
    return Row(**{**fields, "trace": trace, "failure": Failure(data["failure"])})


def _entry(data: dict[str, Any]) -> LedgerEntry:
    lists = {name: tuple(data[name]) for name in ("gained", "lost")}
    reason = reason_from_data(data["reason"])
    return LedgerEntry(**{**data, **lists, "edit": Edit(**data["edit"]), "reason": reason})
