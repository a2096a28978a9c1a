"""What one run of the program costs, prompts by prompts, as far as the runs that were made show it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from dspy_dlpo.core.events import RunDone
from dspy_dlpo.core.history import History, judging_set
from dspy_dlpo.core.roles import Failure
from dspy_dlpo.core.state import RunState
from dspy_dlpo.core.tally import Tally
from dspy_dlpo.core.thresholds import THRESHOLDS

# US dollars of a run of the program by example; and that by the key of its prompts.
Costs = Mapping[int, float]
CostsByPrompts = Mapping[str, Costs]


def costs_of_runs(state: RunState, which: str) -> dict[str, dict[int, float]]:
    """What runs on a set of examples cost at the models of the program; the metric's are no part of it.

    Only runs that were paid for in full tell it. One of which a cache answered a part is not cheap but unknown: once in
    use its calls are paid for. So is one without a price, or without usage.

    Returns:
        US dollars by key of the prompts and example, of repeated runs in the mean; what is not known is left out.
    """
    found: dict[str, dict[int, list[float]]] = {}
    for done in state.done.values():
        if isinstance(done, RunDone) and done.set == which and done.row.failure != Failure.TRANSPORT:
            tally = done.spent.get("task", Tally())
            if _is_paid_in_full(tally):
                found.setdefault(done.prompts, {}).setdefault(done.row.example, []).append(tally.usd)
    return {key: {x: math.fsum(usd) / len(usd) for x, usd in costs.items()} for key, costs in found.items()}


def mean_cost(costs: Costs, examples: Collection[int]) -> float | None:
    """US dollars of a run in the mean over examples; None unless at least half of them tell it.

    Half, as a crash loses a wave of runs, and a cache may answer when they are made again.
    """
    known = [costs[x] for x in sorted(examples) if x in costs]
    return math.fsum(known) / len(known) if _are_enough(known, examples) else None


def cost_difference(first: Costs, second: Costs, examples: Collection[int]) -> float | None:
    """How much more a run costs with the first of two prompts than with the second, on the examples that tell both.

    None unless at least half of the examples do.
    """
    known = [first[x] - second[x] for x in sorted(examples) if x in first and x in second]
    return math.fsum(known) / len(known) if _are_enough(known, examples) else None


def judged_costs(state: RunState) -> dict[str, float]:
    """US dollars of a run by key of the prompts, in the mean over the examples that are judged on; if it is known."""
    examples, costs = judging_set(History(state.history)), costs_of_runs(state, "train")
    return {key: usd for key, each in costs.items() if (usd := mean_cost(each, examples)) is not None}


def _are_enough(known: Collection[float], examples: Collection[int]) -> bool:
    return bool(known) and len(known) >= THRESHOLDS.priced * len(examples)


def _is_paid_in_full(tally: Tally) -> bool:
    """Whether all calls of a run were billed, with usage and at a known price; one without tokens is none."""
    return bool(tally.input_tokens) and not (tally.cache_hits or tally.unpriced or tally.unreported)
