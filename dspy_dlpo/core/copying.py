"""No example may be copied into a prompt: that would be memory, not instruction."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from dspy_dlpo.core.edits import Dropped, Edits, apply
from dspy_dlpo.core.sentences import UNSPACED
from dspy_dlpo.core.update import Constraint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes: TypeAlias = NDArray[np.uint64]

# So many words in a row of one training input are a copy.
RUN = 8
# An answer with more words than this, that only one example has, is a copy.
LONG_ANSWER = 5

# A character of a script that writes no spaces counts as a word.
_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")

# An odd number of 64 bits without a pattern (the golden ratio's): each word counts with another power of it.
_FACTOR = 0x9E3779B97F4A7C15


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
        object.__setattr__(self, "_runs", _of_one(_hashed_runs(text) for text in self.inputs))
        answers = Counter(" ".join(_words(text)) for text in self.answers)
        long = [said for said, count in answers.items() if count == 1 and said.count(" ") >= LONG_ANSWER]
        object.__setattr__(self, "_answers", tuple(long))

    @property
    def text(self) -> str:
        """The rule in words."""
        return "Do not copy the text or the answer of an example."

    def admit(self, edits: Edits, prompt: str) -> tuple[Edits, tuple[Dropped, ...]]:
        """Keep the edits that copy nothing."""
        kept = [edit for edit in edits if not self._copied(edit.text)]
        # A copy can also come about piece by piece; what counts is the text that comes out.
        held = self._copied(prompt)
        while kept and self._copied(apply(tuple(kept), prompt)) - held:
            kept.pop()
        return tuple(kept), tuple(Dropped(edit, "copies an example") for edit in edits if edit not in kept)

    def _copied(self, text: str) -> set[object]:
        """The runs of words and the answers of single examples that a text holds."""
        words = list(_words(text))
        answers: tuple[str, ...] = self._answers  # type: ignore[attr-defined]
        said = f" {' '.join(words)} "
        found: set[object] = {each for each in answers if f" {each} " in said}
        if len(words) >= RUN:
            runs: Hashes = self._runs  # type: ignore[attr-defined]
            places = runs.searchsorted(hashes := _hashed_runs(text)).clip(max=max(0, len(runs) - 1))
            known = (runs[places] == hashes).nonzero()[0] if len(runs) else ()
            found.update(tuple(words[i : i + RUN]) for i in known)
        return found


def _words(text: str) -> Iterator[str]:
    return (match.group() for match in _WORD.finditer(text.lower()))


def _hashed_runs(text: str) -> Hashes:
    """A hash of 64 bits for every run of words of a text, in order.

    Eight bytes a word, where the runs themselves would take some five hundred: a megabyte of text has 150,000 words.
    """
    import numpy as np  # takes longer to import than all of this package

    words = np.fromiter(map(hash, _words(text)), np.int64).view(np.uint64)
    count = max(0, len(words) - RUN + 1)
    runs = np.zeros(count, np.uint64)
    for i in range(RUN if count else 0):  # a polynomial modulo 2 ** 64, so that the order of words counts
        runs *= np.uint64(_FACTOR)
        runs += words[i : i + count]
    return runs


def _of_one(texts: Iterable[Hashes]) -> Hashes:
    """The runs that only one of the texts has, sorted."""
    import numpy as np

    runs: Hashes = np.concatenate([np.zeros(0, np.uint64), *map(np.unique, texts)])
    runs.sort()
    differs = np.concatenate([[True], runs[1:] != runs[:-1], [True]])  # from its neighbour, before and after
    return runs[differs[:-1] & differs[1:]] if len(runs) else runs
