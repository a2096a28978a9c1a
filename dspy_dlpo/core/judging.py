"""Judge one fixed prompt against one fixed bar, on the same examples as the prompt in force, no longer than needed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dspy_dlpo.core.acceptance import TOLERANCE, Bar
from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.history import Prompts, paired_difference
from dspy_dlpo.core.proposal import proposal
from dspy_dlpo.core.reasons import Reason, Why
from dspy_dlpo.core.runs import RunCache
from dspy_dlpo.core.sentences import words_of
from dspy_dlpo.core.thresholds import THRESHOLDS


@dataclass(frozen=True)
class Incumbent:
    """What a proposal is compared with: the prompts in force, on the judging set.

    Args:
        runs: The runs made so far.
        prompts: The prompts in force; they have run on all examples.
        examples: The judging set.
        high: The metric's best score; None if it is unknown, and nothing stops early then.
        low: The metric's lowest score.

    Where a metric scores the whole set alone (`CorpusRuns`), the score of an example is what it contributes.
    """

    runs: RunCache
    prompts: Prompts
    examples: tuple[int, ...]
    high: float | None = 1.0
    low: float = 0.0

    @property
    def scores(self) -> dict[int, float]:
        """The incumbent's score by example."""
        return self.runs.means(self.prompts, self.examples)

    @property
    def mean(self) -> float:
        """The incumbent's mean score."""
        scores = self.scores
        return math.fsum(scores.values()) / max(1, len(scores))

    def failing(self) -> tuple[int, ...]:
        """Examples on which the incumbent is below the best score, the worst first; all that ran if it is unknown."""
        return self.runs.failing(self.prompts, self.examples, self.high)

    def passing(self) -> tuple[int, ...]:
        """The other examples of the judging set."""
        failing = set(self.failing())
        return tuple(x for x in self.examples if x not in failing)

    def part(self, edits: Sequence[Edit]) -> Prompts:
        """The incumbent after edits."""
        return proposal(self.prompts, edits)

    def ensure(self, prompts: Prompts, examples: Sequence[int]) -> None:
        """Make the first run of prompts on each example that has none.

        Raises:
            BudgetSpent: When a wave cannot be paid for.
        """
        self.runs.ensure([(prompts, x) for x in examples])

    def changes(self, prompts: Prompts) -> dict[int, float]:
        """Signed changes of score against the incumbent by example, of the runs made so far; none where it is equal."""
        return self.runs.changes(self.prompts, prompts, self.examples)

    def net(self, prompts: Prompts) -> float:
        """What the runs made so far gain and lose against the incumbent, in all."""
        return self.runs.net(self.prompts, prompts, self.examples)


@dataclass(frozen=True)
class Judgement:
    """What came of judging one fixed prompt.

    Args:
        passed: Whether it reaches the bar.
        complete: Whether it has run on the whole judging set; False when it was cut short or is void.
        score: Mean score on the judging set, comparable with the incumbent's; None unless complete.
        reason: Why it passed or not.
        scores: Real runs, by example.
    """

    passed: bool
    complete: bool
    score: float | None
    reason: Reason
    scores: Mapping[int, tuple[float, ...]] = field(default_factory=dict)


def judge(incumbent: Incumbent, prompts: Prompts, bar: Bar, order: Sequence[int] | None = None) -> Judgement:
    """Judge one fixed prompt against one fixed bar, exactly, with as few runs as the order allows.

    Runs go out in waves. After each, the judgement stops if even the best score on all remaining examples would stay
    below the bar: the decision is that of the full evaluation.

    Args:
        incumbent: What it is compared with, on the judging set.
        prompts: The prompts to judge.
        bar: The bar, set for the incumbent as it stands.
        order: The judging set in the order to run; the incumbent's failures first by default.

    Raises:
        BudgetSpent: When a wave cannot be paid for.
    """
    order = [*incumbent.failing(), *incumbent.passing()] if order is None else order
    margin = bar.lowest - incumbent.mean  # what is asked for beyond the incumbent's score, as it stands now
    shorter = is_shorter(prompts, incumbent.prompts)
    for start in range(0, len(order), incumbent.runs.wave):
        done = start + incumbent.runs.wave
        incumbent.ensure(prompts, order[start:done])
        best_possible = _best_possible(incumbent, prompts, order, done)
        gains_to_the_end = done >= len(order) and best_possible > TOLERANCE  # it competes, though it misses its bar
        if not (gains_to_the_end or Bar(margin, bar.strict).passes(best_possible, shorter=shorter)):
            return judgement_of(incumbent, prompts, False, Why.CANNOT_REACH_BAR.because(f"{bar.lowest:.3f}"))
    return _concluded(incumbent, prompts, bar, margin)


def _concluded(incumbent: Incumbent, prompts: Prompts, bar: Bar, margin: float) -> Judgement:
    """The judgement of prompts that were tried on the whole judging set."""
    answered = [x for x in incumbent.examples if incumbent.runs.has_score(incumbent.prompts, x)]
    present = [x for x in answered if incumbent.runs.has_score(prompts, x)]
    if len(present) < len(answered) * (1 - THRESHOLDS.missing):
        return judgement_of(incumbent, prompts, False, Why.VOID.because())
    new, old = (incumbent.runs.means(each, present) for each in (prompts, incumbent.prompts))
    difference, _ = paired_difference(new, old)
    passed = Bar(margin, bar.strict).passes(difference, shorter=is_shorter(prompts, incumbent.prompts))
    score = incumbent.mean + difference
    why = Why.REACHES_BAR if passed else Why.MISSES_BAR
    return judgement_of(incumbent, prompts, passed, why.because(f"{score:.3f}", f"{bar.lowest:.3f}"), score)


def is_shorter(prompts: Prompts, than: Prompts) -> bool:
    """Whether prompts have fewer words in all."""
    return words_of(prompts.values()) < words_of(than.values())


def _best_possible(incumbent: Incumbent, prompts: Prompts, order: Sequence[int], done: int) -> float:
    """The highest mean difference to the incumbent that the runs still to come could lead to.

    Any of them may still be lost in transport, and then does not count. Of a score of the whole set there is no bound.
    """
    if incumbent.high is None or incumbent.runs.scores_sets:
        return math.inf
    new, old = incumbent.runs.means(prompts, order), incumbent.scores
    known = [new[x] - old[x] for x in order[:done] if x in new and x in old]
    runs, in_force = incumbent.runs, incumbent.prompts
    ahead = [incumbent.high - old[x] for x in order[done:] if x in old]
    # Where the metric could not score the incumbent, a first score of the proposal makes that the lowest.
    ahead += [incumbent.high - incumbent.low for x in order[done:] if x not in old and runs.is_unscored(in_force, x)]
    ahead.sort(reverse=True)
    best, total = -math.inf, math.fsum(known)
    for count, gain in enumerate([0.0, *ahead]):
        total += gain
        if len(known) + count:
            best = max(best, total / (len(known) + count))
    return best if math.isfinite(best) else math.inf


def judgement_of(
    incumbent: Incumbent, prompts: Prompts, passed: bool, reason: Reason, score: float | None = None
) -> Judgement:
    """A judgement with the runs made so far; cut short without a score."""
    return Judgement(passed, score is not None, score, reason, incumbent.runs.all_scores(prompts, incumbent.examples))
