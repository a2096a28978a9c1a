"""One step of a world's program: its features, its labels, its rules, and which of them decides a record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dspy_dlpo.simulation.draws import chance
from evaluations.worlds.rules import Record, Rule


@dataclass(frozen=True)
class Step:
    """One predictor's part.

    Args:
        number: From 0.
        source: Its input field.
        target: Its output field.
        features: What its rules may look at.
        slots: Labels of each slot, near ones beside each other; one slot unless several rules act at once.
        rules: The rules to learn, in their order, and for each slot what holds in all other cases, last.
        mode: How rules combine.
        is_last: Whether its output is the program's answer; otherwise it is the record with a mark.
    """

    number: int
    source: str
    target: str
    features: tuple[str, ...]
    slots: tuple[tuple[str, ...], ...]
    rules: tuple[Rule, ...]
    mode: str
    is_last: bool

    @property
    def name(self) -> str:
        """The predictor's name."""
        return f"step{self.number + 1}"

    @property
    def mark(self) -> str:
        """The field of a record that holds this step's label for the steps after it."""
        return f"mark{self.number + 1}"

    def slot(self, rule: Rule) -> int | None:
        """The slot that a rule fills; None if it is a rule of another step."""
        return next((i for i, labels in enumerate(self.slots) if rule.label in labels), None)

    def ranked(self, rules: Iterable[tuple[int, Rule]], slot: int, record: Record) -> list[tuple[int, Rule]]:
        """Those of some rules that match, in the order in which they win.

        The first wins where the first match wins, the one with the most conditions where there are exceptions; else
        rules that disagree win in an order that the record alone fixes. What holds in all other cases comes last.

        Args:
            rules: Each with its place.
            slot: Whose label is wanted.
            record: What is to be labelled.
        """
        labels = self.slots[slot]
        found = [(place, rule) for place, rule in rules if rule.label in labels and rule.matches(record)]
        if self.mode == "first match wins":
            return sorted(found, key=lambda each: (not each[1].atoms, each[0]))
        if self.mode == "exceptions":
            return sorted(found, key=lambda each: (-len(each[1].atoms), each[0]))
        found.sort(key=lambda each: (not each[1].atoms, each[0]))
        if len({rule.label for _, rule in found if rule.atoms}) < 2:
            return found
        text = record_text(record)
        return sorted(found, key=lambda each: (not each[1].atoms, chance("tie", text, each[1].say())))

    def deciding(self, record: Record) -> tuple[Rule, ...]:
        """The true rule that decides each slot."""
        return tuple(self.ranked(enumerate(self.rules), slot, record)[0][1] for slot in range(len(self.slots)))

    def labels(self, record: Record) -> tuple[str, ...]:
        """The true label of each slot."""
        return tuple(rule.label for rule in self.deciding(record))

    def is_clear(self, record: Record) -> bool:
        """Whether no two true rules that match disagree where nothing says which of them wins."""
        if self.mode in ("first match wins", "exceptions"):
            return True
        matching = {rule.label for rule in self.rules if rule.atoms and rule.matches(record)}
        return all(len(matching.intersection(labels)) < 2 for labels in self.slots)

    def credit(self, given: str, expected: str) -> float:
        """What a label earns where near ones earn something: 1 if right, half for a neighbour, 0 to 1."""
        labels = next((each for each in self.slots if expected in each), ())
        if given not in labels:
            return 0.0
        return max(0.0, 1.0 - abs(labels.index(given) - labels.index(expected)) / 2)


def joined(labels: Iterable[str]) -> str:
    """The labels of all slots as one answer."""
    return "-".join(labels)


def record_text(record: Record) -> str:
    """A record as it stands in a question."""
    return "; ".join(f"{name}={value}" for name, value in record.items())
