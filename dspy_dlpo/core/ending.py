"""How the steps of a run ended."""

from __future__ import annotations

from dataclasses import dataclass

from dspy_dlpo.core.enumerations import SentenceEnum


class EndedBy(SentenceEnum):
    """What ended the steps of a run; `sentence` says it to people, with the detail where the braces stand."""

    BUDGET = "budget", "the budget is spent"
    MAX_STEPS = "max_steps", "{} steps are done"
    TARGET = "target", "the target of {} is reached"
    PATIENCE = "patience", "{} steps in a row gained nothing"
    SOLVED = "solved", "every training example is right{}"
    IDLE = "idle", "{}"
    STOP_FILE = "stop_file", "the file {} asks for it"
    INTERRUPTED = "interrupted", "interrupted by Ctrl-C"
    CLOSED = "closed", "no further step was asked for"
    PRUNED = "pruned", "pruned: clearly worse than other settings"
    NOT_ENDED = "not_ended", "the run has not ended"
    MODEL = "model", "{}"
    UNUSABLE = "unusable", "{}"
    METRIC = "metric", "{}"
    PROGRAM = "program", "{}"
    CONTROLLER = "controller", "{}"
    REVIEW = "review", "{}"

    @property
    def is_failure(self) -> bool:
        """Whether something failed: a model, its replies, the metric, the program, the controller or the review."""
        return self in _FAILURES

    @property
    def is_asked_for(self) -> bool:
        """Whether the user asked a run to end that would have gone on."""
        return self in (EndedBy.STOP_FILE, EndedBy.INTERRUPTED, EndedBy.CLOSED, EndedBy.PRUNED)

    @property
    def is_for_good(self) -> bool:
        """Whether a later process has no steps to go on with: nothing failed, and nobody asked for it."""
        return not (self.is_failure or self.is_asked_for or self is EndedBy.NOT_ENDED)


_FAILURES = (
    EndedBy.MODEL,
    EndedBy.UNUSABLE,
    EndedBy.METRIC,
    EndedBy.PROGRAM,
    EndedBy.CONTROLLER,
    EndedBy.REVIEW,
)


@dataclass(frozen=True)
class Ending:
    """How the steps of a run ended.

    Args:
        by: What ended them.
        detail: What the sentence needs beside: a number, a file, the resource that is spent, an error's message.
    """

    by: EndedBy
    detail: str = ""

    def __str__(self) -> str:
        if "{}" in self.by.sentence:
            return self.by.sentence.format(self.detail)
        return f"{self.by.sentence}{self.detail and ': '}{self.detail}"
