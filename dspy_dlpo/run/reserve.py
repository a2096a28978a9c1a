"""What of a budget is set aside for the end of a run."""

from __future__ import annotations

import math

from dspy_dlpo.run.selection import plan_selection
from dspy_dlpo.run.settings import Data, Settings


def planned_selection(settings: Settings, data: Data, metric_calls: float | None = None) -> tuple[int, int]:
    """How many finalists are to be compared on how many validation examples, with a budget of program runs."""
    calls = settings.budget.metric_calls if metric_calls is None else metric_calls
    return plan_selection(math.inf if calls is None else calls, len(data.val), settings.judging.finalists)
