"""Textual momentum (TMnt): what the critic said in the last steps still counts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dspy_dlpo.core.checks import check_real, check_whole
from dspy_dlpo.core.history import StepContext
from dspy_dlpo.core.sentences import count_words, split
from dspy_dlpo.core.space import tunable
from dspy_dlpo.core.technique import Technique
from dspy_dlpo.core.update import Update

# Two complaints whose content words overlap by this much (Jaccard) are one complaint.
_SAME = 0.4
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_LONG_WORD = re.compile(r"[^\W\d_]{4,}")


@dataclass
class _Complaint:
    """One complaint in the words of its newest critique, with the ages of the critiques that made it."""

    text: str
    words: frozenset[str]
    ages: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Momentum(Technique):
    """Remind the writer of earlier critiques, those that keep coming back first.

    The critiques of the last `window` steps and of this one are cut into sentences and grouped by their words. A group
    weighs ``decay ** age`` for each step it appears in; a complaint that keeps coming back asks for a larger change.

    Args:
        window: Past steps that are remembered, at least 1.
        decay: Weight of a critique relative to the one a step younger, above 0 and at most 1.
        max_words: Bound of the text that is added, in words, however long the run is.

    Source: DLPO, "textual momentum" (arXiv 2503.13413); that recurring complaints deserve more weight, and that the
        text must not pile up, is also the concern of TSGD-M (arXiv 2506.00400), which samples past prompts instead. In
        the authors' program the full text of the last three accepted steps is always added, whatever the flag says.
    """

    window: int = tunable(3, low=1, high=8)
    decay: float = tunable(0.7, low=0.3, high=1.0)
    max_words: int = 120

    def __post_init__(self) -> None:
        check_whole("Momentum", "window", self.window, way_out="Leave Momentum out to remember nothing.")
        check_real("Momentum", "decay", self.decay, 0, 1, above=True)
        check_whole("Momentum", "max_words", self.max_words)

    def apply(self, update: Update, ctx: StepContext) -> Update:
        """Add the weightiest complaints of earlier steps."""
        now = [(0, gradient) for gradient in update.gradients]
        past = ctx.history.gradients(update.predictor, self.window)
        complaints = _grouped([(age, gradient.text) for age, gradient in [*now, *past]])
        earlier = [complaint for complaint in complaints if complaint.ages - {0}]
        earlier.sort(key=lambda complaint: -sum(self.decay**age for age in complaint.ages))
        body = self._bounded([_line(complaint) for complaint in earlier])
        return update.with_note("Earlier critiques, the most persistent first", body) if body else update

    def _bounded(self, lines: list[str]) -> str:
        kept, left = [], self.max_words
        for line in lines:
            words = count_words(line)
            if words <= left:
                kept.append(line)
                left -= words
        return "\n".join(kept)


def _line(complaint: _Complaint) -> str:
    times = len(complaint.ages)
    stress = f" (came up in {times} steps: make a clearer change there)" if times > 1 else ""
    return f"- {complaint.text}{stress}"


def _grouped(critiques: list[tuple[int, str]]) -> list[_Complaint]:
    groups: list[_Complaint] = []
    for age, text in critiques:
        for sentence in split(text):
            words = _content_words(sentence)
            group = next((group for group in groups if _overlap(group.words, words) >= _SAME), None)
            if group is None:
                group = _Complaint(" ".join(sentence.split()).lstrip("-*• "), words)
                groups.append(group)
            group.ages.add(age)
    return groups


def _content_words(text: str) -> frozenset[str]:
    """Words of four letters and more by six letters, as a rough stem; of scripts without spaces, characters.

    Of a sentence without any such word all words count, so that no two sentences are alike for having none.
    """
    words = _UNSPACED.findall(text.lower()) + _LONG_WORD.findall(_UNSPACED.sub(" ", text.lower()))
    return frozenset(word[:6] for word in words) or frozenset(text.lower().split())


def _overlap(first: frozenset[str], second: frozenset[str]) -> float:
    return len(first & second) / len(first | second) if first | second else 1.0
