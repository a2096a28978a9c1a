"""Two prompts as one sequence of sentences that stayed, came, went or moved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from dspy_dlpo.core.edits import diff
from dspy_dlpo.core.sentences import split

# Where so many pairs of sentences would be compared, the old text is shown as deleted and the new one as added.
MOST_PAIRS = 1_000_000
# Unchanged sentences that are shown around a change; more are folded.
AROUND = 1


@dataclass(frozen=True)
class Sentence:
    """A sentence of a difference.

    Args:
        kind: ``"same"``, ``"added"``, ``"deleted"``, ``"moved"`` (here from elsewhere), ``"left"`` (moved from here) or
            ``"folded"`` (so many unchanged ones in a row).
        text: The sentence with the white space after it; of folded ones how many.
    """

    kind: str
    text: str


def sentence_diff(before: str, after: str) -> tuple[Sentence, ...]:
    """Two texts as one sequence of sentences; white space that moved along with a neighbour is no change.

    Returns:
        Joined without the added and the moved sentences the words of `before`; without the deleted ones and those that
        left, `after`.
    """
    old = split(before)
    if len(old) * len(split(after)) > MOST_PAIRS:
        return Sentence("deleted", before), Sentence("added", after)
    edits = diff(before, after)
    here = {edit.at: edit for edit in edits if edit.op != "add"}
    lines: list[Sentence] = []
    for i in range(len(old) + 1):
        lines += [Sentence("added", edit.text) for edit in edits if edit.op == "add" and edit.at == i]
        lines += [Sentence("moved", old[edit.at]) for edit in edits if edit.op == "move" and edit.to == i]
        if i < len(old):
            lines += _changed(old[i], here[i].op, here[i].text) if i in here else [Sentence("same", old[i])]
    return tuple(lines)


def _changed(old: str, op: str, text: str) -> list[Sentence]:
    """An old sentence and what an edit made of it."""
    if op == "replace" and text.strip() == old.strip():
        return [Sentence("same", text)]
    if op == "move":
        return [Sentence("left", old)]
    return [Sentence("deleted", old)] + [Sentence("added", text)] * (op == "replace")


def side(lines: Iterable[Sentence], *kinds: str) -> tuple[Sentence, ...]:
    """The sentences of some kinds: one of the two texts."""
    return tuple(line for line in lines if line.kind in kinds)


def folded(lines: Sequence[Sentence]) -> tuple[Sentence, ...]:
    """The lines of a difference with unchanged ones far from any change replaced by their number."""
    lines = [line for line in lines if line.kind != "left"]
    changed = {n for n, line in enumerate(lines) if line.kind != "same"}
    near = {n + offset for n in changed for offset in range(-AROUND, AROUND + 1)}
    found: list[Sentence] = []
    for is_near, group in groupby(range(len(lines)), lambda n: n in near):
        members = list(group)
        shown = is_near or len(members) == 1
        found += [lines[n] for n in members] if shown else [Sentence("folded", str(len(members)))]
    return tuple(found)
