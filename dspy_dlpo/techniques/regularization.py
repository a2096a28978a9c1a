"""Textual regularization (TRegu): prompts that stay short."""

from __future__ import annotations

from dataclasses import dataclass

from dspy_dlpo.core.checks import check_whole
from dspy_dlpo.core.edits import Dropped, Edits, apply
from dspy_dlpo.core.freezing import free_words, frozen_texts
from dspy_dlpo.core.history import StepContext
from dspy_dlpo.core.space import tunable
from dspy_dlpo.core.technique import Technique
from dspy_dlpo.core.update import Constraint, Update


@dataclass(frozen=True)
class LimitWords(Constraint):
    """A prompt does not grow past `max_words`, or past its present length if it is longer already.

    Args:
        max_words: The limit, in words outside of frozen text.
        frozen: Text that is frozen, and does not count.
    """

    max_words: int
    frozen: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The rule in words."""
        if self.frozen:
            return f"Keep the prompt within {self.max_words} words, the text that must stay word for word not counted."
        return f"Keep the whole prompt within {self.max_words} words."

    def admit(self, edits: Edits, prompt: str) -> tuple[Edits, tuple[Dropped, ...]]:
        """Give up edits that lengthen, the last first, until the prompt fits; edits that shorten always stay."""
        length = self._words(prompt)
        limit = max(self.max_words, length)
        kept = list(edits)
        for edit in reversed(edits):
            if self._words(apply(tuple(kept), prompt)) <= limit:
                break
            if self._words(apply((edit,), prompt)) > length:
                kept.remove(edit)
        reason = f"the prompt would grow past {limit} words"
        return tuple(kept), tuple(Dropped(edit, reason) for edit in edits if edit not in kept)

    def _words(self, prompt: str) -> int:
        return free_words(prompt, self.frozen)


@dataclass(frozen=True)
class Regularization(Technique):
    """Keep prompts short.

    The writer is asked to shorten and to delete what has no effect. Edits that would lengthen a predictor's prompt past
    its limit are dropped, shortening ones never. Frozen text, such as the rules and tools that DSPy writes into an
    agent's instructions, does not count: no edit can shorten it. At the end the finalists lose every sentence whose
    deletion does not lower the judged score.

    Args:
        max_words: Longest prompt of one predictor, in words outside of frozen text, at least 1. A prompt that is longer
            already may not grow.
        prune: Whether finalists are pruned before they are scored on the validation set.

    Source: DLPO, "textual regularization" (arXiv 2503.13413). The authors' program only asks, and only once 16
        contrastive pairs are in memory. Deletion trials are ours.
    """

    max_words: int = tunable(200, low=50, high=500, log=True)
    prune: bool = tunable(True, options=(True, False))

    def __post_init__(self) -> None:
        check_whole("Regularization", "max_words", self.max_words)

    def word_limit(self) -> int:
        """`max_words`."""
        return self.max_words

    @property
    def prunes(self) -> bool:
        """`prune`."""
        return self.prune

    def apply(self, update: Update, ctx: StepContext) -> Update:
        """Ask for a short prompt and enforce it."""
        frozen = tuple(text for text in frozen_texts(update.constraints) if text in update.prompt)
        length = free_words(update.prompt, frozen)
        beside = " beside what must stay word for word" if frozen else ""
        advice = (
            f"The prompt has {length} words{beside}. Say each thing once and in few words. Prefer replacing a vague "
            "sentence to adding one. Delete a sentence that has no effect."
        )
        return update.with_note("Keep it short", advice).with_constraint(LimitWords(self.max_words, frozen))
