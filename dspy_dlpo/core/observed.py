"""An edit that the runs suggest is tried first where it must help: if it repairs nothing there, no more is paid for it.

It must gain, however low the bar of the step would lie: nobody asked for it.
"""

from __future__ import annotations

from dspy_dlpo.core.acceptance import Bar
from dspy_dlpo.core.attribution import Judged
from dspy_dlpo.core.history import LedgerEntry
from dspy_dlpo.core.judging import Incumbent, judge, judgement_of
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.roles import Observation


def judge_observed(incumbent: Incumbent, seen: Observation) -> Judged:
    """Judge the edit of an observation: on one wave of the examples that it is about, and then on the others.

    Args:
        incumbent: What it is compared with, on the judging set.
        seen: The observation; its gradient names the examples of the judging set that the edit must help with.

    Raises:
        BudgetSpent: When a wave cannot be paid for.
    """
    bar, incumbent = Bar(incumbent.mean), incumbent.trusting
    prompts, about = incumbent.part((seen.edit,)), seen.gradient.examples
    first = about[: incumbent.runs.wave]
    if max(incumbent.changes([(prompts, x) for x in first]), default=0.0) > 0.0:
        judgement = judge(incumbent, prompts, bar, [*about, *(x for x in incumbent.examples if x not in about)])
    else:
        judgement = judgement_of(incumbent, prompts, False, Why.REPAIRS_NONE_FIRST.because(len(first)))
    changes = {x: incumbent.change(prompts, x) for x in sorted(incumbent.examples)}
    gained, lost = (tuple(x for x, change in changes.items() if sign * change > 0) for sign in (1, -1))
    return prompts, judgement, (LedgerEntry(seen.edit, gained, lost, judgement.passed, judgement.reason),)
