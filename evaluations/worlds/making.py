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
        marks = [Atom(f"mark{number}", "is", label) for label in _given(steps[-1])] if steps else []
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
    marks: Sequence[Atom],
    slots: Sequence[tuple[str, ...]],
    traits: Traits,
    rng: random.Random,
) -> tuple[Rule, ...]:
    """Rules in their order, those that narrow another one before it, and for each slot what holds otherwise."""
    order = [list(rng.sample(slot, len(slot))) for slot in slots]
    weights = [1 / (i + 1) ** traits.skew for i in range(traits.labels)]
    defaults = [made((), labels[0]) for labels in order]
    # Many rules of which no two may disagree on a record must each be about few records.
    many = traits.mode in ("any one", "several at once") and count > 8
    found: list[Rule] = []
    for i in range(40 * count):
        if len(found) == count:
            break
        slot = i % len(slots)
        base = rng.choice(found) if found and rng.random() < traits.against else None
        # What holds in all other cases needs no rule, but may be an exception to one.
        label = rng.choices(order[slot][not base :], weights[: traits.labels - (not base)])[0]
        # The first rule always looks at what the step before said, so that no step goes for nothing.
        seen = [rng.choice(marks)] if marks and not base and (not found or rng.random() < 0.5) else []
        atoms = [*(base.atoms if base else ()), *seen, *_conditions(features, 1 if base or seen else 0, many, rng)]
        rule = made(atoms, label)
        is_new = _is_possible(rule) and rule.atoms not in {each.atoms for each in found if each.label[0] == label[0]}
        if not is_new or (base and (label == base.label or len(rule.atoms) == len(base.atoms))):
            continue
        found.insert(found.index(base) if base else rng.randint(0, len(found)), rule)
    if traits.mode == "first match wins":  # a broad rule before a narrow one would leave it nothing to decide
        found.sort(key=lambda rule: -len(rule.atoms))
    return (*found, *defaults)


def _given(step: Step) -> list[str]:
    """The labels that a step gives at all."""
    return sorted({rule.label for rule in step.rules})


def _conditions(features: Sequence[str], count: int, many: bool, rng: random.Random) -> list[Atom]:
    """So many conditions on different features; 0 for any number, more where there are many rules."""
    number = count or rng.choices((1, 2, 3), (1, 6, 5) if many else (4, 4, 1))[0]
    return [_atom(feature, rng) for feature in rng.sample(features, min(number, len(features)))]


def _atom(feature: str, rng: random.Random) -> Atom:
    if feature in CATEGORIES:
        return Atom(feature, "is", rng.choice(CATEGORIES[feature]))
    if rng.random() < 0.5:
        return Atom(feature, ">", str(rng.randint(MOST // 2, MOST - 4)))
    return Atom(feature, "<", str(rng.randint(5, MOST // 2 + 1)))


def _is_possible(rule: Rule) -> bool:
    """Whether some record can match: at most one value of a feature, and one bound on a number."""
    return len({atom.feature for atom in rule.atoms}) == len(rule.atoms)
