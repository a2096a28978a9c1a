"""An edit that the runs suggest is tried first where it must help: if it repairs nothing there, no more is paid for it.

It must gain, however low the bar of the step would lie: nobody asked for it.
"""

from __future__ import annotations

from dspy_dlpo.core.acceptance import Bar
from dspy_dlpo.core.halving import Judged, judged_alone
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
    edits, bar = (seen.edit,), Bar(incumbent.mean)
    prompts, about = incumbent.part(edits), seen.gradient.examples
    first = about[: incumbent.runs.wave]
    incumbent.ensure(prompts, first)
    if any(change > 0 for change in incumbent.changes(prompts).values()):
        judgement = judge(incumbent, prompts, bar, [*about, *(x for x in incumbent.examples if x not in about)])
    else:
        judgement = judgement_of(incumbent, prompts, False, Why.REPAIRS_NONE_FIRST.because(len(first)))
    return prompts, judgement, (judged_alone(incumbent, edits, judgement),)
