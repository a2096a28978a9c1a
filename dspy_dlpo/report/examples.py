"""Training examples that the run gained or lost: what the program answered before and after, and what it was told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.history import History, LedgerEntry, Prompts, Record, prompts_key
from dspy_dlpo.core.proposal import proposal
from dspy_dlpo.core.roles import Row
from dspy_dlpo.report.directory import LogView

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
    """The examples that each record as a whole gained and lost against the prompts in force, where both have run.

    None where only whole sets have a score: what an example contributes changes with the answers to others.
    """
    known: dict[str, dict[int, float]] = {}
    found = []
    for record in history:
        new = {x: math.fsum(runs) / len(runs) for x, runs in record.scores.items() if runs}
        tells = record.proposal != record.prompts and not record.of_set
        old = known.get(prompts_key(record.prompts), {}) if tells else {}
        changes = {x: new[x] - old[x] for x in sorted(new.keys() & old.keys())}
        gained = tuple(x for x, change in changes.items() if change > TOLERANCE)
        found.append((gained, tuple(x for x, change in changes.items() if change < -TOLERANCE)))
        known.setdefault(prompts_key(record.proposal), {}).update(new)
    return found


def changed_examples(history: History, log: LogView) -> list[ChangedExample]:
    """The examples that a record gained or lost and of which runs are recorded, in the order of the trainset."""
    changes: dict[int, list[Change]] = {}
    for record, whole in zip(history, flips(history), strict=True) if log.runs else ():
        for entry, links in _links(record, *whole):
            edit, in_force = (None, True) if entry is None else (entry.edit, entry.kept and record.accepted)
            tried = _Tried(record, entry)
            for x, gained in links:
                before, after = tried.runs(x, gained, log)
                changes.setdefault(x, []).append(Change(record.index, gained, in_force, edit, before, after))
    examples = (_example(x, each) for x, each in sorted(changes.items()))
    return [each for each in examples if each is not None]


Links = list[tuple[int, bool]]


def _links(record: Record, gained: Sequence[int], lost: Sequence[int]) -> list[tuple[LedgerEntry | None, Links]]:
    """Examples, and whether each was gained, by the edit behind them; of the record as a whole if none is known."""
    found: list[tuple[LedgerEntry | None, Links]] = []
    for entry in record.ledger:
        if entry.gained or entry.lost:
            found.append((entry, [(x, True) for x in entry.gained] + [(x, False) for x in entry.lost]))
    if not found and record.accepted:
        found.append((None, [(x, True) for x in gained] + [(x, False) for x in lost]))
    return found


class _Tried:
    """The prompts that may have run with a change.

    The proposal, those with its edit alone, with all edits that share the change, and with all edits of the record.
    """

    def __init__(self, record: Record, entry: LedgerEntry | None) -> None:
        self._record, self._entry = record, entry

    def runs(self, x: int, gained: bool, log: LogView) -> tuple[Row | None, Row | None]:
        """A run before the change and one after it: the pair that shows it."""
        before = _extreme(log.rows(self._record.prompts, x), lowest=gained)
        for prompts in (self._record.proposal, self._alone, self._shared(x, gained), self._together):
            after = _extreme(log.rows(prompts, x), lowest=not gained)
            if after is not None and (before is None or _shows(before, after, gained)):
                return before, after
        return before, None

    def _shared(self, x: int, gained: bool) -> Prompts:
        return self._with([each.edit for each in self._record.ledger if x in (each.gained if gained else each.lost)])

    @cached_property
    def _alone(self) -> Prompts:
        return self._with([] if self._entry is None else [self._entry.edit])

    @cached_property
    def _together(self) -> Prompts:
        return self._with([each.edit for each in self._record.ledger])

    def _with(self, edits: Sequence[Edit]) -> Prompts:
        try:
            return proposal(self._record.prompts, edits)
        except (IndexError, KeyError):  # edits of a sentence or a predictor that is not there: of a broken record
            return self._record.proposal


def _extreme(rows: Sequence[Row], *, lowest: bool) -> Row | None:
    return (min if lowest else max)(rows, key=_score) if rows else None


def _shows(before: Row, after: Row, gained: bool) -> bool:
    """Whether two runs show a gain, or a loss; of those without a score of their own, whether the answers differ."""
    if before.score is None and after.score is None:
        return before.outputs != after.outputs
    change = _score(after) - _score(before)
    return change > TOLERANCE if gained else change < -TOLERANCE


def _score(row: Row) -> float:
    return row.score if row.score is not None else -math.inf


def _example(number: int, changes: Sequence[Change]) -> ChangedExample | None:
    rows = [row for change in changes for row in (change.before, change.after) if row is not None]
    if not rows:
        return None
    shown = tuple(changes[:MOST_CHANGES])
    return ChangedExample(number, rows[0].inputs, rows[0].expected, shown, len(changes) - len(shown))
