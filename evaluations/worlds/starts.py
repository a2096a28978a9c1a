"""The start prompts of a world: what its user wrote before any optimizer came."""

from __future__ import annotations

import random

from dspy_dlpo.simulation.draws import stream
from evaluations.worlds.making import MOST
from evaluations.worlds.rules import Atom, Rule, made
from evaluations.worlds.step import Step
from evaluations.worlds.task import Task
from evaluations.worlds.vocabulary import CATEGORIES, FILLERS


def start_prompt(task: Task, step: Step) -> str:
    """The start prompt of a step, of the kind that was drawn.

    Empty is what DSPy writes for want of instructions; half right has every second rule; long has sentences that say
    nothing and a few rules; misleading has wrong rules.
    """
    rng, kind = stream("start", task.seed, step.number), task.traits.start
    if kind == "empty":
        return f"Given the fields `{step.source}`, produce the fields `{step.target}`."
    first = f"Label the {step.source} and give the {step.target}."
    if kind == "half right":
        more = [rule.say(rng.randrange(12)) for rule in step.rules if rng.random() < 0.5]
    elif kind == "long":
        fillers = rng.sample(FILLERS, rng.randint(6, len(FILLERS)))
        rules = [rule.say(rng.randrange(12)) for rule in step.rules if rng.random() < 0.2]
        more = [*fillers[:3], *rules, *fillers[3:]]
    elif kind == "misleading":
        more = [_wrong(step, rng).say(rng.randrange(12)) for _ in range(rng.randint(2, 5))]
    else:
        more = []
    return " ".join([first, *more])


def _wrong(step: Step, rng: random.Random) -> Rule:
    """A wrong rule on one feature, or on the condition of a true rule with another label."""
    slot = rng.choice(step.slots)
    learned = [rule for rule in step.rules if rule.atoms and rule.label in slot]
    feature = rng.choice(step.features)
    atoms: tuple[Atom, ...] = (
        (Atom(feature, "is", rng.choice(CATEGORIES[feature])),)
        if feature in CATEGORIES
        else (Atom(feature, rng.choice("<>"), str(rng.randint(MOST // 4, 3 * MOST // 4))),)
    )
    if learned and rng.random() < 0.5:
        atoms = rng.choice(learned).atoms[:1]
    true = {rule.label for rule in step.rules if rule.atoms == atoms}
    return made(atoms, rng.choice([label for label in slot if label not in true]))
