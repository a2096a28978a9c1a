"""What a run found, in the words and figures that a user gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.loop import TOLD, Run
from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.run import selection
from dspy_dlpo.run.choice import Chosen
from dspy_dlpo.run.setup import Setup


def result_of(
    setup: Setup, run: Run, choice: Chosen, where: str, spent: dict[str, Any], caches: Sequence[RunCache]
) -> DLPOResult:
    """The result of a run.

    Args:
        setup: What it was given.
        run: The run.
        choice: What was chosen.
        where: What was compared on, in words.
        spent: The bill.
        caches: The runs that were made.
    """
    ended, settings = run.ended or Ending(EndedBy.NOT_ENDED), setup.settings
    said = selection.verdict(
        choice.comparison,
        changed=choice.prompts != setup.start,
        score_range=settings.score_range,
        where=setup.data.where if choice.uncompared else where,
        uncompared=choice.uncompared,
        failed=ended.by.is_failure,
    )
    unscored = sum(runs.unscored for runs in caches)
    remarks = _remarks(setup, run, caches, told=bool(choice.uncompared))
    return DLPOResult(
        verdict=" ".join([said, *(f"({remark})" for remark in remarks)]),
        start_prompts=setup.start,
        best_prompts=choice.prompts,
        comparison=choice.comparison,
        history=run.history,
        spent={**spent, **({"unscored": unscored} if unscored else {})},
        ended=str(ended),
        ended_by=ended.by,
        log_dir=None if settings.log_dir is None else str(settings.log_dir),
        complete=run.ended_for_good and not choice.uncompared,
        parameters=settings.parameters,
        languages=tuple(setup.languages),
    )


def _remarks(setup: Setup, run: Run, caches: Sequence[RunCache], *, told: bool) -> list[str]:
    """What the user must know beside the verdict, each in words; `told` if that says already what failed."""
    ended, made = run.ended, sum(map(len, caches))
    failed = ended is not None and ended.by.is_failure and not told
    remarks = [*([f"the run ended early: {str(ended).rstrip('.')}"] if failed else []), *setup.data.notes]
    unscored = sum(runs.unscored for runs in caches)
    remarks += [f"the metric gave no score on {unscored} of {made} runs"] if unscored else []
    failures = sum((runs.failures() for runs in caches), Counter[str]())
    remarks += [f"{count} of {made} runs raised {what}" for what, count in failures.most_common(TOLD)]
    steps = run.history.steps()
    faults = sum(step.fault is not None for step in steps)
    if 2 * faults > len(steps) and not failed:
        remarks.append(f"{faults} of {len(steps)} steps had no usable reply of the prompt model")
    if not steps and ended is not None and ended.by is EndedBy.BUDGET:
        remarks.append("the budget ended before the first step was done")
    return remarks
