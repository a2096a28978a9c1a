"""What was learned of a metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dspy_dlpo.appraisal.agreement import Agreement
from dspy_dlpo.appraisal.ranks import RankCorrelation
from dspy_dlpo.core.noise import gain_by_noise


@dataclass(frozen=True)
class JudgeReport:
    """How a metric scored the same outputs twice. What is printed of it is a few lines.

    Args:
        scores: Both scores of each output that has two.
        repetition: How the second scoring agrees with the first.
        noise: Standard deviation of a score that is given again, in the metric's units.
        length: Rank correlation of the score with the number of words of the output, all else as it is: an output may
            be better for what makes it longer. None of fewer than ten outputs, or if one of both never differs.
        human: How people's scores agree with the metric's: with the mean of both scorings, or with the first where the
            metric gives no other scores than people do, as a mean of 0 and 1 is neither. None without labels.
        human_length: As `length`, of people's scores: what a good metric would show.
        unscored: Outputs that the program or the metric failed on, in either scoring.
        examples: Examples that a gain will be measured on: the task's valset, else as many as were scored.
        spent: What was spent by role: ``task`` for the program, ``metric`` for the models that the metric asks.
    """

    scores: tuple[tuple[float, float], ...]
    repetition: Agreement
    noise: float
    length: RankCorrelation | None
    human: Agreement | None = None
    human_length: RankCorrelation | None = None
    unscored: int = 0
    examples: int = 0
    spent: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def asks_model(self) -> bool:
        """Whether the metric asked a language model."""
        return bool(self.spent.get("metric", {}).get("calls"))

    @property
    def agreement(self) -> float | None:
        """With people where they were asked, else of the metric with itself; None where it cannot be told."""
        return (self.human or self.repetition).value

    def gain_by_noise(self, examples: int) -> float:
        """The mean gain on so many examples that repetition alone exceeds in 5 % of comparisons, in either direction.

        Both prompts are scored once on each example, and nothing but the metric's noise differs. ``metric_noise=`` of a
        `Judge` takes `noise`: the verdict says then whether a gain lies within it.
        """
        return gain_by_noise(self.noise, examples)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data that JSON can hold."""
        more = {"asks_model": self.asks_model, "agreement": self.agreement, "gain_by_noise": self._gain}
        return {**asdict(self), **more}

    @property
    def _gain(self) -> float:
        return self.gain_by_noise(max(1, self.examples))

    def __str__(self) -> str:
        asked = "asks a model" if self.asks_model else "asks no model"
        lines = [f"{len(self.scores)} outputs, each scored twice by a metric that {asked}"]
        lines += [f"{self.unscored} more could not be run or scored"] if self.unscored else []
        lines.append(f"agreement with itself: {self.repetition}")
        if self.noise:
            lines.append(
                f"noise: a score given again has a standard deviation of {self.noise:.2f}; on {self.examples} examples "
                f"a mean gain of up to {self._gain:.2f} can be noise alone (95%)"
            )
        else:
            lines.append("noise: none, a score given again is the same")
        lines.append(f"length: the score's rank correlation with the number of words is {self.length or 'not known'}")
        if self.human is not None:
            lines.append(f"agreement with people: {self.human}; their mean less the metric's {self.human.shift:+.2f}")
            lines.append(f"length: of people's scores it is {self.human_length or 'not known'}")
        return "\n".join(lines)
