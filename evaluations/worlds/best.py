"""The best known prompts of a world, from its rules; no optimizer runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from evaluations.worlds.rules import Rule
from evaluations.worlds.step import Step
from evaluations.worlds.task import Task

Score = Callable[[Mapping[str, str]], float]
Arrange = Callable[[Step, Sequence[Rule], Mapping[Rule, int]], list[Rule]]


def best_prompts(task: Task, needs: Mapping[Rule, int], score: Score, start: Mapping[str, str]) -> dict[str, str]:
    """The best of a few prompts that hold the true rules and nothing else, and of the start prompts.

    All rules in their order; and, where the order does not decide, the most needed first, last, and at both ends,
    since what stands in a bad place is missed more often; the best also without rules that no test question needs.

    Args:
        task: The world's task.
        needs: How many test questions each rule decides.
        score: Expected score of prompts on the test questions.
        start: The start prompts.
    """

    def prompts(arrange: Arrange, least: int) -> dict[str, str]:
        texts = {}
        for step in task.steps:
            rules = [rule for rule in step.rules if needs.get(rule, 0) >= least]
            texts[step.name] = " ".join(rule.say() for rule in arrange(step, rules, needs))
        return texts

    arrange = max((_as_it_is, _needed_first, _needed_last, _needed_outside), key=lambda each: score(prompts(each, 0)))
    return max((dict(start), prompts(arrange, 0), prompts(arrange, 1)), key=score)


def _as_it_is(step: Step, rules: Sequence[Rule], needs: Mapping[Rule, int]) -> list[Rule]:
    return list(rules)


def _needed_first(step: Step, rules: Sequence[Rule], needs: Mapping[Rule, int]) -> list[Rule]:
    return sorted(rules, key=lambda rule: -needs.get(rule, 0)) if _is_free(step) else list(rules)


def _needed_last(step: Step, rules: Sequence[Rule], needs: Mapping[Rule, int]) -> list[Rule]:
    return _needed_first(step, rules, needs)[::-1] if _is_free(step) else list(rules)


def _needed_outside(step: Step, rules: Sequence[Rule], needs: Mapping[Rule, int]) -> list[Rule]:
    ordered = _needed_first(step, rules, needs)
    return [*ordered[::2], *ordered[1::2][::-1]] if _is_free(step) else ordered


def _is_free(step: Step) -> bool:
    """Whether rules may stand in any order."""
    return step.mode != "first match wins"
