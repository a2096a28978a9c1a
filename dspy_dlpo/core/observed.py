"""An edit that the runs suggest is tried first where it must help: if it repairs nothing there, no more is paid for it.

It must gain, however low the bar of the step would lie: nobody asked for it.
"""

from __future__ import annotations

from dataclasses import replace

from dspy_dlpo.core.acceptance import Bar
from dspy_dlpo.core.attribution import Judged
from dspy_dlpo.core.history import LedgerEntry
from dspy_dlpo.core.judging import Bench, Judgement, judge
from dspy_dlpo.core.roles import Observation


def judge_observed(bench: Bench, seen: Observation, bar: Bar) -> Judged:
    """Judge the edit of an observation: on one wave of the examples that it is about, and then on the others.

    Args:
        bench: The incumbent and the judging set.
        seen: The observation; its gradient names the examples that the edit must help with.
        bar: The bar: the incumbent's score, to be beaten.

    Raises:
        BudgetSpent: When a wave cannot be paid for.
    """
    # One edit: no change needs to be traced to it, so none need be confirmed, unless that is always wanted.
    bench = bench if bench.confirm is True else replace(bench, confirm=False)
    prompts = bench.part((seen.edit,))
    about = [x for x in seen.gradient.examples if x in bench.examples]
    first = about[: bench.runs.wave]
    if max(bench.changes([(prompts, x) for x in first]), default=0.0) > 0.0:
        judgement = judge(bench, prompts, bar, [*about, *(x for x in bench.examples if x not in about)])
    else:
        scores = bench.runs.all_scores(prompts, bench.examples)
        judgement = Judgement(False, False, None, f"repairs none of the first {len(first)} that it is about", scores)
    changes = {x: bench.change(prompts, x) for x in sorted(bench.examples)}
    gained, lost = (tuple(x for x, change in changes.items() if sign * change > 0) for sign in (1, -1))
    return prompts, judgement, (LedgerEntry(seen.edit, gained, lost, judgement.passed, judgement.reason),)
