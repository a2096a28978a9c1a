"""What is told first: scores before and after, and what the interval means in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.report.directory import argument

# With fewer held-out examples the verdict claims nothing.
TOO_FEW = 30


@dataclass(frozen=True)
class Headline:
    """The outcome in figures.

    Args:
        start: Score of the user's prompts on held-out examples; empty if nothing was compared.
        best: Score of the returned prompts.
        gain: The difference with its unit.
        meaning: What the interval means, in plain words; empty if there is none.
        difference: The difference that is drawn; None if nothing was compared.
        interval: Its interval.
        unit: ``"points"`` (hundredths of the score range) or empty.
    """

    start: str = ""
    best: str = ""
    gain: str = ""
    meaning: str = ""
    difference: float | None = None
    interval: tuple[float, float] = (0.0, 0.0)
    unit: str = ""


def headline(result: DLPOResult, settings: Mapping[str, Any]) -> Headline:
    """The outcome of a run in figures, in points where the score range is known to be 0 to 1."""
    compared = result.comparison
    if compared.start is None or compared.best is None:
        return Headline()
    in_points = argument(settings, "score_range") == [0.0, 1.0]
    scale, unit = (100.0, "points") if in_points else (1.0, "")
    gain = f"{compared.difference * scale:+.1f} points" if in_points else f"{compared.difference:+.3g}"
    start, best = f"{compared.start:.2f}", f"{compared.best:.2f}"
    if len(compared.scores) < 2:  # nothing else was found to compare
        return Headline(start, best)
    low, high = (each * scale for each in compared.interval)
    meaning = _meaning(result, low, high, unit)
    return Headline(start, best, gain, meaning, compared.difference * scale, (low, high), unit)


def _meaning(result: DLPOResult, low: float, high: float, unit: str) -> str:
    """What the interval means, in plain words."""
    compared = result.comparison
    words, digits = (f" {unit}", 1) if unit else ("", 3)
    said = [
        f"On {compared.examples} held-out examples, which no edit was learned from: the true gain most likely lies "
        f"between {low:+.{digits}f} and {high:+.{digits}f}{words}; intervals made this way hold it in 95 of 100 runs."
    ]
    if compared.chosen == 0:
        said = [
            f"Your own prompts were kept, as nothing scored higher on {compared.examples} held-out examples. The "
            f"interval is that of the best of the others: {low:+.{digits}f} to {high:+.{digits}f}{words}."
        ]
    elif compared.examples < TOO_FEW:
        said.append(f"With fewer than {TOO_FEW} examples it is too rough to claim anything.")
    elif low > 0:
        said.append("All of it lies above zero, so luck in the choice of examples hardly explains the gain.")
    else:
        said.append("Zero lies within it, so the gain may be luck. More held-out examples would tell.")
    if compared.chosen and result.gain_by_noise is not None:
        said.append(_noise(result, result.gain_by_noise, unit))
    if compared.candidates > 1:
        said.append(f"It counts that the best of {compared.candidates} candidates was chosen.")
    return " ".join(said)


def _noise(result: DLPOResult, most: float, unit: str) -> str:
    """Whether the metric's noise alone might bring the gain."""
    told = f"{most * 100:.1f} {unit}" if unit else f"{most:.3g}"
    alone = f"the metric's noise alone may bring: up to {told} on {result.comparison.examples} examples"
    return f"The gain is no more than {alone}." if result.within_noise else f"The gain is more than {alone}."
