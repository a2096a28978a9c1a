"""DSPy's evaluate callbacks, MLflow's autolog among them, hear of the evaluations that our own evaluator makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import dspy
from dspy.evaluate.evaluate import EvaluationResult
from dspy.utils.callback import with_callbacks

from dspy_dlpo.core.history import Prompts
from dspy_dlpo.core.runs import RunCache

# What DSPy's optimizers call an evaluation on the whole valset.
METRIC_KEY = "eval_full"
Results = list[tuple[dspy.Example, dspy.Prediction, float]]


class EvaluateCallbacks:
    """Has callbacks hear of each evaluation of prompts on the held-out examples, while it is made.

    Args:
        program: Makes the program with given prompts, to show it to callbacks.
        devset: The examples, by index.
        runs: The runs on them.
        num_threads: Told to callbacks.
    """

    def __init__(
        self,
        program: Callable[[Prompts], dspy.Module],
        devset: Mapping[int, dspy.Example],
        runs: RunCache,
        num_threads: int | None,
    ) -> None:
        self._program, self._devset, self._runs, self._threads = program, devset, runs, num_threads

    def __call__(self, prompts: Prompts, ask: Callable[[], None]) -> None:
        """Have the runs of an evaluation made.

        Args:
            prompts: The prompts that run.
            ask: Makes the runs; what it raises is told, and raised.
        """
        if not dspy.settings.callbacks:
            return ask()

        def run() -> Results:
            ask()
            means = self._runs.means(prompts, list(self._devset))
            return [(self._devset[x], self._predicted(prompts, x), mean) for x, mean in means.items()]

        evaluation = _Evaluation(devset=list(self._devset.values()), num_threads=self._threads)
        evaluation.run = run
        evaluation(self._program(dict(prompts)), callback_metadata={"metric_key": METRIC_KEY})
        return None

    def _predicted(self, prompts: Prompts, example: int) -> dspy.Prediction:
        """What the program answered last, as text."""
        return dspy.Prediction(**self._runs.rows(prompts, example)[-1].outputs)


class _Evaluation(dspy.Evaluate):
    """An evaluation whose runs are made by a function of ours; the one with callbacks is DSPy's."""

    run: Callable[[], Results]

    @with_callbacks  # type: ignore[untyped-decorator]
    def __call__(self, program: dspy.Module, callback_metadata: dict[str, Any] | None = None) -> EvaluationResult:
        results = self.run()
        mean = sum(score for *_, score in results) / max(1, len(results))
        return EvaluationResult(score=round(100 * mean, 2), results=results)
