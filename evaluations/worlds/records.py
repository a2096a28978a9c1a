"""Finding records in text, whoever wrote it around them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from evaluations.worlds.step import Step
from evaluations.worlds.vocabulary import CATEGORIES


@dataclass(frozen=True)
class Found:
    """A record in a text: what it says, how many steps have marked it, where it stands (characters, end exclusive)."""

    values: dict[str, str]
    marks: int
    start: int
    end: int


@dataclass(frozen=True)
class Finder:
    """Finds the records of a world.

    Args:
        steps: Its steps.
    """

    steps: Sequence[Step]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        features = [feature for step in self.steps for feature in step.features]
        parts = [f"{name}=({'|'.join(CATEGORIES.get(name, ())) or r'[0-9]{1,3}'})" for name in features]
        marks = "".join(rf"(?:; {step.mark}=([\w-]+)" for step in self.steps[:-1]) + ")?" * (len(self.steps) - 1)
        return re.compile("; ".join(parts) + marks)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The fields of a record in order, marks last."""
        features = [feature for step in self.steps for feature in step.features]
        return (*features, *(step.mark for step in self.steps[:-1]))

    def find(self, text: str) -> list[Found]:
        """Every record in a text, in order."""
        found = []
        for match in self._pattern.finditer(text):
            values = {name: value for name, value in zip(self.names, match.groups(), strict=True) if value is not None}
            marks = sum(step.mark in values for step in self.steps)
            found.append(Found(values, marks, match.start(), match.end()))
        return found

    def read(self, text: str) -> Found | None:
        """The record that a text is, and nothing else."""
        bare = text.strip().strip("\"'").strip()
        found = self.find(bare)
        return found[0] if len(found) == 1 and (found[0].start, found[0].end) == (0, len(bare)) else None

    def without(self, text: str) -> str:
        """A text without its records."""
        return self._pattern.sub(" ", text)
