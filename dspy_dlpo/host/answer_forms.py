"""The form that training answers share, such as ``INV-####; ####-##-##``: read from them, without copying any."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from dspy_dlpo.core.sentences import split
from dspy_dlpo.host.answers import LONGEST, answers_by_field, are_labels
from dspy_dlpo.host.observing import Rule

# So many answers at least, and this share of all, must have one form; what this share has alike is a part of the form.
LEAST, SHARE, ALIKE = 10, 0.9, 0.95
# Numbers that begin alike are shown so if they share as many digits as a country's code.
PREFIX = 3
# A form has so many parts at most.
MOST_PARTS = 40
_PARTS = re.compile(r"[^\W\d_]+|\d+|\s|.")
_DIGIT, _NUMBER, _WORD = "#", "N", "word"
_MEANINGS = {
    _DIGIT: "a digit",
    _NUMBER: "a number",
    "WORD": "a word in capitals",
    "Word": "a word with a capital",
    _WORD: "a word",
}


@dataclass(frozen=True)
class _Part:
    """One part of a form.

    Args:
        shown: How it is shown.
        pattern: What fits, as a regular expression.
        stands_for: The placeholder in it, one of `_MEANINGS`; empty if all answers have it alike.
    """

    shown: str
    pattern: str
    stands_for: str = ""


def answer_forms(labels: Sequence[Mapping[str, str]]) -> list[Rule]:
    """For each field whose training answers have one form, the rule that an answer has it.

    Labels have none, and neither have words alone.

    Args:
        labels: The labels of each training example, as text by field.
    """
    by_field = answers_by_field(labels).items()
    rules = (_rule(name, _form(list(counts.elements()))) for name, counts in by_field if not are_labels(counts))
    return [rule for rule in rules if rule is not None]


def _form(values: Sequence[str]) -> list[_Part]:
    """The parts of the form; empty if there is none."""
    answers = [_PARTS.findall(value) for value in values if 0 < len(value) <= 2 * LONGEST]
    [(kinds, count)] = Counter(tuple(map(_kind, parts)) for parts in answers).most_common(1) or [((), 0)]
    if count < max(LEAST, SHARE * len(values)) or len(kinds) > MOST_PARTS:
        return []
    if kinds == (_NUMBER,):
        return [_Part(_NUMBER, r"-?[\d.,]+", _NUMBER)]
    alike = [parts for parts in answers if tuple(map(_kind, parts)) == kinds]
    form = [_part(column) for column in zip(*alike, strict=True)]
    fixed = any(not part.stands_for and not part.shown.isspace() for part in form)
    is_prose = all(kind == _WORD or kind.isspace() for kind in kinds)
    return form if fixed and not is_prose and any(part.stands_for for part in form) else []


def _kind(part: str) -> str:
    """What parts of one form have in common: a number, a word, or one other character."""
    return _NUMBER if part.isdigit() else _WORD if part.isalpha() else part


def _part(column: Sequence[str]) -> _Part:
    """One part of the form, by what stands there in each answer."""
    value = _if_alike(column)
    if column[0].isdigit():
        if len({len(each) for each in column}) > 1:
            return _Part(_NUMBER, r"\d+", _NUMBER)
        shown = value or _prefix(column).ljust(len(column[0]), _DIGIT)
        return _Part(shown, rf"\d{{{len(shown)}}}", "" if value else _DIGIT)
    if value:
        return _Part(value, re.escape(value))
    shapes = {_shape(each) for each in column}
    shape = shapes.pop() if len(shapes) == 1 else _WORD
    return _Part(shape, r"[^\W\d_]+", shape)


def _if_alike(column: Sequence[str]) -> str:
    """What nearly all have; empty if they differ."""
    value, count = Counter(column).most_common(1)[0]
    return value if count >= ALIKE * len(column) else ""


def _prefix(column: Sequence[str]) -> str:
    """The first digits that numbers of one length have alike; fewer than `PREFIX` may be chance."""
    alike = (_if_alike(digits) for digits in zip(*column, strict=True))
    first = "".join(takewhile(bool, alike))
    return first if len(first) >= PREFIX else ""


def _shape(word: str) -> str:
    if len(word) > 1 and word.isupper():
        return "WORD"
    return "Word" if word[0].isupper() and (len(word) == 1 or word[1:].islower()) else _WORD


def _rule(name: str, form: Sequence[_Part]) -> Rule | None:
    shown = "".join(part.shown for part in form)
    # The form in quotes and what it means behind it: in brackets, a small model writes that into its answers.
    text = f'Write `{{field}}` exactly like "{shown}", where {_legend({part.stands_for for part in form})}.'
    if not form or '"' in shown or len(split(text)) > 1:  # such a form cannot be told in one sentence
        return None
    pattern = re.compile("".join(part.pattern for part in form))
    return Rule(
        name,
        text,
        f"not in the form {shown} of those in training",
        fits=lambda answer: bool(pattern.fullmatch(answer)),
        is_told=lambda prompt: shown in prompt,
    )


def _legend(placeholders: Collection[str]) -> str:
    """What placeholders stand for, in words."""
    used = [(each, said) for each, said in _MEANINGS.items() if each in placeholders]
    stands = [f"{each} {'for' if i else 'stands for'} {said}" for i, (each, said) in enumerate(used)]
    return ", ".join(stands[:-1]) + " and " * (len(stands) > 1) + "".join(stands[-1:])
