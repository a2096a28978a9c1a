"""No example may be copied into a prompt: that would be memory, not instruction."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, tee

from dspy_dlpo.core.edits import Dropped, Edits, apply
from dspy_dlpo.core.sentences import UNSPACED
from dspy_dlpo.core.thresholds import THRESHOLDS
from dspy_dlpo.core.update import Constraint

# A character of a script that writes no spaces counts as a word.
_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")

# Runs are counted in so many parts, one at a time: a table of all of them would take ten times their text.
_PARTS = 64


@dataclass(frozen=True)
class NoCopying(Constraint):
    """No run of eight words of one training input, and no long answer of one example, may enter a prompt.

    What several examples share (a fixed question, a label) is free.

    Args:
        inputs: The inputs of each training example, as one text each.
        answers: The labels of each training example, as one text each.
    """

    inputs: Sequence[str] = field(repr=False)
    answers: Sequence[str] = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_runs", _RunsOfOne(self.inputs))
        answers = Counter(" ".join(_words(text)) for text in self.answers)
        long = [said for said, count in answers.items() if count == 1 and said.count(" ") >= THRESHOLDS.long_answer]
        object.__setattr__(self, "_answers", tuple(long))

    @property
    def text(self) -> str:
        """The rule in words."""
        return "Do not copy the text or the answer of an example."

    def admit(self, edits: Edits, prompt: str) -> tuple[Edits, tuple[Dropped, ...]]:
        """Keep the edits that copy nothing."""
        kept = [edit for edit in edits if not self._copied(edit.text)]
        # A copy can also come about piece by piece; what counts is the text that comes out.
        while kept and (copied := self._copied(apply(tuple(kept), prompt))) and copied - self._copied(prompt):
            kept.pop()
        return tuple(kept), tuple(Dropped(edit, "copies an example") for edit in edits if edit not in kept)

    def _copied(self, text: str) -> set[object]:
        """The runs of words and the answers of single examples that a text holds."""
        runs: _RunsOfOne = self._runs  # type: ignore[attr-defined]
        answers: tuple[str, ...] = self._answers  # type: ignore[attr-defined]
        said = f" {' '.join(_words(text))} "
        return {run for run in _runs(text) if run in runs} | {each for each in answers if f" {each} " in said}


class _RunsOfOne:
    """The runs of words that only one of several texts has, each as a hash of 64 bits.

    That is 8 bytes a word, where the runs themselves take some 500: a megabyte of text has 150,000 words.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        hashes = [array("q") for _ in range(_PARTS)]
        owners = [array("L") for _ in range(_PARTS)]
        for owner, text in enumerate(texts):
            for run in map(hash, _runs(text)):
                hashes[run % _PARTS].append(run)
                owners[run % _PARTS].append(owner)
        self._parts = [_of_one(hashes.pop(0), owners.pop(0)) for _ in range(_PARTS)]

    def __contains__(self, run: tuple[str, ...]) -> bool:
        number = hash(run)
        part = self._parts[number % _PARTS]
        place = bisect_left(part, number)
        return place < len(part) and part[place] == number


def _of_one(hashes: array[int], owners: array[int]) -> array[int]:
    """The hashes that only one owner has, sorted."""
    owner_of: dict[int, int] = {}
    for run, owner in zip(hashes, owners, strict=True):
        if owner_of.setdefault(run, owner) != owner:
            owner_of[run] = -1
    return array("q", sorted(run for run, owner in owner_of.items() if owner >= 0))


def _words(text: str) -> Iterator[str]:
    return (match.group() for match in _WORD.finditer(text.lower()))


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    copies = tee(_words(text), THRESHOLDS.copied_words)
    return zip(*(islice(words, i, None) for i, words in enumerate(copies)), strict=False)
