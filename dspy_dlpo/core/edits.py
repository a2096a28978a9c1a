"""Sentence edits: apply them, find them between two texts, and keep only those that make sense together.

A sentence that ends in a colon and the list that follows it are one thing where they are new: one edit brings both.
Every edit of a set speaks of the sentences of the same original prompt. So any subset of a set is itself a set of
edits, which is what lets a half of a proposal be judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import accumulate, groupby

from dspy_dlpo.core.sentences import CLOSING_MARKS, bullet_marker, is_block, is_item, split

OPERATIONS = ("add", "replace", "delete", "move")


@dataclass(frozen=True)
class Edit:
    """One change of one sentence.

    Args:
        op: ``"add"``, ``"replace"``, ``"delete"`` or ``"move"``.
        at: For an addition the sentence before which the text goes, 0 to the number of sentences (which appends);
            otherwise the sentence that is changed, from 0.
        text: The new sentence of an addition or replacement; empty otherwise.
        why: The writer's reason, for people to read.
        to: For a move the sentence before which it goes, 0 to the number of sentences; None otherwise.
        predictor: The predictor whose prompt is edited.
    """

    op: str
    at: int
    text: str = ""
    why: str = ""
    to: int | None = None
    predictor: str = ""


Edits = tuple[Edit, ...]


@dataclass(frozen=True)
class Dropped:
    """An edit that was not carried out, and why."""

    edit: Edit
    reason: str


def apply(edits: Edits, prompt: str) -> str:
    """Carry out edits, all at once.

    Args:
        edits: Edits of `prompt`; additions to one place keep their order.
        prompt: The text to change.

    Returns:
        The changed text. White space is added only where two sentences would run into each other.
    """
    sentences = split(prompt)
    if not edits:
        return prompt
    inserted: dict[int, list[str]] = {}
    kept: list[str] = list(sentences)
    for edit in edits:
        if edit.op == "add":
            inserted.setdefault(edit.at, []).append(edit.text)
        elif edit.op == "move" and edit.to is not None:
            inserted.setdefault(edit.to, []).append(sentences[edit.at])
            kept[edit.at] = ""
        else:
            kept[edit.at] = edit.text if edit.op == "replace" else ""
    pieces = [piece for i in range(len(kept) + 1) for piece in [*inserted.get(i, []), *kept[i : i + 1]] if piece]
    return _joined(pieces)


def diff(before: str, after: str) -> Edits:
    """Find sentence edits that turn one text into another.

    Returns:
        Edits in the order of the text, such that ``apply(diff(before, after), before) == after``.
    """
    return _difference(split(before), split(after))


def distance(before: str, after: str) -> int:
    """Sentence-level edit distance: sentences added, replaced, deleted or moved (a move counts once).

    A new sentence and the list that it introduces count once. White space between sentences does not count.
    """
    old, new = (tuple(sentence.strip() for sentence in split(text)) for text in (before, after))
    return len(_difference(old, new))


def _difference(old: tuple[str, ...], new: tuple[str, ...]) -> Edits:
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    changed = [block for block in blocks if block[0] != "equal"]
    removed = [i for _, i1, i2, _, _ in changed for i in range(i1, i2)]
    moved = _moves(old, new, removed, [j for _, _, _, j1, j2 in changed for j in range(j1, j2)])
    edits: list[Edit] = []
    for _, i1, i2, j1, j2 in changed:
        edits.extend(_block_edits(old, new, (i1, i2, j1, j2), moved))
    return tuple(edits)


def cost(edit: Edit) -> int:
    """How many sentence edits an edit amounts to: the sentences of its text, each with the list it introduces."""
    return max(1, len(_units(split(edit.text)))) if edit.op in ("add", "replace") else 1


def _units(sentences: Sequence[str]) -> list[str]:
    """Sentences, each with the list that it introduces."""
    units: list[str] = []
    introduced = False  # whether the last unit ends in a colon, or in a list that one introduced
    for sentence in sentences:
        if introduced and is_item(sentence):
            units[-1] += sentence
        else:
            units.append(sentence)
            introduced = sentence.rstrip().endswith((":", "："))
    return units


def sound(edits: Edits, prompt: str) -> tuple[Edits, tuple[Dropped, ...]]:
    """Keep the edits that can be carried out together.

    Dropped are unknown operations, places that do not exist, a second edit of one sentence, empty texts, repetitions
    and edits without effect.

    Returns:
        The edits that remain, in order, and those dropped with their reasons.
    """
    sentences = split(prompt)
    present = Counter(sentence.strip() for sentence in sentences)
    kept: list[Edit] = []
    dropped: list[Dropped] = []
    for edit in edits:
        reason = _fault(edit, sentences, present, kept)
        if reason:
            dropped.append(Dropped(edit, reason))
        else:
            kept.append(edit)
    return tuple(kept), tuple(dropped)


def fit(edit: Edit, prompt: str) -> Edit:
    """Give the text of an edit the white space, and the bullet, that its place in the prompt asks for."""
    if edit.op not in ("add", "replace"):
        return edit
    sentences = split(prompt)
    text = edit.text.strip()
    if edit.op == "replace" and 0 <= edit.at < len(sentences):
        model = sentences[edit.at]
        shown = _like(text, model)
        before = "" if shown[:1].isspace() else model[: len(model) - len(model.lstrip())]
        return replace(edit, text=before + shown + model[len(model.rstrip()) :])
    if edit.op == "add" and 0 < edit.at <= len(sentences):
        model = sentences[edit.at - 1]
        space = model[len(model.rstrip()) :] if edit.at < len(sentences) else ""
        return replace(edit, text=_like(text, model) + space)
    return replace(edit, text=text + (" " if sentences else ""))


def _like(text: str, model: str) -> str:
    """Write a sentence as a bullet where its neighbour is one."""
    return text if is_block(text) or not bullet_marker(model) else bullet_marker(model) + text


def _fault(edit: Edit, sentences: tuple[str, ...], present: Counter[str], kept: list[Edit]) -> str:
    n = len(sentences)
    if edit.op not in OPERATIONS:
        return f"unknown operation {edit.op!r}"
    if not 0 <= edit.at < n + (edit.op == "add"):
        return f"the prompt has no sentence {edit.at + 1}"
    if edit.op != "add" and any(other.op != "add" and other.at == edit.at for other in kept):
        return "a second edit of the same sentence"
    if edit.op in ("add", "replace"):
        if not edit.text.strip():
            return "empty text"
        if present[edit.text.strip()] or any(other.text.strip() == edit.text.strip() for other in kept if other.text):
            return "the prompt says this already"
    if edit.op == "move" and (edit.to is None or not 0 <= edit.to <= n or edit.to in (edit.at, edit.at + 1)):
        return "a move to nowhere"
    return ""


def _joined(pieces: list[str]) -> str:
    """Join sentences; where the joint would not be a boundary again, put white space in between."""
    raw = "".join(pieces)
    ends = set(accumulate(map(len, split(raw))))
    if ends.issuperset(accumulate(map(len, pieces))):
        return raw
    done: list[str] = []
    last = ""  # the last sentence so far: all that the next joint hangs on
    for piece in pieces:
        *more, last = split(_appended(last, piece))
        done += more
    return "".join([*done, last])


def _appended(left: str, right: str) -> str:
    if not left:
        return right
    if is_block(right) or is_block(left.rsplit("\n", 1)[-1]):
        return left + right if left.endswith("\n") else left.rstrip(" ") + "\n" + right
    tail = split(left)[-1]
    spaces = ("", " ", "\n", "\n\n") if left[-1].isspace() or left[-1] in CLOSING_MARKS else (" ", "\n", "\n\n")
    # A line without a closing mark and its follower are one sentence unless a line break parts them.
    parting = (space for space in spaces if split(tail + space + right)[0].strip() == tail.strip())
    return left + next(parting, spaces[0]) + right


def _moves(old: tuple[str, ...], new: tuple[str, ...], removed: list[int], inserted: list[int]) -> dict[int, int]:
    """Match inserted sentences (by their index in `new`) with equal removed ones (by their index in `old`)."""
    free: dict[str, list[int]] = {}
    for i in removed:
        free.setdefault(old[i], []).append(i)
    return {j: free[new[j]].pop(0) for j in inserted if free.get(new[j])}


def _block_edits(
    old: tuple[str, ...], new: tuple[str, ...], block: tuple[int, int, int, int], moved: dict[int, int]
) -> list[Edit]:
    """The edits of one changed stretch: moves in, replacements in place, then additions and deletions."""
    i1, i2, j1, j2 = block
    free = [i for i in range(i1, i2) if i not in moved.values()]
    edits, place = [], i1
    for fresh, stretch in groupby(range(j1, j2), lambda j: j not in moved):
        if not fresh:
            edits += [Edit("move", moved[j], to=place) for j in stretch]
            continue
        for text in _units([new[j] for j in stretch]):
            if free:
                place = free.pop(0)
                edits.append(Edit("replace", place, text=text))
                place += 1
            else:
                place = max(place, i2)
                edits.append(Edit("add", place, text=text))
    return [*edits, *(Edit("delete", i) for i in free)]
