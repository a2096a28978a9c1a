"""Conditions on the text of an example: words that stand in it, or a number beside a word that is large or small."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

# So many characters of an input are looked at.
READ = 4000
# So many values of one number are tried as limits.
LIMITS = 24
# What has more digits, or points and commas elsewhere, is no number but a word.
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?|\d{1,3}(?:,\d{3}){1,4}")
_WORD = re.compile(r"\d(?:[\d.,]*\d)?|[^\W_]+(?:['’-][^\W_]+)*|[?!%€$£]")
# What may stand between two words that belong together.
_INSIDE = re.compile(r"[ \t:=/#_-]{0,2}")

_Pair = tuple[re.Match[str], re.Match[str]]


@dataclass(frozen=True, order=True)
class Condition:
    """What may be true of an input field.

    Args:
        field: Its name.
        phrase: Words that it has; empty for a number.
        number: Which number it is; empty for words, and where the field is nothing else.
        limit: What the number is, such as ``above 200``.
    """

    field: str
    phrase: str = ""
    number: str = ""
    limit: str = ""


def in_words(conditions: Sequence[Condition], *, alone: bool) -> str:
    """All that must be so, as part of a sentence: words first.

    Args:
        conditions: The conditions, at least one.
        alone: Whether there is no other input field, so that numbers beside a word are told without its name.
    """
    phrases: dict[str, list[str]] = {}
    for each in conditions:
        if each.phrase:
            phrases.setdefault(each.field, []).append(f'"{each.phrase}"')
    words = [f"`{field}` has {' and '.join(own)}" for field, own in phrases.items()]
    return " and ".join([*words, *(_number_in_words(each, alone=alone) for each in conditions if not each.phrase)])


def _number_in_words(condition: Condition, *, alone: bool) -> str:
    if not condition.number:
        return f"`{condition.field}` is {condition.limit}"
    place = "" if alone else f" in `{condition.field}`"
    return f"the number {condition.number}{place} is {condition.limit}"


def conditions(
    inputs: Sequence[Mapping[str, str]], chosen: Sequence[int], least: int
) -> dict[Condition, frozenset[int]]:
    """The examples of which each condition is true: some, not all; one condition for the same examples.

    Of words in the same examples it is the longest, or the longest pair where no single word is in these alone; numbers
    come after them.

    Args:
        inputs: The inputs of each example, as text by field.
        chosen: The examples to look at.
        least: So many examples at least.
    """
    words: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    numbers: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for i in chosen:
        for name, text in inputs[i].items():
            spans = list(_WORD.finditer(text[:READ]))
            beside = [each for each in pairwise(spans) if _INSIDE.fullmatch(text, each[0].end(), each[1].start())]
            for shown in _phrases(text, spans, beside):
                words[name, shown.lower()].setdefault(i, shown)
            for number, value in _numbers(spans, beside):
                numbers[name, number].setdefault(i, value)
    found: dict[frozenset[int], Condition] = {}
    for (name, _), having in sorted(words.items(), key=_clearest):
        if least <= len(having) < len(chosen):
            shown = Counter(having.values()).most_common(1)[0][0]
            found.setdefault(frozenset(having), Condition(name, phrase=shown))
    for (name, number), values in sorted(numbers.items()):
        for limit, holding in _limits(values):
            if least <= len(holding) < len(chosen):
                found.setdefault(holding, Condition(name, number=number, limit=limit))
    return {condition: holding for holding, condition in found.items()}


def _clearest(item: tuple[tuple[str, str], object]) -> tuple[bool, int, tuple[str, str]]:
    """Words before pairs, as they say no more than they must, and long ones first."""
    (name, phrase), _ = item
    return _WORD.fullmatch(phrase) is None, -len(phrase), (name, phrase)


def _phrases(text: str, found: Sequence[re.Match[str]], beside: Sequence[_Pair]) -> Iterator[str]:
    """Words, and pairs of words side by side."""
    for word in found:
        if not _is_number(word):
            yield word.group()
    for first, second in beside:
        if not (_is_number(first) or _is_number(second)):
            yield text[first.start() : second.end()]


def _numbers(found: Sequence[re.Match[str]], beside: Sequence[_Pair]) -> Iterator[tuple[str, float]]:
    """Numbers in words: a field that is one, and those beside a word that tells what they are."""
    if len(found) == 1 and _is_number(found[0]):
        yield "", _value(found[0])
    for first, second in beside:
        if _is_number(first) != _is_number(second):
            number, word, place = (first, second, "before") if _is_number(first) else (second, first, "after")
            yield f'{place} "{word.group()}"', _value(number)


def _is_number(word: re.Match[str]) -> bool:
    text = word.group()
    return text[0].isdigit() and _NUMBER.fullmatch(text) is not None


def _value(number: re.Match[str]) -> float:
    return float(number.group().replace(",", ""))


def _limits(values: Mapping[int, float]) -> Iterator[tuple[str, frozenset[int]]]:
    """Above and at most some limits between the values, with the examples of which that is true."""
    gaps = list(pairwise(sorted(set(values.values()))))
    for low, high in gaps[:: 1 + len(gaps) // LIMITS]:
        above = frozenset(i for i, value in values.items() if value > low)
        limit = f"{_roundest(low, high):.12g}"
        yield f"above {limit}", above
        yield f"at most {limit}", frozenset(values) - above


def _roundest(low: float, high: float) -> float:
    """The roundest number from one up to below the other: rules that people make have such limits."""
    step = math.pow(10, math.ceil(math.log10(high)))
    for unit in (step / math.pow(10, power) / part for power in range(16) for part in (1, 2)):
        first = math.ceil(low / unit) * unit
        if first < high:
            return first
    return low
