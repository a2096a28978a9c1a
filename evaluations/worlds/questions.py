"""Questions of a world: records drawn so that each rule is needed as often as was drawn."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from dspy_dlpo.simulation.draws import stream
from evaluations.worlds.making import MOST
from evaluations.worlds.rules import Atom, Record, Rule
from evaluations.worlds.step import Step, joined, record_text
from evaluations.worlds.traits import Traits
from evaluations.worlds.vocabulary import CATEGORIES


def need_weights(step: Step, traits: Traits, seed: int) -> dict[Rule, float]:
    """How often each rule of a step is aimed at, relative to the others; the order of need is drawn."""
    learned = [rule for rule in step.rules if rule.atoms]
    ranks = stream("needs", seed, step.number).sample(range(len(learned)), len(learned))
    return {rule: 1 / (rank + 1) ** traits.tail for rule, rank in zip(learned, ranks, strict=True)}


def make_questions(seed: int, steps: Sequence[Step], traits: Traits, count: int) -> list[tuple[str, str]]:
    """Records with their answers, each record once; fewer than asked for only if a world has no more."""
    rng = stream("questions", seed)
    weights = [need_weights(step, traits, seed) for step in steps]
    found: dict[str, str] = {}
    for _ in range(60 * count):
        if len(found) == count:
            break
        record = _record(steps, weights, traits.plain, rng)
        if record is not None:
            answer = solved(steps, record)
            found.setdefault(record_text(record), answer)
    return list(found.items())


def solved(steps: Sequence[Step], record: Record) -> str:
    """The right answer to a record."""
    marked = dict(record)
    for step in steps[:-1]:
        marked[step.mark] = joined(step.labels(marked))
    return joined(steps[-1].labels(marked))


def _record(
    steps: Sequence[Step], weights: Sequence[Mapping[Rule, float]], plain: float, rng: random.Random
) -> dict[str, str] | None:
    """A record that the rules aimed at decide, at every step; None if they do not, or true rules contradict on it."""
    record = {feature: _value(feature, rng) for step in steps for feature in step.features}
    marked = dict(record)
    for step, needs in zip(steps, weights, strict=True):
        open_to = {rule: need for rule, need in needs.items() if _is_open(rule, record, marked)}
        aimed = [_aim(step, slot, open_to, plain, rng) for slot in range(len(step.slots))]
        for atom in (atom for rule in aimed for atom in rule.atoms):
            if atom.feature in record and not atom.holds(marked):
                record[atom.feature] = marked[atom.feature] = _fitting(atom, rng)
        if not step.is_clear(marked) or list(step.deciding(marked)) != aimed:
            return None
        marked[step.mark] = joined(rule.label for rule in aimed)
    return record


def _is_open(rule: Rule, record: Record, marked: Record) -> bool:
    """Whether a rule can still be made to match: what it wants of earlier steps' marks, they have given."""
    return all(atom.feature in record or atom.holds(marked) for atom in rule.atoms)


def _aim(step: Step, slot: int, needs: Mapping[Rule, float], plain: float, rng: random.Random) -> Rule:
    """The rule that is to decide a slot: one to learn, or what holds in all other cases."""
    fitting = {rule: weight for rule, weight in needs.items() if step.slot(rule) == slot}
    if fitting and rng.random() >= plain:
        return rng.choices(list(fitting), list(fitting.values()))[0]
    return next(rule for rule in step.rules if not rule.atoms and step.slot(rule) == slot)


def _value(feature: str, rng: random.Random) -> str:
    return rng.choice(CATEGORIES[feature]) if feature in CATEGORIES else str(rng.randint(1, MOST))


def _fitting(atom: Atom, rng: random.Random) -> str:
    if atom.op == "is":
        return atom.value
    return str(rng.randint(int(atom.value) + 1, MOST) if atom.op == ">" else rng.randint(1, int(atom.value) - 1))
