"""No example may be copied into a prompt: that would be memory, not instruction."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dspy_dlpo.core.edits import Dropped, Edits, apply
from dspy_dlpo.core.sentences import UNSPACED
from dspy_dlpo.core.update import Constraint

# So many words in a row of one training input are a copy.
RUN = 8
# An answer with more words than this, that only one example has, is a copy.
LONG_ANSWER = 5

# A character of a script that writes no spaces counts as a word.
_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")


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
        runs = Counter(run for text in self.inputs for run in set(_runs(_words(text))))
        object.__setattr__(self, "_runs", frozenset(hash(run) for run, count in runs.items() if count == 1))
        answers = Counter(tuple(_words(text)) for text in self.answers)
        long = [" ".join(words) for words, count in answers.items() if count == 1 and len(words) > LONG_ANSWER]
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
        words = _words(text)
        runs: frozenset[int] = self._runs  # type: ignore[attr-defined]
        answers: tuple[str, ...] = self._answers  # type: ignore[attr-defined]
        said = f" {' '.join(words)} "
        return {run for run in _runs(words) if hash(run) in runs} | {each for each in answers if f" {each} " in said}


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _runs(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return (tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1))
