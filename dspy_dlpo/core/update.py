"""The request to the writer: what to change, what to bear in mind, and what is out of bounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dspy_dlpo.core.edits import Dropped, Edits


@dataclass(frozen=True)
class TextGradient:
    """What is wrong with one predictor's prompt, by its failures in a batch or a part of one.

    Args:
        predictor: The predictor's name.
        text: The critique, in prose; empty until the writer has said it, where no critic is asked before.
        examples: Indices of the training examples it speaks of.
        is_fine: Whether it says that the predictor did its part right.
    """

    predictor: str
    text: str
    examples: tuple[int, ...] = ()
    is_fine: bool = False


@dataclass(frozen=True)
class Note:
    """Advice to the writer.

    Args:
        title: What it is about.
        body: The advice, in words.
    """

    title: str
    body: str


class Constraint(ABC):
    """A rule that says itself in words to the writer and enforces itself in code on what comes back.

    Doing nothing never violates one: no edits are always admitted.
    """

    @property
    @abstractmethod
    def text(self) -> str:
        """The rule in words, one or two sentences; empty when the writer need not be told."""

    @abstractmethod
    def admit(self, edits: Edits, prompt: str) -> tuple[Edits, tuple[Dropped, ...]]:
        """Keep the edits that obey the rule.

        Args:
            edits: Sound edits of one predictor's prompt, in the writer's order.
            prompt: The prompt they change.

        Returns:
            The edits that remain, a subset in the same order, and those dropped with their reasons.
        """


@dataclass(frozen=True)
class Update:
    """One predictor's request to the writer; techniques pass it on, each with something added.

    Args:
        predictor: The predictor's name.
        prompt: Its present prompt, the text to edit.
        gradients: What the critic wrote of it.
        notes: Advice to the writer, in words.
        constraints: Rules that the edits must obey.
        form: The form in which the writer is to answer, one of its own; empty for its first.
        part: Which part of the step's batch it is about, from 0.
    """

    predictor: str
    prompt: str
    gradients: tuple[TextGradient, ...] = ()
    notes: tuple[Note, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    form: str = ""
    part: int = 0

    def with_note(self, title: str, body: str) -> Update:
        """The same update with one more note."""
        return replace(self, notes=(*self.notes, Note(title, body)))

    def with_constraint(self, constraint: Constraint) -> Update:
        """The same update with one more constraint."""
        return replace(self, constraints=(*self.constraints, constraint))


def admit_all(constraints: Sequence[Constraint], edits: Edits, prompt: str) -> tuple[Edits, tuple[Dropped, ...]]:
    """Pass edits through every constraint, again and again until none drops any more."""
    dropped: list[Dropped] = []
    count = -1
    while count != len(dropped):
        count = len(dropped)
        for constraint in constraints:
            edits, refused = constraint.admit(edits, prompt)
            dropped.extend(refused)
    return edits, tuple(dropped)
