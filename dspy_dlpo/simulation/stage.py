"""A stage: what one predictor of a task has to do, with its solver and its skills."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dspy_dlpo.simulation.skills import Skill

Knows = Callable[[str], bool]


@dataclass(frozen=True)
class Case:
    """One question that a stage's parser understood.

    Args:
        text: The question as it stands in the prompt, white space made single.
        data: What the parser read from it; hashable.
    """

    text: str
    data: tuple[Any, ...]


@dataclass(frozen=True)
class Found:
    """A case and where it stands in a text, in characters from 0, end exclusive."""

    case: Case
    start: int
    end: int


@dataclass(frozen=True)
class Stage:
    """One predictor's part of a task.

    Args:
        name: Unique over all tasks.
        start: The plain instruction a program begins with; teaches no skill.
        topic: Pattern (see ``words.says``) said by instructions that are about this stage.
        source: Name of the input field with the question.
        target: Name of the output field with the answer.
        skills: The rules, each named once.
        question: Finds questions inside a longer text; ``read`` understands what it matches.
        read: From a matched question to its data, or None when it is not one.
        solve: Solves the case, making the mistakes of the skills that ``knows`` denies. It asks only for skills that
            matter in the case.
        answer: Finds answers of this stage inside a longer text.
        slips: Wrong answers near a given one, equally likely; never empty.
    """

    name: str
    start: str
    topic: str
    source: str
    target: str
    skills: tuple[Skill, ...]
    question: re.Pattern[str]
    read: Callable[[str], tuple[Any, ...] | None]
    solve: Callable[[tuple[Any, ...], Knows], str]
    answer: re.Pattern[str]
    slips: Callable[[str], tuple[str, ...]]

    def skill(self, name: str) -> Skill:
        """The skill of that name."""
        return next(skill for skill in self.skills if skill.name == name)

    @lru_cache(maxsize=16384)  # noqa: B019
    def parse(self, text: str) -> Case | None:
        """The case when the whole text is one question of this stage, else None."""
        bare = text.strip().strip("\"'").strip()
        if self.question.fullmatch(bare) is None:
            return None
        question = " ".join(bare.replace("\\n", " ").split())
        data = self.read(question)
        return None if data is None else Case(question, data)

    def find(self, text: str) -> tuple[Found, ...]:
        """Every case that stands anywhere in the text, in order."""
        found = []
        for match in self.question.finditer(text):
            case = self.parse(match.group())
            if case is not None:
                found.append(Found(case, match.start(), match.end()))
        return tuple(found)

    def answers(self, case: Case, text: str) -> list[re.Match[str]]:
        """Everything in the text that has the form of an answer to this case."""
        return list(self.answer.finditer(text))

    @lru_cache(maxsize=16384)  # noqa: B019
    def truth(self, case: Case) -> str:
        """The right answer."""
        return self.solve(case.data, lambda name: True)

    @lru_cache(maxsize=65536)  # noqa: B019
    def without(self, case: Case, missing: frozenset[str]) -> str:
        """The answer of one who knows every skill but those named."""
        return self.solve(case.data, lambda name: name not in missing)

    @lru_cache(maxsize=16384)  # noqa: B019
    def relevant(self, case: Case) -> tuple[str, ...]:
        """The skills whose absence alone changes the answer of this case."""
        truth = self.truth(case)
        return tuple(s.name for s in self.skills if self.without(case, frozenset({s.name})) != truth)

    # Stages are module constants: identity is equality, cheap for the caches above, which keep them alive.
    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return self is other
