"""What a run directory remembers, and how a run goes on from there.

``calls.jsonl`` is the log of everything in order: what was sent (``sent``), each run of the program (``task``) and each
reply (``critic``, ``writer``, and ``feedback`` of the metric on predictors) that came back, and a ``mark`` before each
record is written; ``raised``, ``ended`` and ``planned`` say what else a later process must know. All up to the mark of
the last record is the state that the record rests on. What came after it belongs to a step that was not finished: it is
kept *pending*, and answers the same requests when they are made again, at no cost. So a run that goes on takes the same
decisions as one that was never disturbed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dspy_dlpo.core.budget import Budget, BudgetSpent
from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.errors import ResumeError, RunDirectoryError
from dspy_dlpo.core.history import Record, RecordKind
from dspy_dlpo.core.json_lines import mend_last_line, parse_lines, to_json
from dspy_dlpo.core.reading import record_from_json, row_from_data
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.roles import Row
from dspy_dlpo.core.storage import CALLS, HISTORY, SETTINGS, RunDirectory

# How settings and records are told: raised when a run of before cannot be gone on with.
IDENTITY = 3
# Names of one run of the program: set of examples, prompts, example, repetition.
RunKey = tuple[str, str, int, int]
Line = dict[str, Any]


@dataclass(frozen=True)
class PastRun:
    """A run of the program that was paid for, and what it used by role."""

    row: Row
    spent: Mapping[str, Mapping[str, Any]]


@dataclass
class Memory:
    """What a run directory remembers; all empty for a new one.

    Args:
        history: The records, less those of a pruning, which is done again from what is pending.
        runs: The runs of the program that the records rest on.
        pending: Those that came after.
        replies: What critic and writer answered: by request, the answer and what it used.
        feedbacks: What the metric said of single predictors: by run, the line that tells it.
        settled: The requests, and the runs in `feedbacks`, that the records rest on.
        spent: Program runs that were charged when the last record was written.
        lost_runs: Program runs that were in flight when a process died.
        lost_asks: Requests to the prompt model that were.
        ended: How the steps ended, if they did for good; what remains is to select.
        since: Records that an earlier process had made when it gave up for want of usable replies; this one tries anew.
        plan: How many finalists are compared on how many validation examples, if that was settled.
    """

    history: tuple[Record, ...] = ()
    runs: dict[RunKey, PastRun] = field(default_factory=dict)
    pending: dict[RunKey, PastRun] = field(default_factory=dict)
    replies: dict[str, Line] = field(default_factory=dict)
    feedbacks: dict[RunKey, Line] = field(default_factory=dict)
    settled: set[str | RunKey] = field(default_factory=set)
    spent: int = 0
    lost_runs: int = 0
    lost_asks: int = 0
    ended: Ending | None = None
    since: int = 0
    plan: tuple[int, int] | None = None


def open_run(directory: RunDirectory, settings: Mapping[str, Any], budget: Budget) -> Memory:
    """Begin a run in a directory, or go on with the one it holds.

    A directory in which nothing was scored yet is begun anew, whatever its settings.

    Args:
        directory: The directory.
        settings: All that determines the run, beside its budget.
        budget: Its budget; one that is higher than before is recorded, and the run goes on with it.

    Raises:
        ResumeError: If the directory holds a run of other settings, or of a higher budget.
        RunDirectoryError: If it cannot be read or written.
    """
    for name in (HISTORY, CALLS):
        mend_last_line(directory.path / name)
    stored = _stored_settings(directory.path)
    new = json.loads(to_json({"settings": settings, "budget": budget.given}))
    lines = _read_lines(directory.path)
    if stored is None or not _holds_anything(directory.path, lines):
        directory.forget()
        directory.write_json(SETTINGS, {**new["settings"], "budgets": [{**new["budget"], "from_record": 0}]})
        return Memory()
    if stored.get("identity") != new["settings"].get("identity"):
        raise ResumeError(
            f"log_dir={str(directory.path)!r} holds a run of dspy_dlpo {stored.get('package', 'unknown')}, which told "
            "data, programs and metrics apart, or why edits were kept, in another way, so that this version cannot go "
            "on with it. Pass another directory, or go on with that version."
        )
    differences = _differences({key: stored.get(key) for key in new["settings"]}, new["settings"])
    differences = [each for each in differences if each.split(".")[0].split(" ")[0] not in MAY_DIFFER]
    if differences:
        raise ResumeError(
            f"log_dir={str(directory.path)!r} holds another run: {'; '.join(differences[:5])}. Make the call that "
            "began it, or pass another directory."
        )
    return _gone_on(directory, stored, lines, budget)


def check_run(path: Path) -> None:
    """Make sure that what a directory holds can be read, and says of what run it is; an empty one is fine.

    Raises:
        RunDirectoryError: If it cannot be read, or holds calls or records of a run that nothing names.
    """
    _stored_settings(path)
    _read_lines(path)
    read_records(path)


# Settings that are recorded and may change while a run goes on.
MAY_DIFFER = ("package", "dspy")


def _gone_on(directory: RunDirectory, stored: Mapping[str, Any], lines: Sequence[Line], budget: Budget) -> Memory:
    last = {name: limit for name, limit in stored["budgets"][-1].items() if name != "from_record"}
    lower = budget.lower_than(Budget(**last))
    if lower:
        raise ResumeError(
            f"log_dir={str(directory.path)!r} holds a run with a higher budget: {lower[0]} was "
            f"{last.get(lower[0], 'not limited')}, now {budget.given[lower[0]]}. Pass at least the old budget, or "
            "another directory."
        )
    is_raised = budget.given != last
    records = read_records(directory.path)
    kept = list(records)
    marked = max((line["record"] for line in lines if line["role"] == "mark"), default=-1)
    # A pruning is done again, and a record that rests on no calls is none.
    while kept and (kept[-1].kind == RecordKind.PRUNE or len(kept) - 1 > marked):
        kept.pop()
    if len(kept) < len(records):
        directory.write_history(kept)
    if is_raised:
        spent = sum(1 for _ in dict(_past_runs(lines)))
        lines = [*lines, raised(len(kept) - 1, spent, budget)]
        directory.append_call(lines[-1])
        budgets = [*stored["budgets"], {**budget.given, "from_record": len(kept)}]
        directory.write_json(SETTINGS, {**stored, "budgets": budgets})
    return _remembered(lines, kept)


def read_records(path: Path) -> list[Record]:
    """The records that a directory holds."""
    return parse_lines(path / HISTORY, record_from_json) if (path / HISTORY).exists() else []


def _read_lines(path: Path) -> list[Line]:
    return parse_lines(path / CALLS, json.loads) if (path / CALLS).exists() else []


def mark(record: int, spent: int) -> Line:
    """The line that says: all before belongs to record `record`, with so many program runs charged."""
    return {"role": "mark", "record": record, "spent": spent}


def raised(record: int, spent: int, budget: Budget) -> Line:
    """The line that says: after record `record` the budget was raised; the records now rest on all that came before."""
    return {"role": "raised", "record": record, "spent": spent, "budget": budget.given}


def planned(records: int, finalists: int, examples: int) -> Line:
    """The line that says: after so many records, so many finalists were compared on so many validation examples."""
    return {"role": "planned", "records": records, "finalists": finalists, "examples": examples}


def ended(records: int, spent: int, ending: Ending) -> Line:
    """The line that says: after so many records the steps ended, and how."""
    return {"role": "ended", "records": records, "spent": spent, "by": ending.by.value, "detail": ending.detail}


def ending_of(line: Mapping[str, Any]) -> Ending:
    """How the steps ended, as a line of the log says."""
    return Ending(EndedBy(line["by"]), line["detail"])


def _remembered(lines: Sequence[Line], records: Sequence[Record]) -> Memory:
    """Sort lines into what the records rest on and what came after."""
    memory = Memory(history=tuple(records))
    position, anchor = _state(lines, len(records))
    if anchor is not None:
        memory.spent = anchor["spent"]
        if anchor["role"] == "ended":
            memory.ended = ending_of(anchor)
        elif anchor["role"] == "mark" and records and records[-1].reason.why is Why.BUDGET_ENDED:
            memory.ended = BudgetSpent().ending
    memory.since = max((line["records"] for line in lines if _is_ended(line, for_good=False)), default=0)
    for line in lines[position:]:
        if line["role"] == "planned" and line["records"] == len(records):
            memory.plan = line["finalists"], line["examples"]
    for key, past in _past_runs(lines[:position]):
        memory.runs[key] = past
    for key, past in _past_runs(lines[position:]):
        target = memory.runs if key in memory.runs else memory.pending
        target[key] = past
    for number, line in enumerate(lines):
        if line["role"] in ("critic", "writer"):
            memory.replies[line["ask"]] = line
            if number < position:
                memory.settled.add(line["ask"])
        elif line["role"] == "feedback":
            run = (line["set"], line["prompts"], line["example"], line["rollout"])
            memory.feedbacks[run] = line
            if number < position:
                memory.settled.add(run)
    memory.lost_runs = _sent(lines, "task") - len(memory.runs) - len(memory.pending)
    memory.lost_asks = _sent(lines, "ask") - len(memory.replies)
    return memory


def _state(lines: Sequence[Line], records: int) -> tuple[int, Line | None]:
    """Where the state of so many records ends in the log, and the line that says so."""
    marks = [i for i, each in enumerate(lines) if each["role"] in ("mark", "raised") and each["record"] == records - 1]
    if not marks:
        return 0, None
    for i in range(marks[-1], len(lines)):
        if _is_ended(lines[i], for_good=True) and lines[i]["records"] == records:
            return i, lines[i]
    return marks[-1], lines[marks[-1]]


def _is_ended(line: Line, *, for_good: bool) -> bool:
    return line["role"] == "ended" and ending_of(line).by.is_for_good is for_good


def _past_runs(lines: Sequence[Line]) -> Iterator[tuple[RunKey, PastRun]]:
    for line in lines:
        if line["role"] == "task":
            key = (line["set"], line["prompts"], line["example"], line["rollout"])
            yield key, PastRun(row_from_data(line), line["spent"])


def _sent(lines: Sequence[Line], what: str) -> int:
    return sum(line["number"] for line in lines if line["role"] == "sent" and line["what"] == what)


def _stored_settings(folder: Path) -> dict[str, Any] | None:
    """The settings of the run that a directory holds; None if it holds none."""
    path = folder / SETTINGS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not content.get("budgets"):
            raise ValueError("it is not of a run of this version")
    except FileNotFoundError:
        if _read_lines(folder) or read_records(folder):
            raise RunDirectoryError(
                f"log_dir={str(folder)!r} holds calls or records, but no {SETTINGS} that says of what run. Pass "
                "another directory."
            ) from None
        return None
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}. Pass another directory.") from error
    return content


def _holds_anything(path: Path, lines: Sequence[Line]) -> bool:
    """Whether something was recorded that is worth its money."""
    scored = any(line["role"] == "task" and line["score"] is not None and not line.get("mistake") for line in lines)
    return scored or bool(read_records(path))


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    """In words, where two pieces of plain data differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        return [each for key in keys for each in _differences(old.get(key), new.get(key), f"{name}.{key}".strip("."))]
    return [] if old == new else [f"{name} was {_short(old)}, now {_short(new)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
