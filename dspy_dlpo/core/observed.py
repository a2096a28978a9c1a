"""Edits that the runs suggest are tried first where they must help: if they repair nothing there, no more is paid.

They must gain, however low the bar of the step would lie: nobody asked for them.
"""

from __future__ import annotations

from dspy_dlpo.core.acceptance import Bar
from dspy_dlpo.core.halving import Judged, ledger_of
from dspy_dlpo.core.judges import Judge, Rules
from dspy_dlpo.core.judging import Incumbent, judge, judgement_of
from dspy_dlpo.core.reasons import Why
from dspy_dlpo.core.roles import Observation


def judge_observed(incumbent: Incumbent, seen: Observation, judging: Judge) -> Judged:
    """Judge the edits of an observation: on one wave of the examples that they are about, and then on the others.

    Args:
        incumbent: What they are compared with, on the judging set.
        seen: The observation; its gradient names the examples of the judging set that the edits must help with.
        judging: Judges several edits.

    Raises:
        BudgetSpent: When a wave cannot be paid for.
    """
    edits, bar = seen.edits, Bar(incumbent.mean)
    prompts, about = incumbent.part(edits), seen.gradient.examples
    first = about[: incumbent.runs.wave]
    incumbent.ensure(prompts, first)
    if not any(change > 0 for change in incumbent.changes(prompts).values()):
        judgement = judgement_of(incumbent, prompts, False, Why.REPAIRS_NONE_FIRST.because(len(first)))
    elif len(edits) > 1:
        return judging.judge(incumbent, edits, bar, Rules())
    else:
        judgement = judge(incumbent, prompts, bar, [*about, *(x for x in incumbent.examples if x not in about)])
    return prompts, judgement, ledger_of(incumbent, edits, edits, judgement)
