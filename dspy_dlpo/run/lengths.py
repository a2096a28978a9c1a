"""Whether a gain goes with longer outputs: a model that scores may like them for their length alone."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from dspy_dlpo.appraisal.ranks import rank_correlation
from dspy_dlpo.core.roles import Row
from dspy_dlpo.core.sentences import count_words

# An example, before and after.
Pair = tuple[Row, Row]


def length_remark(pairs: Sequence[Pair]) -> str:
    """What a user must know if scores rose where outputs grew; empty if they did not.

    It is said where outputs are longer in the mean, scores are higher, and the lower end of the interval of the rank
    correlation of both changes is above 0: in one of 40 comparisons by chance, where neither goes with the other.

    Args:
        pairs: The runs of the user's own prompts and of the returned ones, on the same examples.
    """
    scored = [(a, b, b.score - a.score) for a, b in pairs if a.score is not None and b.score is not None]
    scored = [(a, b, gain) for a, b, gain in scored if a.outputs and b.outputs]
    if not scored:
        return ""
    before, after = [_words(row) for row, _, _ in scored], [_words(row) for _, row, _ in scored]
    gains = [gain for _, _, gain in scored]
    longer = rank_correlation([b - a for a, b in zip(before, after, strict=True)], gains)
    if longer is None or longer.interval[0] <= 0 or fmean(after) <= fmean(before) or fmean(gains) <= 0:
        return ""
    return (
        f"the gain goes with longer outputs: {fmean(after):.0f} words in the mean, {fmean(before):.0f} before, and the "
        f"rank correlation of both changes is {longer}; dlpo judge says whether the metric prefers length"
    )


def _words(row: Row) -> int:
    return count_words(" ".join(row.outputs.values()))
