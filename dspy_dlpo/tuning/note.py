"""The note of a trial: what its setting gave, in a few lines of Markdown that hold nothing but text and one picture."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from dspy_dlpo.core.sentences import fence_around, split
from dspy_dlpo.tuning.outcome import Outcome
from dspy_dlpo.tuning.svg_text import clean, cut

# Every mark that could begin something in Markdown: each may be escaped, and a link without its marks is none.
_ESCAPES = str.maketrans({mark: f"\\{mark}" for mark in string.punctuation})
# Of a task's name and of a verdict, in characters; of a fence, in cells and lines; of a table, in rows.
LONGEST_NAME, LONGEST_VERDICT = 60, 200
COLUMNS, MOST_LINES, MOST_ROWS = 96, 60, 12


@dataclass(frozen=True)
class Figures:
    """The numbers of a trial over all its pairs; None where there are none.

    Args:
        score: Mean over the pairs of the mean score on held-out examples.
        score_low: Lower end of its 95 % interval.
        score_high: Upper end of it.
        words: Words of the returned prompts, mean over the pairs.
        runs: Program runs spent.
        usd: US dollars spent.
        tokens: Tokens spent.
    """

    score: float | None
    score_low: float | None
    score_high: float | None
    words: float
    runs: int
    usd: float | None
    tokens: int


def escape(text: str, longest: int = LONGEST_VERDICT) -> str:
    """A text on one line in which Markdown finds nothing to obey."""
    line = " ".join(clean(text).split())
    return (line if len(line) <= longest else line[: longest - 1] + "…").translate(_ESCAPES)


def trial_note(outcomes: Sequence[Outcome], figures: Figures, verdict: str, picture: str) -> str:
    """The note of a trial.

    Args:
        outcomes: What its pairs gave.
        figures: The numbers over all of them.
        verdict: One sentence.
        picture: Where the evolution of the first pair is; empty to show its prompts as a difference by lines.
    """
    parts = [f"**{escape(verdict)}**", _spent(figures)]
    if len(outcomes) > 1:
        parts.append(_table(outcomes))
    if outcomes:
        first = outcomes[0]
        parts.append(f"![how the prompts evolved]({picture})" if picture else _fence(first))
    return "\n\n".join(parts) + "\n"


def _spent(figures: Figures) -> str:
    score = "no score" if figures.score is None else f"score {figures.score:.3f}"
    if figures.score_low is not None and figures.score_high is not None:
        score += f" (95% interval {figures.score_low:.3f} .. {figures.score_high:.3f})"
    money = "" if figures.usd is None else f" · ${figures.usd:.4f}"
    return f"{score} · {figures.words:g} words · {figures.runs:,} runs · {figures.tokens:,} tokens{money}"


def _table(outcomes: Sequence[Outcome]) -> str:
    rows = ["| task | seed | score | before | words | runs |", "|---|--:|--:|--:|--:|--:|"]
    for each in outcomes[:MOST_ROWS]:
        scores = [_number(each.score), _number(each.result.comparison.start)]
        cells = [escape(each.task, LONGEST_NAME), str(each.seed), *scores, str(each.words), f"{each.runs:,}"]
        rows.append(f"| {' | '.join(cells)} |")
    if len(outcomes) > MOST_ROWS:
        rows.append(f"| and {len(outcomes) - MOST_ROWS} more | | | | | |")
    return "\n".join(rows)


def _number(score: float | None) -> str:
    return "–" if score is None else f"{score:.3f}"


def _fence(outcome: Outcome) -> str:
    """The first pair's prompts before and after as a block of lines, in a fence that no prompt can close."""
    lines = _changes(outcome.result.start_prompts, outcome.result.best_prompts)
    shown = [piece for line in lines for piece in _wrapped(line)]
    if len(shown) > MOST_LINES:
        shown = [*shown[:MOST_LINES], f"  … {len(shown) - MOST_LINES} more lines"]
    text = "\n".join(shown)
    fence = fence_around(text)
    return f"{fence}diff\n{text}\n{fence}"


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    lines = []
    for name in after:
        if len(after) > 1:
            lines.append(f"  [{clean(name)}]")
        old, new = split(clean(before.get(name, ""))), split(clean(after[name]))
        for tag, i, j, p, q in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if tag != "equal":
                lines += [f"- {each}" for each in old[i:j]]
            lines += [f"{' ' if tag == 'equal' else '+'} {each}" for each in new[p:q]]
    return lines


def _wrapped(line: str) -> list[str]:
    """A line in pieces that do not widen the page, each with the mark of the whole."""
    mark, text = line[:2], " ".join(line[2:].split())
    pieces, words = [""], text.split(" ")
    for word in words:
        for piece in cut(word, COLUMNS - 2):
            joined = f"{pieces[-1]} {piece}".strip()
            if len(cut(joined, COLUMNS - 2)) == 1:
                pieces[-1] = joined
            else:
                pieces.append(piece)
    return [mark + piece for piece in pieces]
