"""What one pair of task and seed gave under the setting of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.core.sentences import count_words


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
        """Score of the returned prompts on every held-out example; empty if they were not compared.

        Which of the compared sets was returned is told by its mean: the user's own where they were kept, else the
        first whose mean is that of the returned.
        """
        compared, best = self.result.comparison.scores, self.result.comparison.best
        if not compared or best is None:
            return ()
        kept = self.result.best_prompts == self.result.start_prompts
        candidates = compared if kept else compared[1:]
        return next((tuple(each.values()) for each in candidates if abs(_mean(each) - best) < 1e-9), ())

    @property
    def words(self) -> int:
        """Words of the returned prompts together."""
        return sum(count_words(text) for text in self.result.best_prompts.values())

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


def _mean(scores: Mapping[int, float]) -> float:
    return sum(scores.values()) / len(scores) if scores else float("nan")
