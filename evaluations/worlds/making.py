"""Making a world's steps and rules from its traits."""

from __future__ import annotations

import random
from collections.abc import Sequence

from dspy_dlpo.simulation.draws import stream
from evaluations.worlds.rules import Atom, Language, Rule, made
from evaluations.worlds.step import Step
from evaluations.worlds.traits import Traits
from evaluations.worlds.vocabulary import CATEGORIES, LETTERS, NUMBERS

# Numbers in records go from 1 to this.
MOST = 20
# Features of each step, by the number of steps.
_FEATURES = {1: (4, 7), 2: (3, 5), 3: (3, 4), 4: (3, 3)}


def make_steps(seed: int, traits: Traits) -> tuple[Step, ...]:
    """The steps of a world, with their rules."""
    rng, count = stream("steps", seed), traits.predictors
    names = rng.sample(sorted(CATEGORIES), len(CATEGORIES))
    numbers = rng.sample(NUMBERS, len(NUMBERS))
    shares = _shares(traits.rules, count, rng)
    letters = list(LETTERS)
    steps: list[Step] = []
    for number in range(count):
        features = tuple(
            numbers.pop() if i == 1 or (i and rng.random() < 0.4) else names.pop()  # a number: enough records differ
            for i in range(rng.randint(*_FEATURES[count]))
        )
        is_last = number == count - 1
        several = is_last and traits.mode == "several at once"
        n_slots = min(rng.randint(2, 3), shares[number]) if several else 1
        slots = tuple(
            tuple(f"{letter}{i}" for i in range(1, traits.labels + 1))
            for letter in (letters.pop(0) for _ in range(n_slots))
        )
        marks = {f"mark{number}": steps[-1].slots[0]} if steps else {}
        rules = _rules(shares[number], features, marks, slots, traits, rng)
        mode = traits.mode
        source = f"note{number}" if number else "record"
        target = "answer" if is_last else f"note{number + 1}"
        steps.append(Step(number, source, target, features, slots, rules, mode, is_last))
    return tuple(steps)


def make_language(seed: int, steps: Sequence[Step]) -> Language:
    """What the words of a world mean."""
    features = [feature for step in steps for feature in step.features]
    values = {value: feature for feature in features for value in CATEGORIES.get(feature, ())}
    labels = {label: step.number for step in steps for slot in step.slots for label in slot}
    return Language(values, tuple(f for f in features if f in NUMBERS), labels, f"world/{seed}")


def _shares(total: int, parts: int, rng: random.Random) -> list[int]:
    """How many rules each step has; each at least one."""
    cuts = sorted(rng.sample(range(1, total), parts - 1))
    return [high - low for low, high in zip([0, *cuts], [*cuts, total], strict=True)]


def _rules(
    count: int,
    features: Sequence[str],
    marks: dict[str, tuple[str, ...]],
    slots: Sequence[tuple[str, ...]],
    traits: Traits,
    rng: random.Random,
) -> tuple[Rule, ...]:
    """Rules in their order, those that narrow another one before it, and for each slot what holds otherwise."""
    order = [list(rng.sample(slot, len(slot))) for slot in slots]
    weights = [1 / (i + 1) ** traits.skew for i in range(traits.labels)]
    defaults = [made((), labels[0]) for labels in order]
    found: list[Rule] = []
    for i in range(40 * count):
        if len(found) == count:
            break
        slot = i % len(slots)
        label = rng.choices(order[slot], weights)[0]
        base = rng.choice(found) if found and rng.random() < traits.against else None
        atoms = [*(base.atoms if base else ()), *_conditions(features, marks, 1 if base else None, rng)]
        rule = made(atoms, label)
        is_new = _is_possible(rule) and rule.atoms not in {each.atoms for each in found if each.label[0] == label[0]}
        if not is_new or (base and (label == base.label or len(rule.atoms) == len(base.atoms))):
            continue
        found.insert(found.index(base) if base else rng.randint(0, len(found)), rule)
    if traits.mode == "first match wins":  # a broad rule before a narrow one would leave it nothing to decide
        found.sort(key=lambda rule: -len(rule.atoms))
    return (*found, *defaults)


def _conditions(
    features: Sequence[str], marks: dict[str, tuple[str, ...]], count: int | None, rng: random.Random
) -> list[Atom]:
    number = count if count is not None else rng.choices((1, 2, 3), (4, 4, 1))[0]
    chosen = rng.sample(features, min(number, len(features)))
    atoms = [_atom(feature, rng) for feature in chosen]
    if marks and rng.random() < 0.5:
        mark, labels = next(iter(marks.items()))
        atoms[-1] = Atom(mark, "is", rng.choice(labels))
    return atoms


def _atom(feature: str, rng: random.Random) -> Atom:
    if feature in CATEGORIES:
        return Atom(feature, "is", rng.choice(CATEGORIES[feature]))
    if rng.random() < 0.5:
        return Atom(feature, ">", str(rng.randint(MOST // 2, MOST - 4)))
    return Atom(feature, "<", str(rng.randint(5, MOST // 2 + 1)))


def _is_possible(rule: Rule) -> bool:
    """Whether some record can match: at most one value of a feature, and one bound on a number."""
    return len({atom.feature for atom in rule.atoms}) == len(rule.atoms)
