"""What is drawn about a world before anything in it is made."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from dspy_dlpo.simulation.draws import stream

MODES = ("any one", "several at once", "first match wins", "exceptions")
STARTS = ("empty", "short", "half right", "long", "misleading")
PLACES = ("even", "early", "late", "edges")
FEEDBACKS = ("none", "expected")


@dataclass(frozen=True)
class Reading:
    """How the reader takes its prompt. Shares and probabilities, 0 to 1.

    Args:
        slack: Missing a rule that stands alone in a prompt.
        dilution: Share by which each sentence without a rule lowers the chance that a rule is followed.
        place: Where in a prompt sentences are read best: ``even``, ``early``, ``late``, ``edges``.
        place_harm: Share lost at the worst place.
        jumpy: Whether any change of the prompt draws the misses anew, not only of the rules concerned.
        hunch: Share of questions that no rule decides, on which it guesses instead of giving its habitual label.
        noise: Replies that are spoiled, whatever the prompt.
        fresh: Whether noise is new at every rollout; fixed by prompt and question otherwise.
        variability: How much a temperature of 1 redraws misses and guesses from rollout to rollout.
        demo_teaches: Probability that a worked example teaches a rule that decides it.
    """

    slack: float
    dilution: float
    place: str
    place_harm: float
    jumpy: bool
    hunch: float
    noise: float
    fresh: bool
    variability: float
    demo_teaches: float


@dataclass(frozen=True)
class Writing:
    """How the writer writes. Probabilities, 0 to 1, but `ideas` and `points`.

    Args:
        ideas: Sentences or deletions that one reply proposes at most, 1 to 8.
        skill: That an idea is the rule behind the failure it looks at.
        blind: Factor on the skill where the request does not tell the right answer.
        induction: Factor on the skill where only examples that went right are shown.
        traps: That a wrong idea is a wrong rule that fits the example; it says nothing otherwise.
        forgets: Losing a sentence in a rewrite of a whole prompt, each sentence.
        bloat: Adding a sentence that says nothing.
        useless: Replies that cannot be used or change nothing, half each.
        points: Points that one critique makes at most, 1 to 4.
        vague: That a point of a critique is too vague to teach.
        wrong: That a point that is not vague is wrong.
    """

    ideas: int
    skill: float
    blind: float
    induction: float
    traps: float
    forgets: float
    bloat: float
    useless: float
    points: int
    vague: float
    wrong: float


@dataclass(frozen=True)
class Traits:
    """All that is drawn about a world.

    Args:
        rules: Rules to learn, 3 to 30, what holds in all other cases not counted.
        tail: Exponent of how often each is needed: 0 is even, 1.5 long-tailed.
        mode: How rules combine, one of `MODES`.
        against: Share of rules that narrow an earlier one down to another label; 0 where rules may not contradict.
        labels: Labels of a slot, 3 to 8.
        skew: Exponent of how unevenly labels are used, 0 to 1.5.
        plain: Share of questions that no rule is needed for, of each slot.
        start: What the start prompts are, one of `STARTS`.
        graded: Whether near or partly right answers earn something; right or wrong otherwise.
        feedback: What the feedback metric says, one of `FEEDBACKS`.
        predictors: Steps of the program, 1 to 4.
        train: Training examples, 20 to 500.
        val: Validation examples, 0 or 20 to 200.
        reading: The reader.
        writing: The writer.
    """

    rules: int
    tail: float
    mode: str
    against: float
    labels: int
    skew: float
    plain: float
    start: str
    graded: bool
    feedback: str
    predictors: int
    train: int
    val: int
    reading: Reading
    writing: Writing


def _between(rng: random.Random, low: float, high: float) -> float:
    return round(rng.uniform(low, high), 3)


def _spread(rng: random.Random, low: int, high: int) -> int:
    """A whole number, small ones as likely as large ones by factor."""
    return round(math.exp(rng.uniform(math.log(low), math.log(high))))


def draw_traits(seed: int) -> Traits:
    """The traits of the world of a seed. Every group has a stream of its own, so that a new trait moves no other."""
    rng = stream("world", seed, "task")
    mode = rng.choice(MODES)
    predictors = rng.choices((1, 2, 3, 4), (5, 2, 1, 1))[0]
    rules = max(_spread(rng, 3, 30), predictors)
    return Traits(
        rules=rules,
        tail=rng.choice((0.0, _between(rng, 0.0, 1.5))),
        mode=mode,
        against=_between(rng, 0.1, 0.6) if mode in MODES[2:] else 0.0,
        labels=rng.randint(3, 8),
        skew=_between(rng, 0.0, 1.5),
        plain=_between(rng, 0.0, 0.4),
        start=rng.choice(STARTS),
        graded=rng.random() < 0.4,
        feedback=rng.choices(FEEDBACKS, (1, 2))[0],
        predictors=predictors,
        train=_spread(rng, 20, 500),
        val=0 if rng.random() < 0.2 else _spread(rng, 20, 200),
        reading=_reading(stream("world", seed, "reader")),
        writing=_writing(stream("world", seed, "writer")),
    )


def _reading(rng: random.Random) -> Reading:
    return Reading(
        slack=_between(rng, 0.0, 0.06),
        dilution=_between(rng, 0.0, 0.03),
        place=rng.choice(PLACES),
        place_harm=_between(rng, 0.0, 0.3),
        jumpy=rng.random() < 0.5,
        hunch=_between(rng, 0.0, 1.0),
        noise=0.0 if rng.random() < 0.4 else _between(rng, 0.0, 0.1),
        fresh=rng.random() < 0.5,
        variability=_between(rng, 0.1, 0.5),
        demo_teaches=_between(rng, 0.0, 0.15),
    )


def _writing(rng: random.Random) -> Writing:
    return Writing(
        ideas=rng.randint(1, 8),
        skill=_between(rng, 0.3, 0.95),
        blind=_between(rng, 0.4, 1.0),
        induction=_between(rng, 0.3, 0.9),
        traps=_between(rng, 0.4, 1.0),
        forgets=_between(rng, 0.0, 0.15),
        bloat=_between(rng, 0.0, 0.6),
        useless=0.0 if rng.random() < 0.3 else _between(rng, 0.0, 0.5),
        points=rng.randint(1, 4),
        vague=_between(rng, 0.0, 0.4),
        wrong=_between(rng, 0.0, 0.4),
    )
