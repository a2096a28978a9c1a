"""The runs on a set of examples, as the metric scores them: one by one, or as a whole set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import dspy

from dspy_dlpo.core.budget import Account
from dspy_dlpo.core.corpus import CorpusRuns
from dspy_dlpo.core.roles import Forward
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.host.corpus_metric import CorpusMetric
from dspy_dlpo.host.corpus_scorer import CorpusScorer
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.secrets import Redactor


def cache_for(
    metric: Callable[..., Any],
    forward: Forward,
    account: Account,
    *,
    examples: Sequence[dspy.Example],
    student: dspy.Module,
    score_range: tuple[float, float] | None,
    wave: int,
    which: str = "train",
    width: int | None = None,
    meter: Meter,
    redact: Redactor | None = None,
) -> RunCache:
    """The runs made so far on a set of examples: `CorpusRuns` for a `CorpusMetric`."""
    low, high = score_range or (None, None)
    if not isinstance(metric, CorpusMetric):
        return RunCache(forward, account, wave, which, width=width, low=low)
    score = CorpusScorer(metric, examples, student, score_range, meter, redact)
    return CorpusRuns(forward, account, wave, which, score=score, width=width, low=low, high=high)
