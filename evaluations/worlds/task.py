"""A world's task as its models know it: steps, words, traits. No data, no program, no caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from evaluations.worlds.following import follow, guess, odds
from evaluations.worlds.making import make_language, make_steps
from evaluations.worlds.records import Finder
from evaluations.worlds.rules import Language
from evaluations.worlds.step import Step, joined
from evaluations.worlds.traits import Traits, draw_traits


@dataclass(frozen=True)
class Task:
    """What is to be learned in a world.

    Args:
        seed: The world's.
        traits: What was drawn.
        steps: In the order in which they run.
        language: What words mean.
        finder: Finds records in text.
    """

    seed: int
    traits: Traits
    steps: tuple[Step, ...]
    language: Language
    finder: Finder

    def __hash__(self) -> int:
        return hash(("task", self.seed))

    def expected(self, prompts: Mapping[str, str], questions: Sequence[tuple[Mapping[str, str], str]]) -> float:
        """Expected score of prompts on questions, exactly and without noise, 0 to 1.

        Args:
            prompts: Instructions by predictor; one that is missing counts as empty.
            questions: Records and their answers.
        """
        taught = [follow(self.language, s, prompts.get(s.name, ""), self.traits.reading) for s in self.steps]
        return sum(self._worth(record, answer, taught) for record, answer in questions) / len(questions)

    def _worth(self, record: Mapping[str, str], answer: str, taught: Sequence[tuple]) -> float:
        """The expected score of one question: over all marks that earlier steps may have made, weighted."""
        cases = [(dict(record), 1.0)]
        for step, followed in zip(self.steps[:-1], taught, strict=False):
            cases = [
                ({**case, step.mark: label}, share * p)
                for case, share in cases
                for label, p in self._odds(step, followed, 0, case).items()
                if p > 0
            ]
        last = self.steps[-1]
        labels = answer.split("-")
        total = 0.0
        for case, share in cases:
            slots = [self._odds(last, taught[-1], slot, case) for slot in range(len(last.slots))]
            total += share * self._earned(slots, labels)
        return total

    def _odds(self, step: Step, followed: tuple, slot: int, case: Mapping[str, str]) -> dict[str, float]:
        return odds(step, followed, slot, case, lambda: guess(self.seed, step, slot, case, self.traits.reading))

    def _earned(self, slots: Sequence[Mapping[str, float]], labels: Sequence[str]) -> float:
        last = self.steps[-1]
        if self.traits.graded:
            worth = [
                sum(p * last.credit(given, label) for given, p in found.items())
                for found, label in zip(slots, labels, strict=True)
            ]
            return sum(worth) / len(worth)
        product = 1.0
        for found, label in zip(slots, labels, strict=True):
            product *= found.get(label, 0.0)
        return product

    def scored(self, given: str, expected: str) -> float:
        """What an answer earns, 0 to 1."""
        last, labels = self.steps[-1], expected.split("-")
        parts = given.strip().split("-")
        if not self.traits.graded:
            return float(given.strip() == joined(labels))
        if len(parts) != len(labels):
            return 0.0
        return sum(last.credit(one, other) for one, other in zip(parts, labels, strict=True)) / len(labels)


@lru_cache(maxsize=64)
def make_task(seed: int) -> Task:
    """The task of a world."""
    traits = draw_traits(seed)
    steps = make_steps(seed, traits)
    return Task(seed, traits, steps, make_language(seed, steps), Finder(steps))
