"""Training examples that the run gained or lost: what the program answered before and after, and what it was told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dspy_dlpo.core.attribution import proposal
from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.history import History, LedgerEntry, Prompts, Record, prompts_key
from dspy_dlpo.core.roles import Row
from dspy_dlpo.report.directory import Calls

TOLERANCE = 1e-9
# Changes of one example that are shown with answers; more are counted.
MOST_CHANGES = 4


@dataclass(frozen=True)
class Change:
    """What one record did to one example.

    Args:
        step: Number of the record.
        gained: Whether its score rose.
        in_force: Whether the change was accepted.
        edit: The edit behind it; None where that is not known.
        before: A run of the prompts in force before; None if none is recorded.
        after: A run with the change.
    """

    step: int
    gained: bool
    in_force: bool
    edit: Edit | None
    before: Row | None
    after: Row | None


@dataclass(frozen=True)
class ChangedExample:
    """A training example whose score changed.

    Args:
        number: Its index in the trainset.
        inputs: By field, as text.
        expected: Its labels by field, as text.
        changes: What changed it, in order, as far as it is shown.
        more: How many more changes there were.
    """

    number: int
    inputs: Mapping[str, str]
    expected: Mapping[str, str]
    changes: tuple[Change, ...]
    more: int

    @property
    def summary(self) -> str:
        """What it is about, in a line."""
        return " ".join(" ".join(self.inputs.values()).split())


def flips(history: History) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The examples that each record as a whole gained and lost against the prompts in force, where both have run."""
    known: dict[str, dict[int, float]] = {}
    found = []
    for record in history:
        new = {x: math.fsum(runs) / len(runs) for x, runs in record.scores.items() if runs}
        old = known.get(prompts_key(record.prompts), {}) if record.proposal != record.prompts else {}
        changes = {x: new[x] - old[x] for x in sorted(new.keys() & old.keys())}
        gained = tuple(x for x, change in changes.items() if change > TOLERANCE)
        found.append((gained, tuple(x for x, change in changes.items() if change < -TOLERANCE)))
        known.setdefault(prompts_key(record.proposal), {}).update(new)
    return found


def changed_examples(history: History, calls: Calls) -> list[ChangedExample]:
    """The examples that a record gained or lost and of which runs are recorded, in the order of the trainset."""
    changes: dict[int, list[Change]] = {}
    for record, whole in zip(history, flips(history), strict=True):
        for x, gained, entry in _links(record, *whole):
            before, after = _runs(record, entry, x, gained, calls)
            edit, kept = (None, True) if entry is None else (entry.edit, entry.kept)
            change = Change(record.step, gained, record.accepted and kept, edit, before, after)
            changes.setdefault(x, []).append(change)
    examples = (_example(x, each) for x, each in sorted(changes.items()))
    return [each for each in examples if each is not None]


def _links(record: Record, gained: Sequence[int], lost: Sequence[int]) -> list[tuple[int, bool, LedgerEntry | None]]:
    """Example, whether it was gained, and by which edit: of the ledger, else of an accepted record as a whole."""
    links: list[tuple[int, bool, LedgerEntry | None]] = []
    for entry in record.ledger:
        links += [(x, True, entry) for x in entry.gained] + [(x, False, entry) for x in entry.lost]
    if not links and record.accepted:
        links += [(x, True, None) for x in gained]
        links += [(x, False, None) for x in lost]
    return links


def _runs(
    record: Record, entry: LedgerEntry | None, x: int, gained: bool, calls: Calls
) -> tuple[Row | None, Row | None]:
    """A run before the change and one after it: the pair that shows it best."""
    before = _extreme(calls.rows(record.prompts, x), lowest=gained)
    for prompts in _changed_prompts(record, entry):
        after = _extreme(calls.rows(prompts, x), lowest=not gained)
        if after is not None and (before is None or (_score(after) > _score(before)) is gained):
            return before, after
    return before, None


def _changed_prompts(record: Record, entry: LedgerEntry | None) -> list[Prompts]:
    """The prompts with the change that may have run: with one edit, with all that survived, with all."""
    found = [record.proposal]
    try:
        if entry is not None:
            found.insert(0, proposal(record.prompts, [entry.edit]))
        found.append(proposal(record.prompts, [each.edit for each in record.ledger]))
    except (IndexError, KeyError):  # edits of another version, or of no sentence that there is
        return found
    return found


def _extreme(rows: Sequence[Row], *, lowest: bool) -> Row | None:
    return (min if lowest else max)(rows, key=_score) if rows else None


def _score(row: Row) -> float:
    return row.score if row.score is not None else -math.inf


def _example(number: int, changes: Sequence[Change]) -> ChangedExample | None:
    rows = [row for change in changes for row in (change.before, change.after) if row is not None]
    if not rows:
        return None
    shown = tuple(changes[:MOST_CHANGES])
    return ChangedExample(number, rows[0].inputs, rows[0].expected, shown, len(changes) - len(shown))
