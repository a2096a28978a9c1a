"""An eighth technique in one file: nothing to register, and it is tunable, recorded and contract-tested at once.

`Tone` asks the writer for one tone, and keeps shouting out of the prompt, whatever the writer answers.
"""

from dataclasses import dataclass

import dspy

from dspy_dlpo import (
    Budget,
    Constraint,
    DLPOTeleprompter,
    StepContext,
    Technique,
    Update,
    default_settings,
    search_space,
    tunable,
)
from dspy_dlpo.core.edits import Dropped, Edits
from dspy_dlpo.simulation import simulated_lm, simulated_task
from dspy_dlpo.testing import check_technique


@dataclass(frozen=True)
class NoShouting(Constraint):
    """No new sentence has more than `most` words in capitals."""

    most: int

    @property
    def text(self) -> str:
        return f"Write at most {self.most} words of a sentence in capitals."

    def admit(self, edits: Edits, prompt: str) -> tuple[Edits, tuple[Dropped, ...]]:
        loud = [edit for edit in edits if sum(word.isupper() for word in edit.text.split()) > self.most]
        kept = tuple(edit for edit in edits if edit not in loud)
        return kept, tuple(Dropped(edit, "shouting") for edit in loud)


@dataclass(frozen=True)
class Tone(Technique):
    """Ask for a tone, and keep shouting out."""

    tone: str = tunable("plain", options=("plain", "friendly", "strict"))
    most: int = tunable(2, low=0, high=5)

    def apply(self, update: Update, ctx: StepContext) -> Update:
        return update.with_note("Tone", f"Write in a {self.tone} tone.").with_constraint(NoShouting(self.most))


check_technique(Tone())
print("passes the contract; tunable:", search_space(Tone()))

task = simulated_task("object_counting")
dspy.configure(lm=simulated_lm())
settings = default_settings()
settings["techniques"] = (*settings["techniques"], Tone())
optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=300), **settings)
result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
print("verdict (simulated model):", result.verdict)
print("the writer was told:", result.history.steps()[0].notes["solve"][-1].body)
