"""The roles that touch the world, as plain callables, and what passes between them and the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from dspy_dlpo.core.edits import Dropped, Edits
from dspy_dlpo.core.history import Prompts
from dspy_dlpo.core.update import TextGradient, Update


class Failure(str, Enum):
    """What went wrong in a run of the program."""

    NONE = ""
    PROGRAM = "program"  # an exception, or an unreadable reply: it scores the low end
    METRIC = "metric"  # the metric raised
    NO_SCORE = "no_score"  # it returned what is no score: None, NaN
    RANGE = "range"  # it left its range
    TRANSPORT = "transport"  # a call was not answered, which says nothing of the prompts


@dataclass(frozen=True)
class TraceStep:
    """One call of a predictor, as text.

    Args:
        predictor: Its name; empty if it is none of the program's own.
        inputs: What it was given, by field.
        outputs: What it answered, by field.
    """

    predictor: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """One run of the program on one example.

    Args:
        example: Its index.
        score: In the metric's units; None when a call failed in transport, which says nothing of the prompts, where
            the metric gave none, or where it scores whole sets alone.
        inputs: The example's inputs, as text by field.
        expected: The example's labels, as text by field.
        outputs: What the program answered, as text by field.
        feedback: What the metric said.
        feedbacks: What it said of single predictors, by name; empty if it says nothing of them, or was not asked yet.
        failure: What went wrong.
        error: The failure in words.
        trace: The predictors' calls in order.
        mistake: Where the program's own code fails by a mistake that no instructions could mend, in words; empty if it
            does not.
        values: What the texts do not tell, as plain data, for a metric that may be asked about the run later.
    """

    example: int
    score: float | None
    inputs: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    feedback: str = ""
    failure: Failure = Failure.NONE
    error: str = ""
    trace: tuple[TraceStep, ...] = ()
    feedbacks: Mapping[str, str] = field(default_factory=dict)
    mistake: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_answered(self) -> bool:
        """Whether the run came to its end, with a score of its own or as part of a set that is scored as a whole."""
        return self.score is not None or self.failure is Failure.NONE

    @property
    def is_unscored(self) -> bool:
        """Whether the score is missing by the metric's doing."""
        return self.score is None and self.failure in (Failure.METRIC, Failure.NO_SCORE, Failure.RANGE)


@dataclass(frozen=True)
class RunRequest:
    """One run to make: which prompts, which example, and which repetition (0 for the first)."""

    prompts: Prompts
    example: int
    rollout: int = 0


@dataclass(frozen=True)
class Reply:
    """What the writer answered.

    Args:
        edits: Edits that can be carried out together.
        dropped: What of the reply could not be read.
        error: Why nothing is usable; empty if something is.
        lost: Whether there was no reply at all, so that asking in another form is no use.
        critique: What it says that the prompt lacks; empty if it says nothing beside its edits.
    """

    edits: Edits = ()
    dropped: tuple[Dropped, ...] = ()
    error: str = ""
    lost: bool = False
    critique: str = ""


@dataclass(frozen=True)
class Observation:
    """What runs show by themselves, with the edits that mend it.

    Args:
        gradient: What is wrong.
        edits: Edits of the same predictor, the most useful first; at least one.
    """

    gradient: TextGradient
    edits: Edits


class Observe(Protocol):
    """See in runs what no model needs to be asked about."""

    def __call__(self, prompts: Prompts) -> Sequence[Observation]:
        """Look at the runs of the prompts in force.

        Returns:
            What was seen; the same edit may be offered again and again, and is judged once.
        """


class Forward(Protocol):
    """Run the program; the task model."""

    def __call__(self, requests: Sequence[RunRequest]) -> Sequence[Row | None]:
        """Make the runs of one wave, in parallel.

        Returns:
            One row per request, in the order given; None for a run that was not made because the budget ended.
        """


class Feedback(Protocol):
    """Have the metric speak of single predictors."""

    def __call__(self, requests: Sequence[RunRequest], rows: Sequence[Row]) -> Sequence[Row]:
        """Complete the runs that a critic is to be shown.

        Returns:
            The rows in the order given, with what the metric says of their predictors.
        """


class Critique(Protocol):
    """Write text gradients; the prompt model as critic."""

    def __call__(self, prompts: Prompts, rows: Sequence[Row], step: int) -> Sequence[TextGradient]:
        """Say how each predictor's prompt should change in view of failed runs.

        Returns:
            At most one gradient per predictor; none for a predictor whose critique could not be had. Their text may be
            empty: the writer then says itself what is wrong.
        """


class Write(Protocol):
    """Write edits; the prompt model as writer."""

    def __call__(self, updates: Sequence[Update], step: int) -> Sequence[Reply]:
        """Answer requests, in parallel.

        Returns:
            One reply per update, in the order given.
        """
