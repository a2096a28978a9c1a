"""A world's program and metrics, as a user of DSPy would have written them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dspy

from evaluations.worlds.starts import start_prompt
from evaluations.worlds.task import Task


class Steps(dspy.Module):  # type: ignore[misc]  # DSPy ships no types
    """One predictor after the other; each is given what the one before it answered.

    Args:
        signatures: By predictor name, in order.
    """

    def __init__(self, signatures: dict[str, type[dspy.Signature]]) -> None:
        super().__init__()
        self._order = list(signatures)
        for name, signature in signatures.items():
            setattr(self, name, dspy.Predict(signature))

    def forward(self, record: str) -> dspy.Prediction:
        """Answer a record."""
        value = record
        for name in self._order:
            predictor = getattr(self, name)
            source, target = (next(iter(fields)) for fields in _fields(predictor))
            value = getattr(predictor(**{source: value}), target)
        return dspy.Prediction(answer=value)


def _fields(predictor: dspy.Predict) -> tuple[Any, Any]:
    return predictor.signature.input_fields, predictor.signature.output_fields


def make_program(task: Task) -> dspy.Module:
    """A fresh program with the start prompts."""
    return Steps(
        {step.name: dspy.Signature(f"{step.source} -> {step.target}", start_prompt(task, step)) for step in task.steps}
    )


def make_metrics(task: Task) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The plain metric, and the same score with words where the world's feedback says more than it."""

    def metric(gold: dspy.Example, pred: Any, trace: Any = None) -> float:
        return task.scored(str(getattr(pred, "answer", "")), gold.answer)

    def feedback_metric(
        gold: dspy.Example, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> dspy.Prediction:
        score, given = metric(gold, pred), getattr(pred, "answer", "")
        words = f"The score is {score:g}."
        if task.traits.feedback == "expected":
            wrong = f"Wrong. The given answer was {given}. The expected answer is {gold.answer}."
            words = wrong if score < 1 else f"Right: {given}."
        return dspy.Prediction(score=score, feedback=words)

    return metric, feedback_metric
