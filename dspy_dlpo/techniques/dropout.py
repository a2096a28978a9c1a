"""Textual dropout (TDO): some sentences, drawn at random, stay as they are for a step."""

from __future__ import annotations

from dataclasses import dataclass

from dspy_dlpo.core.freezing import FreezeSentences
from dspy_dlpo.core.history import StepContext
from dspy_dlpo.core.schedule import Number, check_number, value_at
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.space import tunable
from dspy_dlpo.core.technique import Technique
from dspy_dlpo.core.update import Update


@dataclass(frozen=True)
class Dropout(Technique):
    """Freeze each sentence for this step with some probability.

    What the writer cannot touch it cannot spoil, and it must look for the mistake elsewhere.

    Args:
        p: Probability with which a sentence is frozen, 0 to 1: a number or a schedule. 0 freezes none; of the sentences
            one always stays editable.

    Source: DLPO, "textual dropout" (arXiv 2503.13413). The authors' program cuts at every ``.``, ``!`` and ``?``, and
        does not check that the text was kept.
    """

    p: Number = tunable(0.2, low=0.0, high=0.5)

    def __post_init__(self) -> None:
        check_number("Dropout", "p", self.p, 0, 1)

    def apply(self, update: Update, ctx: StepContext) -> Update:
        """Draw the sentences that stay."""
        rng = ctx.rng("dropout", update.predictor)
        p = value_at(self.p, ctx.progress)
        count = len(split(update.prompt))
        frozen = [i for i in range(count) if rng.random() < p]
        if frozen and len(frozen) == count:
            frozen.remove(rng.choice(frozen))
        return update.with_constraint(FreezeSentences(tuple(frozen))) if frozen else update
