"""A world: a task with known best score, a reader and a writer, all drawn from a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import dspy

from evaluations.worlds.best import best_prompts
from evaluations.worlds.engine import world_lm
from evaluations.worlds.page import page
from evaluations.worlds.program import make_metrics, make_program
from evaluations.worlds.questions import make_questions
from evaluations.worlds.rules import Rule
from evaluations.worlds.task import Task, make_task
from evaluations.worlds.traits import Traits

TEST = 200


@dataclass(frozen=True)
class World:
    """A drawn world.

    Args:
        seed: What it was drawn from.
        task: What is to be learned.
        metric: Plain.
        feedback_metric: The same score with words.
        trainset: To learn from.
        valset: To choose on; may be empty.
        testset: Untouched by optimizers.
    """

    seed: int
    task: Task = field(repr=False)
    metric: Callable[..., Any] = field(repr=False)
    feedback_metric: Callable[..., Any] = field(repr=False)
    trainset: list[dspy.Example] = field(repr=False)
    valset: list[dspy.Example] = field(repr=False)
    testset: list[dspy.Example] = field(repr=False)

    @property
    def traits(self) -> Traits:
        """What was drawn."""
        return self.task.traits

    @property
    def program(self) -> dspy.Module:
        """A fresh program with the start prompts."""
        return make_program(self.task)

    @property
    def reader(self) -> dspy.LM:
        """The task model."""
        return world_lm(self.seed)

    @property
    def quiet_reader(self) -> dspy.LM:
        """The task model without noise, for scoring untouched questions."""
        return world_lm(self.seed, noisy=False)

    @property
    def writer(self) -> dspy.LM:
        """The prompt model."""
        return self.writer_of(0)

    def writer_of(self, variant: int) -> dspy.LM:
        """The prompt model with other luck."""
        return world_lm(self.seed, variant + 1)

    def score(self, prompts: Mapping[str, str]) -> float:
        """Expected test score of prompts, exactly and without noise, 0 to 1.

        Args:
            prompts: Instructions by predictor; one that is missing counts as empty.
        """
        return self.task.expected(prompts, self._questions)

    @cached_property
    def _questions(self) -> list[tuple[Mapping[str, str], str]]:
        return [(self._record(example), example.answer) for example in self.testset]

    def _record(self, example: dspy.Example) -> dict[str, str]:
        found = self.task.finder.read(example.record)
        assert found is not None
        return found.values

    @cached_property
    def start_prompts(self) -> dict[str, str]:
        """The start instructions by predictor."""
        return {name: p.signature.instructions for name, p in self.program.named_predictors()}

    @cached_property
    def needs(self) -> Counter[Rule]:
        """How many test questions each rule decides."""
        counts: Counter[Rule] = Counter()
        for record, _ in self._questions:
            marked = dict(record)
            for step in self.task.steps:
                counts.update(step.deciding(marked))
                marked[step.mark] = "-".join(step.labels(marked))
        return counts

    @cached_property
    def best_prompts(self) -> dict[str, str]:
        """The best known instructions by predictor."""
        return best_prompts(self.task, self.needs, self.score, self.start_prompts)

    @cached_property
    def start_score(self) -> float:
        """Expected test score of the start prompts."""
        return self.score(self.start_prompts)

    @cached_property
    def best_score(self) -> float:
        """Expected test score of the best known prompts."""
        return self.score(self.best_prompts)

    def page(self) -> str:
        """What was drawn, as Markdown."""
        return page(self)


@lru_cache(maxsize=4)
def draw(seed: int) -> World:
    """The world of a seed, the same in every process.

    The last few are remembered: copy the lists of examples before changing them.
    """
    task = make_task(seed)
    traits = task.traits
    questions = make_questions(seed, task.steps, traits, TEST + traits.train + traits.val)
    examples = [dspy.Example(record=record, answer=answer).with_inputs("record") for record, answer in questions]
    # The test is whole even in a world that ran out of records.
    test, rest = examples[:TEST], examples[TEST:]
    val = rest[:0] if len(rest) <= traits.train else rest[traits.train :]
    return World(seed, task, *make_metrics(task), rest[: traits.train], val, test)
