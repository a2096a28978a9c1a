"""Every prompt before and after, with what changed."""

from __future__ import annotations

from dataclasses import dataclass

from dspy_dlpo.core.history import Prompts
from dspy_dlpo.core.sentences import count_words
from dspy_dlpo.report.diffs import Sentence, sentence_diff, side

# Characters of all final prompts together that a page holds whole, to be copied.
MOST_TO_COPY = 100_000


@dataclass(frozen=True)
class PromptPair:
    """A prompt before and after.

    Args:
        name: The predictor.
        start: The sentences of the user's own; what is not in the final one is ``"deleted"`` or ``"left"``.
        final: The sentences of the final one; what is new is ``"added"`` or ``"moved"``.
        text: The final one, to be copied; None where it is too long for a page.
        start_words: Words of the user's own.
        final_words: Words of the final one.
    """

    name: str
    start: tuple[Sentence, ...]
    final: tuple[Sentence, ...]
    text: str | None
    start_words: int
    final_words: int

    @property
    def is_changed(self) -> bool:
        """Whether anything was changed."""
        return any(each.kind != "same" for each in (*self.start, *self.final))


def prompt_pairs(start: Prompts, final: Prompts) -> tuple[PromptPair, ...]:
    """Every prompt before and after; those that changed first."""
    whole = sum(map(len, final.values())) <= MOST_TO_COPY
    pairs = []
    for name, text in final.items():
        before = start.get(name, "")
        lines = sentence_diff(before, text)
        old, new = side(lines, "same", "deleted", "left"), side(lines, "same", "added", "moved")
        pairs.append(PromptPair(name, old, new, text if whole else None, count_words(before), count_words(text)))
    return tuple(sorted(pairs, key=lambda pair: not pair.is_changed))
