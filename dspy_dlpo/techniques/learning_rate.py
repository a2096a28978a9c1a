"""Textual learning rate (TLR): how many sentences a step may change."""

from __future__ import annotations

from dataclasses import dataclass

from dspy_dlpo.core.edits import Dropped, Edits, apply, cost, distance
from dspy_dlpo.core.history import StepContext
from dspy_dlpo.core.schedule import Number, Schedule, check_number, value_at
from dspy_dlpo.core.space import tunable
from dspy_dlpo.core.technique import Technique
from dspy_dlpo.core.update import Constraint, Update


@dataclass(frozen=True)
class LimitEdits(Constraint):
    """At most `max_edits` sentences of a prompt are added, replaced, deleted or moved."""

    max_edits: int

    @property
    def text(self) -> str:
        """The rule in words."""
        sentences = "one sentence" if self.max_edits == 1 else f"{self.max_edits} sentences"
        return f"Change at most {sentences}. Put the edit that you expect to help most first."

    def admit(self, edits: Edits, prompt: str) -> tuple[Edits, tuple[Dropped, ...]]:
        """Keep the first edits, as many as the limit allows."""
        kept, left = [], self.max_edits
        for edit in edits:
            if cost(edit) <= left:
                kept.append(edit)
                left -= cost(edit)
        # A new sentence can also melt into its neighbour; what counts is the text that comes out.
        while kept and distance(prompt, apply(tuple(kept), prompt)) > self.max_edits:
            kept.pop()
        reason = f"more than {self.max_edits} sentences in one step"
        return tuple(kept), tuple(Dropped(edit, reason) for edit in edits if edit not in kept)


@dataclass(frozen=True)
class LearningRate(Technique):
    """Change only a few sentences in one step.

    The writer is told the limit and asked to put its best edits first; whatever it answers, code keeps the first
    `max_edits` sentence edits. An edit whose text holds several sentences counts as several, but a sentence with
    the list that it introduces counts as one: what is listed, such as the names of answers, is of no use in parts.

    Args:
        max_edits: Sentences of one predictor's prompt that may be added, replaced, deleted or moved in one step: a
            number of at least 1, or a schedule above 0; rounded to a whole number of at least 1.

    Source: DLPO, "textual learning rate" (arXiv 2503.13413). In the authors' program the writer is asked for the number
        and nothing checks it, none is named from 5 to 10, and above 10 bold rewrites are asked for.
    """

    max_edits: Number = tunable(4, low=1, high=10)

    def __post_init__(self) -> None:
        lowest = 0 if isinstance(self.max_edits, Schedule) else 1
        check_number("LearningRate", "max_edits", self.max_edits, lowest, float("inf"))

    def apply(self, update: Update, ctx: StepContext) -> Update:
        """Limit the edits to the value of this step."""
        return update.with_constraint(LimitEdits(max(1, round(value_at(self.max_edits, ctx.progress)))))
