"""Examples that a request shows: records, the answers that stand near them, and what is said of these."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dspy_dlpo.simulation.exhibits import label_before
from dspy_dlpo.simulation.words import sentences
from evaluations.worlds.records import Found
from evaluations.worlds.rules import read
from evaluations.worlds.step import Step, joined
from evaluations.worlds.task import Task

# Characters after a record in which answers are looked for, and before an answer in which words about it are.
_REACH, _BEFORE = 700, 70


@dataclass(frozen=True)
class Exhibit:
    """An example shown.

    Args:
        record: The record as this step sees it.
        given: Answers shown for it that are not marked as the right one, each once, as labels of the slots.
        told: Whether the right answer is shown and marked as such.
        truth: The right labels of this step.
    """

    record: Mapping[str, str]
    given: tuple[tuple[str, ...], ...]
    told: bool
    truth: tuple[str, ...]

    @property
    def wrong(self) -> tuple[tuple[str, ...], ...]:
        """The given answers that are wrong."""
        return tuple(labels for labels in self.given if labels != self.truth)


def exhibits(task: Task, step: Step, text: str) -> tuple[Exhibit, ...]:
    """All examples of a step in a text, each once, in order.

    Args:
        task: The world's task.
        step: Whose examples.
        text: A request, in any rendering.
    """
    records = task.finder.find(text)
    own = [found for found in records if found.marks == step.number]
    shown: dict[tuple[tuple[str, str], ...], Exhibit] = {}
    for i, found in enumerate(own):
        end = min(own[i + 1].start if i + 1 < len(own) else len(text), found.end + _REACH)
        segment = _without_rules(task, text[found.end : end].split("[[ ##")[0])
        given, told = _labels(step, segment) if step.is_last else (_marks(step, records, found, end), False)
        key = tuple(found.values.items())
        old = shown.get(key)
        earlier = old.given if old else ()
        told = told or bool(old and old.told)
        shown[key] = Exhibit(found.values, tuple(dict.fromkeys((*earlier, *given))), told, step.labels(found.values))
    return tuple(shown.values())


def _without_rules(task: Task, segment: str) -> str:
    """A text without sentences that state rules: their labels are no answers to the record."""
    for sentence in sentences(segment):
        if read(task.language, sentence) is not None:
            segment = segment.replace(sentence, " ")
    return segment


def _marks(step: Step, records: list[Found], found: Found, end: int) -> list[tuple[str, ...]]:
    """The labels that this step gave a record: marks in its output, which is the record again with one more."""
    outputs = (each for each in records if found.end <= each.start < end and each.marks == step.number + 1)
    same = (each.values for each in outputs if {**found.values, step.mark: each.values[step.mark]} == each.values)
    return [tuple(values[step.mark].split("-")) for values in same]


def verdict(task: Task, text: str) -> tuple[str, str] | None:
    """The answer given and the one expected, in a text that shows them without their record; None if it does not."""
    given, expected = _told(task.steps[-1], text)
    return (joined(given[0]), joined(expected[0])) if given and expected else None


def _labels(step: Step, segment: str) -> tuple[list[tuple[str, ...]], bool]:
    given, expected = _told(step, segment)
    return given, bool(expected)


def _told(step: Step, segment: str) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Answers in a text that are said to be given, and those that are said to be expected."""
    pattern = "-".join(f"(?:{'|'.join(labels)})" for labels in step.slots)
    found: dict[str, list[tuple[str, ...]]] = {"given": [], "expected": [], "": []}
    end = 0
    for match in re.finditer(rf"(?<![\w=-]){pattern}(?![\w-])", segment):
        said = label_before(step.target, segment[max(end, match.start() - _BEFORE) : match.start()])
        found[said].append(tuple(match.group().split("-")))
        end = match.end()
    return found["given"], found["expected"]
