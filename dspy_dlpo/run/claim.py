"""The final claim: start and result on test examples that nothing was chosen on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import dspy
import numpy as np

from dspy_dlpo.core.budget import Account, Budget
from dspy_dlpo.core.history import Prompts, Scored
from dspy_dlpo.core.rates import Rates
from dspy_dlpo.core.result import Comparison, DLPOResult
from dspy_dlpo.host.evaluate import Evaluator
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.pacing import Pacing
from dspy_dlpo.host.parameters import INSTRUCTIONS, Kinds
from dspy_dlpo.host.program import EvaluationCopies
from dspy_dlpo.run import selection
from dspy_dlpo.run.caches import cache_for


def score_on_test(
    student: dspy.Module,
    result: DLPOResult,
    metric: Callable[..., Any],
    testset: Sequence[dspy.Example],
    *,
    task_model: dspy.LM | None = None,
    num_threads: int = 8,
    rates: Rates = None,
) -> Comparison:
    """Run the user's prompts and the returned ones on test examples, two runs of the program per example.

    Args:
        student: The program that was compiled.
        result: What `compile` found.
        metric: The metric.
        testset: Examples that were neither learned from nor chosen on, at least one.
        task_model: Runs the program; None for the models that it or DSPy's settings name.
        num_threads: Runs in parallel.
        rates: What models may be asked in a minute; None for no limit.

    Returns:
        Both mean scores, and their paired difference with its 95 % interval.

    Raises:
        ValueError: If there are no test examples.
        ModelError: If the model cannot be used at all.
    """
    prompts = [result.start_prompts, result.best_prompts]
    scored = score_prompts(
        student,
        prompts,
        metric,
        testset,
        task_model=task_model,
        num_threads=num_threads,
        parameters=result.parameters,
        rates=rates,
    )
    return selection.measured(scored, seed=0)


def score_prompts(
    student: dspy.Module,
    prompts: Sequence[Prompts],
    metric: Callable[..., Any],
    testset: Sequence[dspy.Example],
    *,
    task_model: dspy.LM | None = None,
    num_threads: int = 8,
    parameters: Kinds = INSTRUCTIONS,
    rates: Rates = None,
) -> list[Scored]:
    """Score several sets of prompts on test examples, one run of the program per example for each that differs.

    Args:
        student: The program; not changed.
        prompts: Text parameters by predictor.
        metric: The metric.
        testset: Examples that were neither learned from nor chosen on, at least one.
        task_model: Runs the program; None for the models that it or DSPy's settings name.
        num_threads: Runs in parallel.
        parameters: The kinds of text that the prompts hold.
        rates: What models may be asked in a minute; None for no limit.

    Returns:
        Each set of prompts with its scores by example, in the order given; an example whose call was lost is left out.

    Raises:
        ValueError: If there are no test examples.
        ModelError: If the model cannot be used at all.
    """
    if not testset:
        raise ValueError("testset is empty. Pass the examples to test on.")
    meter = Meter(pacing=Pacing(rates) if rates else None)
    evaluator = Evaluator(
        EvaluationCopies(student, parameters),
        list(testset),
        MetricAdapter(metric, None),
        meter,
        task_model=task_model,
        num_threads=num_threads,
    )
    runs = cache_for(
        metric,
        evaluator,
        Account(Budget(2 * len(prompts) * len(testset))),
        examples=list(testset),
        student=student,
        score_range=None,
        wave=max(8, num_threads),
        meter=meter,
    )
    for each in prompts:
        runs.ensure([(each, x) for x in range(len(testset))])
    return [runs.scored(each, range(len(testset))) for each in prompts]


def gain_interval(gains: Sequence[np.ndarray[Any, Any]]) -> tuple[float, float]:
    """95 % interval of a mean gain over tasks, from resamples of seeds and examples within each task.

    Args:
        gains: By task a table of paired differences, of shape (seeds, examples).
    """
    rng, total = np.random.default_rng(0), np.zeros(selection.RESAMPLES)
    for table in gains:
        seeds, examples = table.shape
        for i in range(selection.RESAMPLES):
            rows = table[rng.integers(0, seeds, seeds)] if seeds > 1 else table
            resampled = rows[:, rng.integers(0, examples, examples)].mean()
            # A resample varies less than new examples would.
            total[i] += table.mean() + (resampled - table.mean()) * np.sqrt(examples / max(1, examples - 1))
    low, high = np.quantile(total / len(gains), (0.025, 0.975))
    return float(low), float(high)
