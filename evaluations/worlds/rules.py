"""A rule of a world: conditions on a record and the label that follows, in words and out of words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from dspy_dlpo.simulation.words import sentences

Record = Mapping[str, str]

_DEFAULT = re.compile(r"\b(?:otherwise|by default|all other|any other|in doubt|usually|else)\b", re.IGNORECASE)
_BEFORE_NEGATED = re.compile(r"\b(?:not|never|instead of|rather than)\s+(?:\w+\s+){0,2}$", re.IGNORECASE)
_COMPARED = (
    r"(?P<op>at least|at most|above|over|exceeds|more than|greater than|larger than|higher than"
    r"|below|under|less than|fewer than|smaller than|lower than)\s+(?P<number>\d+)"
)
_ABOVE = ("above", "over", "exceeds", "more than", "greater than", "larger than", "higher than", "at least")
# A record that stands in a sentence is an example, no rule.
_RECORD = re.compile(r"\w+=[^\s;]+(?:;\s*\w+=[^\s;]+)+")


@dataclass(frozen=True, order=True)
class Atom:
    """One condition: a feature ``is`` a value, or is above (``>``) or below (``<``) a number."""

    feature: str
    op: str
    value: str

    def holds(self, record: Record) -> bool:
        """Whether it is true of a record; a mark of several labels has each of them."""
        given = record.get(self.feature, "")
        if self.op == "is":
            return self.value in given.split("-")
        return given.isdigit() and (int(given) > int(self.value) if self.op == ">" else int(given) < int(self.value))


@dataclass(frozen=True, order=True)
class Rule:
    """If all conditions hold, the label follows; without conditions it is what holds in all other cases."""

    atoms: tuple[Atom, ...]
    label: str

    def matches(self, record: Record) -> bool:
        """Whether all its conditions hold."""
        return all(atom.holds(record) for atom in self.atoms)

    def say(self, wording: int = 0) -> str:
        """A sentence that states it; wordings are numbered from 0 and repeat."""
        if not self.atoms:
            return _OTHERWISE[wording % len(_OTHERWISE)].format(label=self.label)
        conditions = " and ".join(_said(atom, wording + i) for i, atom in enumerate(self.atoms))
        return _TEMPLATES[wording % len(_TEMPLATES)].format(conditions=conditions, label=self.label)


_TEMPLATES = (
    "If {conditions}, answer {label}.",
    "Answer {label} when {conditions}.",
    "Whenever {conditions}, the right label is {label}.",
    "Give {label} to every record where {conditions}.",
)
_OTHERWISE = ("In all other cases, answer {label}.", "Otherwise, the right label is {label}.")
_IS = ("the {feature} is {value}", "the {feature} equals {value}")
_OVER = ("the {feature} is above {value}", "the {feature} is more than {value}", "the {feature} is over {value}")
_UNDER = ("the {feature} is below {value}", "the {feature} is less than {value}", "the {feature} is under {value}")


def _said(atom: Atom, wording: int) -> str:
    forms = {"is": _IS, ">": _OVER, "<": _UNDER}[atom.op]
    return forms[wording % len(forms)].format(feature=atom.feature, value=atom.value)


def made(atoms: list[Atom] | tuple[Atom, ...], label: str) -> Rule:
    """A rule in its normal form: each condition once, sorted."""
    return Rule(tuple(sorted(set(atoms))), label)


@dataclass(frozen=True)
class Language:
    """What the words of a world mean.

    Args:
        values: Feature by value, for features that are no numbers.
        numbers: Features that are numbers.
        labels: Step by label, from 0.
    """

    values: Mapping[str, str] = field(hash=False)
    numbers: tuple[str, ...] = ()
    labels: Mapping[str, int] = field(hash=False, default_factory=dict)
    name: str = ""

    def __hash__(self) -> int:
        return hash((self.name, self.numbers))

    @cached_property
    def _words(self) -> re.Pattern[str]:
        return re.compile(rf"\b(?:{'|'.join(map(re.escape, (*self.values, *self.labels)))})\b", re.IGNORECASE)

    @cached_property
    def _numbers(self) -> re.Pattern[str]:
        return re.compile(rf"\b(?P<feature>{'|'.join(self.numbers) or '(?!)'})\b[^.;,]{{0,25}}?\b{_COMPARED}", re.I)

    def read(self, sentence: str) -> Rule | None:
        """The rule that a sentence states, by the words that carry its meaning; None if it states none.

        A sentence that names two labels of one step, or two values of one feature, is too unclear to be followed.
        """
        bare = _RECORD.sub(" ", sentence)
        atoms: set[Atom] = set()
        named: dict[str, int] = {}
        for match in self._words.finditer(bare):
            word = match.group()
            negated = _BEFORE_NEGATED.search(bare[: match.start()])
            if word.lower() in self.values:
                if negated:
                    return None
                atoms.add(Atom(self.values[word.lower()], "is", word.lower()))
            elif word.upper() in self.labels and not negated:
                named[word.upper()] = self.labels[word.upper()]
        step = max(named.values(), default=-1)
        own = [label for label, at in named.items() if at == step]
        if len(own) != 1:
            return None
        atoms.update(Atom(f"mark{at + 1}", "is", label) for label, at in named.items() if at < step)
        for match in self._numbers.finditer(bare):
            atoms.add(_compared(match["feature"].lower(), match["op"].lower(), int(match["number"])))
        if len({atom.feature for atom in atoms if atom.op == "is"}) < sum(atom.op == "is" for atom in atoms):
            return None
        return made(tuple(atoms), own[0]) if atoms or _DEFAULT.search(bare) else None


def _compared(feature: str, op: str, number: int) -> Atom:
    if op in _ABOVE:
        return Atom(feature, ">", str(number - (op == "at least")))
    return Atom(feature, "<", str(number + (op == "at most")))


@lru_cache(maxsize=65536)
def read(language: Language, sentence: str) -> Rule | None:
    """`Language.read`, remembered."""
    return language.read(sentence)


@lru_cache(maxsize=4096)
def read_all(language: Language, text: str) -> tuple[tuple[str, Rule | None], ...]:
    """The sentences of a text in order, each with the rule it states or None."""
    return tuple((sentence, read(language, sentence)) for sentence in sentences(text))
