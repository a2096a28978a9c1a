"""What of the inputs goes with one answer in training, such as the word "gold" with P1.

They are counted over the labels of the training examples (2,000 of them at most), which are there for nothing, where a
writer sees a dozen. What goes with an answer by chance is left out: a cue must be rarer than one in twenty even as the
best of all conditions that were looked at for its answer (Fisher's exact test, one-sided, Bonferroni), and a second
condition so among the examples of the first. Of answers dealt at random two or three hardly ever have one, and of a
dozen about one in eight sets has; the judge is there, too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest

from dspy_dlpo.host.conditions import Condition, conditions

# A cue stands in so many examples at least, and this share of them has its answer; so many more than other cues have
# found have it than have another one.
LEAST, SHARE, GAIN = 3, 0.66, 2
# How rare the best of all must be if words told nothing.
LEVEL = 0.05
# So many examples are looked at.
EXAMPLES = 2000
# So many cues of one condition are narrowed down by a second, one of so many that are true of most examples.
KEPT, NARROWING = 60, 1000


@dataclass(frozen=True)
class Cue:
    """One condition or two that the inputs of one answer fulfil.

    Args:
        conditions: What must be so.
        answer: The answer.
        examples: The training examples of which all conditions are true.
        right: Those of them to which the answer is expected.
    """

    conditions: tuple[Condition, ...]
    answer: str
    examples: frozenset[int]
    right: frozenset[int]


def find_cues(inputs: Sequence[Mapping[str, str]], answers: Sequence[str]) -> list[Cue]:
    """The cues of training examples, each beside those before it: the one that finds most answers first.

    Args:
        inputs: The inputs of each example, as text by field.
        answers: The answer expected to each; empty where there is none.
    """
    labelled = [i for i, answer in enumerate(answers) if answer]
    chosen = labelled[:: max(1, math.ceil(len(labelled) / EXAMPLES))]
    known, whole = {i: answers[i] for i in chosen}, frozenset(chosen)
    true_of = conditions(inputs, chosen, LEAST)
    alone = _significant(true_of, known, whole)[:KEPT]
    often = nlargest(NARROWING, true_of, key=lambda condition: len(true_of[condition]))
    found = list(alone)
    for _, cue in alone:
        if len(cue.right) < len(cue.examples):
            inside = {condition: true_of[condition] & cue.examples for condition in often}
            found += _significant(inside, known, cue.examples, cue.conditions)
    precise = [cue for _, cue in sorted(found, key=_rank) if len(cue.right) >= SHARE * len(cue.examples)]
    return _covering(precise)


def _covering(cues: Sequence[Cue]) -> list[Cue]:
    """As few cues as find all answers that can be found; of equal ones the first."""
    left, chosen, covered = list(cues), list[Cue](), set[int]()

    def gain(cue: Cue) -> int:
        return len(cue.right - covered) - len(cue.examples - cue.right)

    while left:
        best = max(left, key=gain)
        if gain(best) < GAIN:
            break
        chosen.append(best)
        covered |= best.right
        left.remove(best)
    return chosen


def _significant(
    true_of: Mapping[Condition, frozenset[int]],
    known: Mapping[int, str],
    whole: frozenset[int],
    given: tuple[Condition, ...] = (),
) -> list[tuple[float, Cue]]:
    """Cues that some conditions make with those given, the rarest by chance first, each with how rare it is.

    Args:
        true_of: The examples of which each condition is true.
        known: The answer expected to each example.
        whole: The examples of which the given conditions are true.
        given: These conditions.
    """
    counts = Counter(known[i] for i in whole)
    tried = {condition: examples for condition, examples in true_of.items() if LEAST <= len(examples) < len(whole)}
    level, found = LEVEL / max(1, len(tried)), []
    for condition, examples in tried.items():
        for answer, right in Counter(known[i] for i in examples).items():
            if right >= LEAST and (chance := _chance(right, len(examples), counts[answer], len(whole), level)) < level:
                own = frozenset(i for i in examples if known[i] == answer)
                found.append((chance, Cue((*given, condition), answer, examples, own)))
    return sorted(found, key=_rank)


def _rank(each: tuple[float, Cue]) -> tuple[float, tuple[Condition, ...]]:
    chance, cue = each
    return chance, cue.conditions


def _chance(right: int, drawn: int, marked: int, total: int, level: float) -> float:
    """The probability that so many of the drawn are marked by chance, or more (Fisher's exact test).

    Args:
        right: How many of the drawn are marked.
        drawn: How many are drawn.
        marked: How many of all are marked.
        total: How many there are.
        level: What the first of several terms exceeds is not summed up: the sum exceeds it, too.
    """
    ways = _log_ways(total, drawn)

    def term(k: int) -> float:
        return math.exp(_log_ways(marked, k) + _log_ways(total - marked, drawn - k) - ways)

    first = term(right)
    if right * total <= drawn * marked or first > level:
        return 1.0
    return first + math.fsum(map(term, range(right + 1, min(drawn, marked) + 1)))


def _log_ways(n: int, k: int) -> float:
    if not 0 <= k <= n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
