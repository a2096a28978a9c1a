"""A task: what the command line, tuning and evaluations work on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Task:
    """A program, how it is scored, and examples.

    Args:
        program: A DSPy module.
        metric: A DSPy metric, plain or with feedback, or a `CorpusMetric`.
        trainset: Examples to learn from.
        valset: Examples on which the result is chosen; None to split some off the trainset.
        testset: Examples that nothing is chosen on, for the final claim.
        name: What it is called where there are several; empty for a number.
    """

    program: Any
    metric: Callable[..., Any]
    trainset: Sequence[Any]
    valset: Sequence[Any] | None = None
    testset: Sequence[Any] | None = None
    name: str = ""
