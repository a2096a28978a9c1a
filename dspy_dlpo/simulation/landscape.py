"""The landscape of a task: the true expected accuracy of any prompt, because the skills are known."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import dspy

from dspy_dlpo.simulation.knowledge import Knowledge, knowledge
from dspy_dlpo.simulation.settings import Noise, Reader
from dspy_dlpo.simulation.stage import Case, Stage
from dspy_dlpo.simulation.task import SimulatedTask, simulated_task, task_kind

# An answer, or (skill, when known, when not known).
_Tree = str | tuple[str, "_Tree", "_Tree"]
Odds = dict[str, float]


@lru_cache(maxsize=4096)
def _tree(stage: Stage, case: Case) -> _Tree:
    def grow(decided: dict[str, bool]) -> _Tree:
        unknown: list[str] = []

        def knows(name: str) -> bool:
            if name not in decided and name not in unknown:
                unknown.append(name)
            return decided.get(name, True)

        answer = stage.solve(case.data, knows)
        if not unknown:
            return answer
        name = unknown[0]
        return name, grow({**decided, name: True}), grow({**decided, name: False})

    return grow({})


def _walk(tree: _Tree, chances: Mapping[str, float], share: float, into: Odds) -> None:
    if isinstance(tree, str):
        into[tree] = into.get(tree, 0.0) + share
        return
    name, known, unknown = tree
    p = chances[name]
    if p > 0:
        _walk(known, chances, share * p, into)
    if p < 1:
        _walk(unknown, chances, share * (1 - p), into)


def _mixed(odds: Odds, value: str, share: float) -> Odds:
    mixed = {answer: p * (1 - share) for answer, p in odds.items()}
    mixed[value] = mixed.get(value, 0.0) + share
    return mixed


def _noisy(stage: Stage, odds: Odds, noise: Noise) -> Odds:
    return _spoiled(stage, _spoiled(stage, odds, noise.fixed), noise.fresh)


def _spoiled(stage: Stage, odds: Odds, rate: float) -> Odds:
    if not rate:
        return odds
    spoiled = {answer: p * (1 - rate) for answer, p in odds.items()}
    for answer, p in odds.items():
        wrong = stage.slips(answer)
        for other in wrong:
            spoiled[other] = spoiled.get(other, 0.0) + p * rate / len(wrong)
    return spoiled


class Landscape:
    """True expected accuracy of prompts on a task, without sampling noise.

    The expectation is over the reader's own draws, exactly, for the questions given; worked examples are left out.

    Args:
        task: A task, or its name (then with generated questions).
        reader: The reader of the model in question; None has the defaults.
        noise: Its noise; None has none.
        examples: The questions to average over; None has the task's testset.

    Raises:
        ValueError: An unknown task, or no examples.
    """

    def __init__(
        self,
        task: SimulatedTask | str,
        *,
        reader: Reader | None = None,
        noise: Noise | None = None,
        examples: Sequence[dspy.Example] | None = None,
    ) -> None:
        given = simulated_task(task) if isinstance(task, str) else task
        self._kind = task_kind(given.name)
        self._reader = reader if reader is not None else Reader()
        self._noise = noise if noise is not None else Noise()
        self._examples = list(given.testset if examples is None else examples)
        if not self._examples:
            raise ValueError("examples is empty. Pass at least one example.")

    def accuracy(self, prompts: Mapping[str, str]) -> float:
        """Expected share of right answers, 0 to 1.

        Args:
            prompts: Instruction by predictor name; a missing one is the plain start instruction.
        """
        texts = {name: prompts.get(name, stage.start) for name, stage in self._kind.stages}
        return sum(self._right(example, texts) for example in self._examples) / len(self._examples)

    def start_prompts(self) -> dict[str, str]:
        """The plain start instruction of each predictor."""
        return {name: stage.start for name, stage in self._kind.stages}

    def best_prompts(self) -> dict[str, str]:
        """The start instruction of each predictor with one sentence for every skill."""
        return {
            name: " ".join((stage.start, *(skill.wordings[0] for skill in stage.skills)))
            for name, stage in self._kind.stages
        }

    @property
    def best(self) -> float:
        """Expected accuracy of the best prompts."""
        return self.accuracy(self.best_prompts())

    def regret(self, prompts: Mapping[str, str]) -> float:
        """What the prompts lack to the best possible, 0 to 1."""
        return max(0.0, self.best - self.accuracy(prompts))

    def skills(self) -> dict[str, tuple[str, ...]]:
        """Names of the skills of each predictor."""
        return {name: tuple(skill.name for skill in stage.skills) for name, stage in self._kind.stages}

    def taught(self, prompts: Mapping[str, str]) -> dict[str, frozenset[str]]:
        """Which skills the prompts teach, by predictor."""
        return {
            name: knowledge(stage, prompts.get(name, stage.start), self._reader.interactions).taught
            for name, stage in self._kind.stages
        }

    def _right(self, example: dspy.Example, texts: Mapping[str, str]) -> float:
        (_, first), *rest = self._kind.stages
        odds = self._odds(first, example[first.source], texts[self._kind.stages[0][0]])
        for name, stage in rest:
            following: Odds = {}
            for text, share in odds.items():
                for answer, p in self._odds(stage, text, texts[name]).items():
                    following[answer] = following.get(answer, 0.0) + share * p
            odds = following
        return odds.get(str(example[self._kind.stages[-1][1].target]), 0.0)

    def _odds(self, stage: Stage, text: str, prompt: str) -> Odds:
        case = stage.parse(text)
        if case is None:
            return {"": 1.0}
        known = knowledge(stage, prompt, self._reader.interactions)
        copied = known.copied_answer(case.text, self._reader)
        if copied is not None:
            return _noisy(stage, {copied: 1.0}, self._noise)
        return _noisy(stage, self._claimed(known, self._solved(stage, case, known)), self._noise)

    def _solved(self, stage: Stage, case: Case, known: Knowledge) -> Odds:
        chances = {skill.name: known.probability(stage, skill.name, self._reader) for skill in stage.skills}
        odds: Odds = {}
        _walk(_tree(stage, case), chances, 1.0, odds)
        return odds

    def _claimed(self, known: Knowledge, odds: Odds) -> Odds:
        for claim in reversed(known.claims):
            odds = _mixed(odds, claim, self._reader.overfit_pull)
        return odds
