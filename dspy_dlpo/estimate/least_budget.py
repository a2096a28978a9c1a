"""The least budget that pays for one step."""

from __future__ import annotations

import logging
import math
from itertools import count

import dspy

from dspy_dlpo.core.budget import Account, Budget
from dspy_dlpo.core.judges import first_judged
from dspy_dlpo.core.thresholds import THRESHOLDS
from dspy_dlpo.estimate.estimator import WIDEST, Estimator
from dspy_dlpo.run.selection import planned_selection
from dspy_dlpo.run.settings import Data, RunSettings

logger = logging.getLogger(__name__)


def check_budget(settings: RunSettings, student: dspy.Module, data: Data) -> None:
    """Make sure that the budget pays for one step: all before it would be spent for nothing.

    A step needs the scores of the user's own prompts, and a wave of runs to judge a proposal with: 24 and 8 by default,
    for which 46 runs have to be allowed, as a quarter is set aside to select. To judge it to its end may take 24, so
    with less than 71 a warning says that the first proposal may be lost. What a run takes of tokens and money is only
    estimated, so a budget of these is refused only if it is too small by far.

    Raises:
        ValueError: If it does not; the message names the least that would do.
    """
    budget, first = settings.budget, first_judged(settings.judging, len(data.train), of_sets=settings.scores_sets)
    runs = first + min(settings.judging.wave, first)
    least: dict[str, float] = {}
    if budget.metric_calls is not None:
        least["metric_calls"] = _least_metric_calls(settings, data, runs)
    share = 1 - (THRESHOLDS.selection_share if data.val else 0)
    if budget.lm_calls is not None:  # each run asks every predictor once, mostly; a step asks critic and writer
        least["lm_calls"] = math.ceil((runs * max(1, len(student.predictors())) + 2) / share)
    if budget.tokens is not None or budget.usd is not None:
        for name, most in Estimator(settings, student, data).allowed().items():
            if name in ("tokens", "usd") and most * WIDEST * share < runs:
                least[name] = budget.limits[name] * runs / (most * share)
    for name, enough in least.items():
        if budget.limits[name] < enough:
            figure = f"{enough:.2g}" if name == "usd" else f"{math.ceil(enough)}"
            raise ValueError(
                f"Budget({name}={budget.limits[name]:g}) is too small to try one step: {runs} runs of the program come "
                f"before its end, beside what is set aside to select. Pass at least {name}={figure}, or fewer examples."
            )
    if budget.metric_calls is not None:
        enough = _least_metric_calls(settings, data, 2 * first)
        if budget.metric_calls < enough:
            logger.warning(
                "Budget(metric_calls=%d) may end before the first proposal is judged; %d would do",
                budget.metric_calls,
                enough,
            )


def _least_metric_calls(settings: RunSettings, data: Data, runs: int) -> int:
    """The smallest budget of program runs, at least the user's own, that leaves so many for steps."""
    judging = settings.judging
    for calls in count(max(runs, settings.budget.metric_calls or 0)):
        finalists, examples = planned_selection(settings, data, calls)
        reserved = settings.compared(finalists) * examples
        account = Account(Budget(metric_calls=calls), reserved, kept=judging.width or judging.wave)
        if account.left >= runs:
            return calls
    raise AssertionError("some budget is large enough")
