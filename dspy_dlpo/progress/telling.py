"""A record as lines for a terminal, in Rich's markup: what is worth telling while a run goes on."""

from __future__ import annotations

from collections.abc import Callable

from rich.markup import escape

from dspy_dlpo.core.edits import Edit, diff
from dspy_dlpo.core.history import LedgerEntry, Record, RecordKind
from dspy_dlpo.core.sentences import split


def worth_telling(record: Record) -> bool:
    """Whether a record is told of: the start, a growth of the judging set, and what was accepted on the way."""
    return record.kind.enlarges or (record.accepted and record.kind != RecordKind.PRUNE)


def news(record: Record) -> str:
    """What a record brought, in a few words."""
    score = f"score [bold]{record.score:.2f}[/bold]" if record.score is not None else "no score"
    if record.kind.enlarges:
        return f"{score} on {len(record.scores)} examples"
    kept = sum(entry.kept for entry in record.ledger)
    edits = f", {kept} edit{'s' * (kept != 1)} kept" if record.kind == RecordKind.STEP and kept else ""
    gain = f" ({record.score - record.base:+.2f})" if None not in (record.score, record.base) else ""  # type: ignore[operator]
    return f"{score}{gain}{edits}"


def edit_lines(record: Record) -> list[str]:
    """What an accepted record changed, as diff lines; of an edit that was looked at alone, what it gained and lost."""
    effects = {entry.edit.text.strip(): entry for entry in record.ledger if entry.kept}
    lines = []
    for name in sorted(record.proposal):
        for line in diff_lines(record.prompts.get(name, ""), record.proposal[name]):
            entry = effects.get(line[2:])
            lines.append(coloured(line) + (_effect(entry) if entry and record.kind == RecordKind.STEP else ""))
    return lines


def _effect(entry: LedgerEntry) -> str:
    if not (entry.gained or entry.lost):
        return ""
    return f"  [dim](+{len(entry.gained)} -{len(entry.lost)} examples)[/dim]"


def diff_lines(before: str, after: str) -> list[str]:
    """Two texts as diff lines by sentence: ``+`` added, ``-`` deleted, ``~`` moved."""
    sentences = split(before)
    show: dict[str, Callable[[Edit], list[str]]] = {
        "add": lambda edit: [f"+ {edit.text.strip()}"],
        "delete": lambda edit: [f"- {sentences[edit.at].strip()}"],
        "replace": lambda edit: [f"- {sentences[edit.at].strip()}", f"+ {edit.text.strip()}"],
        "move": lambda edit: [f"~ {sentences[edit.at].strip()} (moved)"],
    }
    lines = [line for edit in diff(before, after) for line in show[edit.op](edit)]
    # White space that moved along with a neighbour is no change that a person wants to read.
    same = {line[2:] for line in lines if line[0] == "-"} & {line[2:] for line in lines if line[0] == "+"}
    return [line for line in lines if line[2:] not in same]


def coloured(line: str) -> str:
    """A diff line in its colour."""
    colour = {"+": "green", "-": "red", "~": "blue"}[line[0]]
    return f"[{colour}]{escape(line)}[/{colour}]"
