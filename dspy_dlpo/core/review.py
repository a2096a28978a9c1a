"""A person has the last word on edits: each is shown with what it did, and what is declined does not stay."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from dspy_dlpo.core.edits import Edit, Edits, apply, diff, fit
from dspy_dlpo.core.errors import ReviewError
from dspy_dlpo.core.history import History, LedgerEntry, Prompts, Record
from dspy_dlpo.core.sentences import split

# Whether an edit may stay; a sentence stands instead of what the edit brings.
ReviewAnswer = bool | str
ASK = "ask"


class ReviewTime(str, Enum):
    """When a person is asked."""

    END = "end"
    STEPS = "steps"


@dataclass(frozen=True)
class Suggestion:
    """An edit as a person is shown it; ``str()`` is a few lines with what goes, what comes, why, and its effect.

    Args:
        edit: The edit, with the writer's reason.
        prompt: The text that it changes.
        gained: Training examples that it repaired, where it was judged alone.
        lost: Training examples that it broke, likewise.
        scores: Mean score on the training examples before and after it came, with the others of its proposal, in the
            metric's units; None if that was not judged.
        company: How many others came with it.
    """

    edit: Edit
    prompt: str
    gained: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    scores: tuple[float, float] | None = None
    company: int = 0

    @property
    def before(self) -> str:
        """The sentence that goes or moves; empty for an addition."""
        return "" if self.edit.op == "add" else split(self.prompt)[self.edit.at].strip()

    @property
    def after(self) -> str:
        """The sentence that comes; empty for a deletion."""
        return self.before if self.edit.op == "move" else self.edit.text.strip()

    @property
    def key(self) -> str:
        """A short name: equal for the same change of the same predictor, wherever in the prompt it stands."""
        content = [self.edit.predictor, self.edit.op, self.before, self.after]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        moved = self.edit.op == "move"
        lines = [f"- {self.before}"] if self.before and not moved else []
        lines += [f"{'~' if moved else '+'} {self.after}{' (moved)' if moved else ''}"] if self.after else []
        return "\n".join([f"{self.edit.predictor}:", *lines, *(f"  {each}" for each in self.about)])

    @property
    def about(self) -> list[str]:
        """Why it came and what it did, a line each, as far as that is known."""
        return [each for each in (" ".join(self.edit.why.split()), self._effect(), self._rise()) if each]

    def _effect(self) -> str:
        return f"examples repaired: {len(self.gained)}, broken: {len(self.lost)}" if self.gained or self.lost else ""

    def _rise(self) -> str:
        if self.scores is None:
            return ""
        company = f" with {self.company} other edits" if self.company else ""
        return f"score on training examples{company}: {self.scores[0]:.2f} -> {self.scores[1]:.2f}"


Approve = Callable[[Suggestion], ReviewAnswer]


@dataclass(frozen=True)
class Review:
    """Ask a person about edits.

    Args:
        approve: Called with each `Suggestion`; answers True (it stays), False (it goes) or a sentence to stand in its
            place. ``"ask"`` asks in the terminal or the notebook.
        when: ``"end"``: once, about the edits of the prompts that are to be returned; what is left is compared anew on
            the held-out examples, for which as many runs are set aside. ``"steps"``: about the edits of every step,
            before a run is spent on them; the writer is told of what was declined, and does not propose it again.

    An answer is remembered in the run directory, and nobody is asked twice for the same change.

    Raises:
        ValueError: If `when` is neither.
        TypeError: If `approve` cannot be called.

    Example:
        >>> from dspy_dlpo import Review
        >>> Review(lambda suggestion: "always" not in suggestion.after).when
        <ReviewTime.END: 'end'>
    """

    approve: Approve | str = ASK
    when: ReviewTime | str = ReviewTime.END

    def __post_init__(self) -> None:
        if self.approve != ASK and not callable(self.approve):
            raise TypeError(f"Review(approve={self.approve!r}) cannot be called. Pass a function, or {ASK!r}.")
        try:
            object.__setattr__(self, "when", ReviewTime(self.when))
        except ValueError:
            raise ValueError(f"Review(when={self.when!r}) must be 'end' or 'steps'. Pass one of them.") from None


def reviewed(suggestions: Sequence[Suggestion], approve: Approve) -> tuple[Edits, Edits]:
    """Ask about edits, one after the other.

    Returns:
        Those that stay, in order, with sentences of the person's own in place of some; and those that go, as they were
        proposed.

    Raises:
        ReviewError: If an answer is none, or `approve` raises.
    """
    kept: list[Edit] = []
    declined: list[Edit] = []
    for suggestion in suggestions:
        answer = approve(suggestion)
        if answer is not True:
            declined.append(suggestion.edit)
        if answer is not False:
            kept.append(suggestion.edit if answer is True else _in_own_words(suggestion, answer))
    return tuple(kept), tuple(declined)


def checked(answer: object) -> ReviewAnswer:
    """An answer of a person's, with white space around a sentence taken away.

    Raises:
        ReviewError: If it is neither True nor False nor a sentence.
    """
    if isinstance(answer, str) and answer.strip():
        return answer.strip()
    if isinstance(answer, bool):
        return answer
    raise ReviewError(f"approve answered {answer!r}. Answer True, False or a sentence to stand in the edit's place.")


def changes(start: Prompts, best: Prompts, history: History) -> list[Suggestion]:
    """The edits that lead from some prompts to others, each with what is known of it; white space alone is none."""
    known = _origins(history)
    suggestions = []
    for name, prompt in start.items():
        for edit in diff(prompt, best[name]):
            edit = replace(edit, predictor=name)
            bare = Suggestion(edit, prompt)
            if edit.op != "move" and bare.before == bare.after:
                continue
            origin = known.get((name, edit.text.strip())) if bare.after else None
            suggestions.append(bare if origin is None else _with_origin(bare, *origin))
    return suggestions


def left(start: Prompts, edits: Edits) -> Prompts:
    """The prompts that some edits make of others."""
    return {name: apply(tuple(e for e in edits if e.predictor == name), prompt) for name, prompt in start.items()}


def _origins(history: History) -> Mapping[tuple[str, str], tuple[Record, LedgerEntry]]:
    """Where each sentence that an edit brought came from last, by predictor and text."""
    return {
        (entry.edit.predictor, entry.edit.text.strip()): (record, entry)
        for record in history
        if record.accepted
        for entry in record.ledger
        if entry.kept and entry.edit.text.strip()
    }


def _with_origin(bare: Suggestion, record: Record, entry: LedgerEntry) -> Suggestion:
    """A suggestion with what the record says that its edit came with."""
    scores = None if record.base is None or record.score is None else (record.base, record.score)
    return replace(
        bare,
        edit=replace(bare.edit, why=entry.edit.why),
        gained=entry.gained,
        lost=entry.lost,
        scores=scores,
        company=sum(other.kept for other in record.ledger) - 1,
    )


def _in_own_words(suggestion: Suggestion, sentence: str) -> Edit:
    edit = suggestion.edit
    own = replace(edit, op="add" if edit.op == "add" else "replace", text=sentence, to=None, why="a person's own words")
    return fit(own, suggestion.prompt)
