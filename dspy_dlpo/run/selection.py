"""Choose what is returned: finalists are pruned, compared on held-out examples, and the gain is put in an interval."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from dspy_dlpo.core.budget import RunEnds
from dspy_dlpo.core.errors import DLPOError, MetricError, ModelError
from dspy_dlpo.core.front import front, least, money, words
from dspy_dlpo.core.history import Prompts, Scored, Sets, best_first, prompts_key
from dspy_dlpo.core.judges import BEST, CHEAPEST, SHORTEST
from dspy_dlpo.core.loop import Run
from dspy_dlpo.core.result import Comparison
from dspy_dlpo.core.run_costs import CostsByPrompts, cost_difference, judged_costs
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.core.thresholds import THRESHOLDS
from dspy_dlpo.run.settings import Data, RunSettings

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

# With fewer held-out examples no claim is made.
TOO_FEW = 30
RESAMPLES = 4000
# Numbers held at a time while resampling: 8 MB.
RESAMPLED_AT_ONCE = 1_000_000


def planned_selection(settings: RunSettings, data: Data, metric_calls: float | None = None) -> tuple[int, int]:
    """How many finalists are to be compared on how many validation examples, within a share of the budget.

    Returns:
        Finalists (0 if nothing is held out) and validation examples. ``(finalists + 1) * examples`` runs are to be set
        aside: the user's own prompts run too.
    """
    calls = settings.budget.metric_calls if metric_calls is None else metric_calls
    share = math.inf if calls is None else calls * THRESHOLDS.selection_share
    return within(share, len(data.val), settings.judging.finalists)


def within(runs: float, n_val: int, finalists: int) -> tuple[int, int]:
    """How many finalists, beside the user's own prompts, so many program runs compare on how many examples."""
    share = int(min(runs, (finalists + 1) * n_val))
    if n_val == 0 or share < 2:
        return 0, 0
    count = min(max(share // n_val - 1, 1), finalists)
    return count, min(n_val, share // (count + 1))


def finalists(run: Run, count: int, prefer: str = BEST) -> list[Prompts]:
    """The best judged prompts beside the user's own, completed on the whole judging set as far as the budget goes.

    Where the shortest or cheapest are preferred, those that are within one standard error of the best are among them.

    Where the judging set has grown since prompts were judged, and nothing is left to complete them, they compete by the
    examples that they share with each other.
    """
    judged = [each for each in run.history.scored() if each.prompts != run.start]
    # By every run made of them: where scores vary, those of the prompts in force were repeated after they were judged.
    known = [run.runs.scored(each.prompts, tuple(each.scores)) for each in judged]
    chosen = [each.prompts for each in best_first(known)][:count]
    little = _least_close(run, prefer)
    if little is not None and little not in (run.start, *chosen):
        chosen = [*chosen[: count - 1], little]
    for prompts in chosen:
        with suppress(RunEnds, ModelError, MetricError):
            run.runs.ensure([(prompts, x) for x in run.judging_set])
    scored = [run.runs.scored(prompts, run.judging_set) for prompts in chosen]
    return [each.prompts for each in best_first(scored)]


def _least_close(run: Run, prefer: str) -> Prompts | None:
    """The shortest or cheapest prompts within one standard error of the best on the judging set; None for the best."""
    if prefer == BEST:
        return None
    usd = judged_costs(run.runs.account.log.state)
    point = least(front(run.history, usd, money if prefer == CHEAPEST else words))
    return None if point is None else point.prompts


def compare(
    start: Prompts,
    candidates: Sequence[Prompts],
    runs: RunCache,
    examples: Sequence[int],
    on_failure: Callable[[DLPOError], None] = lambda error: None,
    around: Callable[[Prompts, Callable[[], None]], None] = lambda prompts, ask: ask(),
) -> list[Scored]:
    """Run the user's prompts and the finalists on the validation examples.

    Args:
        start: The user's prompts.
        candidates: The finalists.
        runs: The runs on validation examples.
        examples: Which of them.
        on_failure: Told of what failed for good: a model, or the metric.
        around: Given prompts and what runs them on the examples, runs it; the host tells callbacks of it.

    Returns:
        Those that were scored, the user's own first; fewer if the budget or a model ends early. The first finalist
        counts as far as it came.
    """
    complete: list[Prompts] = []
    for prompts in [start, *candidates]:
        try:
            around(prompts, partial(runs.ensure, [(prompts, x) for x in examples]))
        except (RunEnds, ModelError, MetricError) as error:
            if not isinstance(error, RunEnds):
                on_failure(error)
            if len(complete) == 1 and any(runs.has_score(prompts, x) for x in examples):
                complete.append(prompts)
            break
        complete.append(prompts)
    # Only now: what the metric could not score counts from the first prompts on that have a score there.
    return [runs.scored(prompts, examples) for prompts in complete]


def judged(run: Run, candidates: Sequence[Prompts], *, complete: bool = False) -> list[Scored]:
    """Prompts with their scores on the judging set.

    Args:
        run: The run.
        candidates: The user's prompts, then others that were judged to the end.
        complete: Whether to run the user's own on what the judging set has grown by.
    """
    if complete:
        with suppress(RunEnds, ModelError, MetricError):
            run.runs.ensure([(candidates[0], x) for x in run.judging_set])
    scored = [run.runs.scored(prompts, run.judging_set) for prompts in candidates]
    return [each for each in scored if each.scores]


def choose(
    scored: Sequence[Scored],
    seed: int,
    *,
    wanted: Prompts | None = None,
    prefer: str = BEST,
    costs: CostsByPrompts | None = None,
) -> tuple[Prompts | None, Comparison]:
    """Choose the best on the held-out examples, or those that are wanted; the user's own unless they are better.

    The interval of the gain is a bootstrap over examples that repeats the choice in every resample, so that choosing
    the best of several is no reason to claim a gain.

    Args:
        scored: The user's prompts, then the finalists, on the same examples.
        seed: The run's seed.
        wanted: The only prompts that may take the place of the user's own, where somebody has chosen already.
        prefer: Whether the best is chosen, or the shortest or cheapest within one standard error of it.
        costs: What runs on the examples cost, as far as that is known.

    Returns:
        The chosen prompts (None if there was nothing to compare with) and the comparison.
    """
    scored = _answered(scored)
    common = sorted(set.intersection(*(set(each.scores) for each in scored))) if scored else []
    if not common:
        return None, Comparison()
    if len(scored) < 2:  # nothing better was found to compare
        alone = scored[0].on(common)
        mean = math.fsum(alone.values()) / len(alone) if scored[0].sets is None else scored[0].sets.score(common)
        return None, Comparison(start=mean, best=mean, examples=len(common), scores=(alone,))
    start, others = _table(scored, common)
    means = (others - start).mean(axis=1)
    open_to = [k for k in range(len(means)) if wanted in (None, scored[k + 1].prompts)]
    if not open_to:  # too many of their runs were lost
        return None, Comparison()
    best = max(open_to, key=lambda k: (round(float(means[k]), 9), -scored[k + 1].words))
    if prefer != BEST:
        close = [k for k in open_to if means[k] > 1e-9 and _is_close(others[k] - others[best])]
        more = {k: _more(scored[k + 1], scored[best + 1], common, prefer, costs or {}) for k in close}
        known = [(each, scored[k + 1].words, k) for k, each in more.items() if each is not None]
        best = min(known, default=(0.0, 0, best))[-1]
    comparison = _comparison(scored, common, best, seed)
    if comparison.difference > 1e-9:
        return scored[best + 1].prompts, comparison
    return scored[0].prompts, replace(comparison, best=comparison.start, difference=0.0, chosen=0)


def _more(first: Scored, second: Scored, examples: Sequence[int], prefer: str, costs: CostsByPrompts) -> float | None:
    """How many more words, or US dollars for each run, the first has than the second; None if that is not known."""
    if prefer == SHORTEST:
        return first.words - second.words
    of_first, of_second = (costs.get(prompts_key(each.prompts), {}) for each in (first, second))
    return cost_difference(of_first, of_second, examples)


def _is_close(differences: np.ndarray[Any, Any]) -> bool:
    """Whether a mean paired difference is no lower than one standard error of it below 0."""
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences)) if len(differences) > 1 else 0.0
    return float(differences.mean()) >= -error - 1e-9


def _answered(scored: Sequence[Scored]) -> Sequence[Scored]:
    """Without the finalists of which many more runs were lost than of others: all are compared on what all answered."""
    shared = [len(scored[0].scores.keys() & each.scores.keys()) for each in scored]
    enough = (1 - THRESHOLDS.missing) * max(shared[1:], default=0)
    others = [each for each, count in zip(scored[1:], shared[1:], strict=True) if count and count >= enough]
    return [*scored[:1], *others]


def measured(scored: Sequence[Scored], seed: int) -> Comparison:
    """Compare two sets of prompts, the user's own first, on the same examples, with nothing chosen."""
    common = sorted(set(scored[0].scores) & set(scored[1].scores)) if len(scored) == 2 else []
    return _comparison(scored, common, 0, seed) if common else Comparison()


def _comparison(scored: Sequence[Scored], common: Sequence[int], best: int, seed: int) -> Comparison:
    start, others = _table(scored, common)
    gains = others - start
    of_sets = [each.sets for each in scored if each.sets]
    before, after = _score(scored[0], common, start), _score(scored[best + 1], common, others[best])
    return Comparison(
        start=before,
        best=after,
        difference=after - before if of_sets else float(gains[best].mean()),
        interval=_interval(gains, best, seed, of_sets, common),
        examples=len(common),
        candidates=len(gains),
        scores=tuple(each.on(common) for each in scored),
        chosen=best + 1,
    )


def _score(scored: Scored, common: Sequence[int], scores: np.ndarray[Any, Any]) -> float:
    """The score on the common examples: the mean, or that of the set."""
    return float(scores.mean()) if scored.sets is None else scored.sets.score(common)


def _table(scored: Sequence[Scored], common: Sequence[int]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    import numpy as np  # takes longer to import than all of this package

    rows = np.array([list(each.on(common).values()) for each in scored])
    return rows[0], rows[1:]


def prune(run: Run, prompts: Prompts) -> Prompts:
    """Delete every sentence whose deletion does not lower the judged score, as far as the budget goes."""
    began = len(run.history)
    try:
        while (shorter := run.prune_one(prompts, began)) is not None:
            prompts = shorter
    except (RunEnds, ModelError, MetricError) as error:
        logger.debug("pruning ended: %s", error)
    return prompts


def verdict(
    comparison: Comparison,
    *,
    changed: bool,
    score_range: tuple[float, float] | None,
    where: str,
    uncompared: str = "",
    failed: bool = False,
    digits: int = 1,
) -> str:
    """Say in one sentence whether the gain is real.

    Args:
        comparison: The comparison on held-out examples.
        changed: Whether other prompts than the user's own are returned.
        score_range: The metric's range; differences are told in points (hundredths of it) where it is 0 to 1.
        where: What was held out, in words, such as ``"valset"``; empty if nothing was.
        uncompared: Why the result was not compared on what was held out, in words; empty if it was.
        failed: Whether the run ended by a failure, which is told beside.
        digits: Decimals of what is told in no points.
    """
    kept = "the best on the training examples is returned" if changed else "kept yours"
    if uncompared:
        return f"not compared on {where or 'held-out examples'}, so no gain can be claimed: {kept} ({uncompared})"
    if failed and not changed:
        return "the run failed before anything better was found: kept yours"
    if not where:
        return f"nothing was held out, so no gain can be claimed: {kept}"
    if comparison.start is None or len(comparison.scores) == 1:
        return "no reliable gain: nothing better was found to compare; kept yours"
    points, unit, digits = (100.0, " points", 1) if score_range == (0.0, 1.0) else (1.0, "", digits)
    low, high = comparison.interval
    gain = f"{comparison.difference * points:+.{digits}f}{unit} on {where}"
    interval = f"95% interval {low * points:+.{digits}f} .. {high * points:+.{digits}f}"
    if not changed:
        few = comparison.examples < TOO_FEW
        return f"too few to tell: {comparison.examples} compared; kept yours" if few else "no reliable gain: kept yours"
    if comparison.examples < TOO_FEW:
        return f"too few to tell: {gain}, {comparison.examples} compared ({interval})"
    return f"{gain} ({interval})" if low > 0 else f"no reliable gain: {gain} ({interval})"


def _gains_of_sets(sets: Sequence[Sets], drawn: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Gains on resamples where whole sets are scored: computed anew on each, the same one for all prompts."""
    import numpy as np

    start, *others = (np.array([each.score(resample) for resample in drawn.tolist()]) for each in sets)
    return np.array([other - start for other in others])


def _interval(
    gains: np.ndarray[Any, Any], best: int, seed: int, sets: Sequence[Sets] = (), common: Sequence[int] = ()
) -> tuple[float, float]:
    """95 % interval of the gain of the best, from resamples of the examples.

    Each resample chooses again, and its error is that of the candidate it flatters most: so the more candidates there
    are, the wider the interval. Errors are widened by ``sqrt(n / (n - 1))``, as resamples vary less than samples do.
    """
    import numpy as np

    rng = np.random.default_rng(int.from_bytes(random.Random(f"{seed}/bootstrap").randbytes(8), "big"))
    n = gains.shape[1]
    means = gains.mean(axis=1)
    resamples = sets[0].resamples if sets else RESAMPLES
    parts, at_once = [], max(1, RESAMPLED_AT_ONCE // gains.size)
    for start in range(0, resamples, at_once):
        drawn = rng.integers(0, n, (min(at_once, resamples - start), n))
        parts.append(_gains_of_sets(sets, np.array(common)[drawn]) if sets else gains[:, drawn].mean(axis=2))
    resampled = np.concatenate(parts, axis=1)
    errors = (resampled - means[:, None]) * np.sqrt(n / max(1, n - 1))
    high_error = float(np.quantile(errors.max(axis=0), 0.975))
    low_error = float(np.quantile(errors[best], 0.025))
    return float(means[best]) - high_error, float(means[best]) - low_error
