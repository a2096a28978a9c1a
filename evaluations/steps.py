"""What the steps of one of our runs came to, and what its verdict claims."""

from __future__ import annotations

from typing import Any

import dspy

from dspy_dlpo import DLPOResult
from dspy_dlpo.core.history import History, Record
from dspy_dlpo.report.examples import flips


def told_by(program: dspy.Module) -> dict[str, Any]:
    """What an optimized program tells of its run.

    Returns:
        ``steps``: how many; ``judged_share``: share of them, 0 to 1, whose judged proposal changes an answer;
        ``claimed``: whether the verdict claims a reliable gain; ``interval``: of the gain on validation examples, 95 %;
        ``held_out``: so many of these were compared on.
        All None where the program does not come from our optimizer, the share also where there was no step.
    """
    result = getattr(program, "detailed_results", None)
    if not isinstance(result, DLPOResult):
        return dict.fromkeys(("steps", "judged_share", "claimed", "interval", "held_out"))
    interval = result.comparison.interval
    return {
        "steps": len(result.history.steps()),
        "judged_share": judged_share(result.history),
        "claimed": is_claimed(result),
        "interval": list(interval),
        "held_out": result.comparison.examples,
    }


def judged_share(history: History) -> float | None:
    """Share of the steps that came to a judged proposal which changes at least one answer; None if there are no steps.

    Answers are told apart by their scores, against those of the prompts in force: one wrong answer for another is no
    change here, as records hold no answers.
    """
    pairs = zip(history, flips(history), strict=True)
    found = [_is_judged(record, *changed) for record, changed in pairs if record.kind == "step"]
    return sum(found) / len(found) if found else None


def is_claimed(result: DLPOResult) -> bool:
    """Whether a verdict claims a reliable gain: other prompts are returned, and their interval lies above 0."""
    claims_nothing = "no reliable gain" in result.verdict or "too few to tell" in result.verdict
    return result.best_prompts != result.start_prompts and result.comparison.interval[0] > 0 and not claims_nothing


def _is_judged(record: Record, gained: tuple[int, ...], lost: tuple[int, ...]) -> bool:
    by_edit = any(entry.gained or entry.lost for entry in record.ledger)
    return bool(record.scores) and bool(gained or lost or by_edit)
