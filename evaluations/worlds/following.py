"""What a reader follows of a prompt: its rules, how likely each is missed, and the exact odds of answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dspy_dlpo.simulation.draws import chance
from evaluations.worlds.rules import Language, Record, Rule, read_all
from evaluations.worlds.step import Step, record_text
from evaluations.worlds.traits import Reading

# One sentence without a rule dilutes nothing: it says what the task is.
_FREE = 1


@dataclass(frozen=True)
class Followed:
    """A rule that a prompt teaches: where it stands among the rules, and the probability that it is missed."""

    place: int
    rule: Rule
    missed: float


def place_factor(where: str, harm: float, position: float) -> float:
    """The chance that a sentence is read, by its position in the prompt from 0 to 1, best places at 1."""
    lost = {"even": 0.0, "early": position, "late": 1 - position, "edges": 4 * position * (1 - position)}[where]
    return 1 - harm * lost


def follow(language: Language, step: Step, prompt: str, reading: Reading) -> tuple[Followed, ...]:
    """The rules of a step that a prompt teaches, each once, at its first place."""
    parts = read_all(language, prompt)
    own: dict[Rule, int] = {}
    for i, (_, rule) in enumerate(parts):
        if rule is not None and step.slot(rule) is not None:
            own.setdefault(rule, i)
    useless = max(0, len(parts) - len(own) - _FREE)
    read = (1 - reading.slack) * (1 - reading.dilution) ** useless
    last = max(1, len(parts) - 1)
    return tuple(
        Followed(i, rule, 1 - read * place_factor(reading.place, reading.place_harm, i / last))
        for rule, i in own.items()
    )


def guess(seed: int, step: Step, slot: int, record: Record, reading: Reading, again: str = "") -> str:
    """The label that the reader gives where no rule decides: its habit, or a guess that the record fixes.

    Args:
        seed: The world's.
        step: The step.
        slot: Whose label.
        record: The record.
        reading: How often it guesses.
        again: What else the guess depends on.
    """
    labels, key = step.slots[slot], (seed, step.name, slot, record_text(record), again)
    if chance("hunch", *key) < reading.hunch:
        return labels[int(chance("guess", *key) * len(labels))]
    return labels[int(chance("habit", seed, step.name, slot) * len(labels))]


def odds(
    step: Step, followed: tuple[Followed, ...], slot: int, record: Record, fallback: Callable[[], str]
) -> dict[str, float]:
    """The probability of each label of a slot, exactly: the first rule in rank that is not missed decides."""
    missed = {each.rule: each.missed for each in followed}
    ranked = step.ranked(((each.place, each.rule) for each in followed), slot, record)
    found: dict[str, float] = {}
    left = 1.0
    for _, rule in ranked:
        found[rule.label] = found.get(rule.label, 0.0) + left * (1 - missed[rule])
        left *= missed[rule]
    if left > 0:
        label = fallback()
        found[label] = found.get(label, 0.0) + left
    return found
