"""What one pair of task and seed gave under the setting of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.core.sentences import words_of


@dataclass(frozen=True)
class Outcome:
    """The result of one optimization of a trial.

    Args:
        task: The task's name.
        seed: The seed of the run.
        result: What the run found.
        program_json: The returned program's own saved state, as JSON; empty if it is not at hand.
    """

    task: str
    seed: int
    result: DLPOResult
    program_json: str = ""

    @property
    def score(self) -> float | None:
        """Mean score of the returned prompts on held-out examples; None if they were not compared."""
        return self.result.comparison.best

    @property
    def scores(self) -> tuple[float, ...]:
        """Score of the returned prompts on every held-out example; empty if they were not compared."""
        comparison = self.result.comparison
        return tuple(comparison.scores[comparison.chosen].values()) if comparison.scores else ()

    @property
    def words(self) -> int:
        """Words of the returned prompts together."""
        return words_of(self.result.best_prompts.values())

    @property
    def runs(self) -> int:
        """Program runs spent."""
        return int(self.result.spent["metric_calls"])

    @property
    def usd(self) -> float | None:
        """US dollars spent; None if nothing was or the price is unknown."""
        return self.result.spent["usd"] or None

    @property
    def tokens(self) -> int:
        """Tokens of all models, read and written."""
        roles = [each for each in self.result.spent.values() if isinstance(each, Mapping) and "input_tokens" in each]
        return int(sum(each["input_tokens"] + each["output_tokens"] for each in roles))
