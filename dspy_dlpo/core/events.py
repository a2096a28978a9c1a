"""What happens in a run, as typed events, and the one codec between them and the lines of ``events.jsonl``.

Everything that a run knows follows from its events in order: see `dspy_dlpo.core.state`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar, get_args

from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.history import Record, prompts_key
from dspy_dlpo.core.json_lines import to_json
from dspy_dlpo.core.reading import record_from_data, row_from_data
from dspy_dlpo.core.review import ReviewAnswer, ReviewTime
from dspy_dlpo.core.roles import Row, RunRequest
from dspy_dlpo.core.tally import Tallies, Tally, counted


class What(str, Enum):
    """What is sent out, and comes back."""

    RUN = "run"  # a run of the program
    ASK = "ask"  # a request to the prompt model
    FEEDBACK = "feedback"  # what the metric says of single predictors in a run


# What names something that came back, in any process. Of a run: the set of examples, the prompts, the example and the
# repetition; of a request: its hash.
DoneKey = tuple[Any, ...]


def run_key(which: str, request: RunRequest) -> DoneKey:
    """The key of a run of the program on one of the examples of a set."""
    return What.RUN.value, which, prompts_key(request.prompts), request.example, request.rollout


def feedback_key(which: str, request: RunRequest) -> DoneKey:
    """The key of what the metric says of single predictors in a run."""
    return What.FEEDBACK.value, *run_key(which, request)[1:]


def ask_key(ask: str) -> DoneKey:
    """The key of a reply of the prompt model."""
    return What.ASK.value, ask


class _Lasting:
    durable: ClassVar[bool] = True  # on the disk before anything else happens


@dataclass(frozen=True)
class Started(_Lasting):
    """A run begins, with a budget."""

    budget: Mapping[str, float]


@dataclass(frozen=True)
class Resumed(_Lasting):
    """Another process goes on with the run: what is still in flight is lost."""


@dataclass(frozen=True)
class BudgetRaised(_Lasting):
    """The run goes on with another budget; its records now rest on all that came before."""

    budget: Mapping[str, float]


@dataclass(frozen=True)
class Sent(_Lasting):
    """So many runs or requests go out; a negative number takes back those that did not."""

    what: What
    number: int


@dataclass(frozen=True)
class Taken:
    """What came back to an earlier process is asked for again, and answers at no cost."""

    key: DoneKey
    durable: ClassVar[bool] = False


@dataclass(frozen=True)
class RunDone:
    """A run of the program came back, or its score was settled later.

    Args:
        set: The set of examples.
        prompts: The key of its prompts.
        rollout: Its repetition.
        row: What it was.
        spent: What it used, by role.
    """

    set: str
    prompts: str
    rollout: int
    row: Row
    spent: Tallies = field(default_factory=dict)
    durable: ClassVar[bool] = False  # the next wave, or a record, takes it along

    @classmethod
    def of(cls, which: str, request: RunRequest, row: Row, spent: Tallies) -> RunDone:
        """A run on one of the examples of a set."""
        return cls(which, prompts_key(request.prompts), request.rollout, row, counted(spent))

    @property
    def key(self) -> DoneKey:
        """What names it."""
        return What.RUN.value, self.set, self.prompts, self.row.example, self.rollout


@dataclass(frozen=True)
class ReplyDone(_Lasting):
    """A reply of the prompt model came back.

    Args:
        ask: The hash of its request.
        predictor: The predictor that it is about.
        index: The record that it is for.
        answer: The reply as plain data.
        spent: What it used, by role.
    """

    ask: str
    predictor: str
    index: int
    answer: Mapping[str, Any]
    spent: Tallies = field(default_factory=dict)

    @property
    def key(self) -> DoneKey:
        """What names it."""
        return ask_key(self.ask)


@dataclass(frozen=True)
class FeedbackDone(_Lasting):
    """The metric spoke of single predictors in a run, which the first four fields name.

    Args:
        feedbacks: What it said, by predictor.
        spent: What it used, by role.
    """

    set: str
    prompts: str
    example: int
    rollout: int
    feedbacks: Mapping[str, str]
    spent: Tallies = field(default_factory=dict)

    @classmethod
    def of(cls, which: str, request: RunRequest, feedbacks: Mapping[str, str], spent: Tallies) -> FeedbackDone:
        """What was said of a run on one of the examples of a set."""
        return cls(which, prompts_key(request.prompts), request.example, request.rollout, feedbacks, counted(spent))

    @property
    def key(self) -> DoneKey:
        """What names it."""
        return What.FEEDBACK.value, self.set, self.prompts, self.example, self.rollout


@dataclass(frozen=True)
class Recorded(_Lasting):
    """A step, or another thing that the run did, is done and judged."""

    record: Record


@dataclass(frozen=True)
class StepsEnded(_Lasting):
    """The steps have ended; what remains is to choose."""

    ending: Ending


@dataclass(frozen=True)
class SelectionPlanned(_Lasting):
    """So many finalists are compared on so many validation examples."""

    finalists: int
    examples: int


@dataclass(frozen=True)
class Answered(_Lasting):
    """A person has answered what they think of an edit.

    Args:
        change: What names the change.
        edit: The edit.
        answer: Whether it may stay, or the sentence that stands in its place.
        when: Whether it was of a step, or of the prompts to be returned.
    """

    change: str
    edit: Edit
    answer: ReviewAnswer
    when: ReviewTime


Done = RunDone | ReplyDone | FeedbackDone
Event = Started | Resumed | BudgetRaised | Sent | Taken | Done | Recorded | StepsEnded | SelectionPlanned | Answered
_KINDS: Mapping[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}


def event_to_json(event: Event) -> str:
    """An event as a line, without its break: its name, and its fields."""
    content = {each.name: getattr(event, each.name) for each in fields(event)}
    if "spent" in content:
        content["spent"] = {role: tally.to_dict() for role, tally in content["spent"].items()}
    return to_json({"event": type(event).__name__, **content})


def event_from_json(line: str) -> Event:
    """The event that `event_to_json` wrote.

    Raises:
        ValueError: If the line is no JSON, or names no event.
        KeyError, TypeError: If a field is missing, or has another shape.
    """
    data = json.loads(line)
    kind = _KINDS.get(data["event"])
    if kind is None:
        raise ValueError(f"{data['event']!r} is no event")
    return kind(**{each.name: _READ.get(each.name, _same)(data[each.name]) for each in fields(kind)})


def _same(value: Any) -> Any:
    return value


def _tallies(data: Mapping[str, Mapping[str, Any]]) -> Tallies:
    return {role: Tally(**spent) for role, spent in data.items()}


def _edit(data: Mapping[str, Any]) -> Edit:
    return Edit(**data)


def _ending(data: Mapping[str, str]) -> Ending:
    return Ending(EndedBy(data["by"]), data["detail"])


# How the fields that are no plain data are read, by name.
_READ: Mapping[str, Any] = {
    "what": What,
    "key": tuple,
    "row": row_from_data,
    "record": record_from_data,
    "ending": _ending,
    "edit": _edit,
    "when": ReviewTime,
    "spent": _tallies,
}
