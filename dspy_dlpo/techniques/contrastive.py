"""Textual contrastive learning (TCL): better and poorer prompts of the past, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from dspy_dlpo.core.checks import check_real, check_whole
from dspy_dlpo.core.edits import diff
from dspy_dlpo.core.history import Scored, StepContext, paired_difference
from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.space import tunable
from dspy_dlpo.core.technique import Technique
from dspy_dlpo.core.update import Update

# Of a long example this many characters are shown.
_SHOWN = 240


@dataclass(frozen=True)
class Contrastive(Technique):
    """Show the writer what made a past prompt better than another.

    The prompt in force is compared with every other that was judged to the end, rejected ones included; where a program
    has several predictors, those first in which no other prompt was another, too. The pairs are shown whose scores
    differ by at least `margin` on the training examples that both have really run. Each is shown as a diff, with an
    example that one gets right and the other wrong. Nothing is shown while no pair differs enough.

    Args:
        margin: Smallest difference of mean scores, 0 to 1 (in the metric's units), above 0.
        max_pairs: Pairs shown at most, at least 1.

    Source: DLPO, "textual contrastive learning" (arXiv 2503.13413). In the authors' program the sampling branch cannot
        be reached, and the same prompt enters the memory again and again.
    """

    margin: float = tunable(0.1, low=0.02, high=0.4)
    max_pairs: int = 2

    def __post_init__(self) -> None:
        check_real("Contrastive", "margin", self.margin, 0, above=True)
        check_whole("Contrastive", "max_pairs", self.max_pairs)

    def apply(self, update: Update, ctx: StepContext) -> Update:
        """Add the pairs that say most: those that differ much in score and little in text."""
        name = update.predictor
        past = [scored for scored in ctx.history.scored() if name in scored.prompts]
        alike = [scored for scored in past if scored.prompts[name] == update.prompt]
        if not alike:
            return update
        in_force = ctx.history.current(past[0].prompts)  # a refused proposal may have spoiled another predictor
        now = next((scored for scored in alike if scored.prompts == in_force), alike[-1])
        others = [scored for scored in past if scored.prompts[name] != update.prompt]
        pairs = [pair for pair in (_ordered(now, other) for other in others) if self._differs(*pair)]
        pairs.sort(key=lambda pair: (len(_changed(*pair)) == 1, _steepness(pair[0], pair[1], name)), reverse=True)
        lines = [_shown(better, poorer, name, ctx) for better, poorer in pairs[: self.max_pairs]]
        return update.with_note("What made past prompts better or worse", "\n\n".join(lines)) if lines else update

    def _differs(self, better: Scored, poorer: Scored) -> bool:
        return paired_difference(better.scores, poorer.scores)[0] >= self.margin


def _changed(first: Scored, second: Scored) -> list[str]:
    """The predictors whose prompts differ."""
    return [name for name, prompt in first.prompts.items() if second.prompts.get(name) != prompt]


def _ordered(first: Scored, second: Scored) -> tuple[Scored, Scored]:
    return (first, second) if paired_difference(first.scores, second.scores)[0] >= 0 else (second, first)


def _steepness(better: Scored, poorer: Scored, predictor: str) -> float:
    difference, _ = paired_difference(better.scores, poorer.scores)
    return difference / (1 + len(diff(poorer.prompts[predictor], better.prompts[predictor])))


def _shown(better: Scored, poorer: Scored, predictor: str, ctx: StepContext) -> str:
    difference, count = paired_difference(better.scores, poorer.scores)
    old, new = split(poorer.prompts[predictor]), split(better.prompts[predictor])
    lines = [f"On {count} examples that both ran, the prompt with + scored {difference:.2f} above the one with -:"]
    lines += [f"- {sentence.strip()}" for sentence in old if sentence not in new]
    lines += [f"+ {sentence.strip()}" for sentence in new if sentence not in old]
    apart = [x for x in sorted(better.scores.keys() & poorer.scores.keys()) if better.scores[x] > poorer.scores[x]]
    if apart and apart[0] < len(ctx.examples) and not better.of_set:  # there it may be right with both
        lines.append(f"Only the prompt with + gets this one right: {ctx.examples[apart[0]][:_SHOWN]}")
    return "\n".join(lines)
