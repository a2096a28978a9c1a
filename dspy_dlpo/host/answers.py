"""Which answers there are: those expected in training with their counts, and what the program answered instead.

A model that is shown eight failures sees eight labels at most; that there are twelve, and how they are spelled, it can
only be told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from dspy_dlpo.core.acceptance import TOLERANCE
from dspy_dlpo.core.roles import Row

# Expected answers are labels where they are at most so many, so short, and each occurs so often on average.
MOST, LONGEST, RECUR = 80, 60, 2
# So many of the commonest confusions are told.
CONFUSIONS = 8
_NUMBER = re.compile(r"[\d\s.,%+\-/:$€£]*")


def expected_answers(labels: Sequence[Mapping[str, str]]) -> dict[str, Counter[str]]:
    """The fields whose expected answers are labels, with how often each is expected.

    Numbers are no labels, and neither is what every example has alike.

    Args:
        labels: The labels of each training example, as text by field.
    """
    return {name: counts for name, counts in answers_by_field(labels).items() if are_labels(counts)}


def answers_by_field(labels: Sequence[Mapping[str, str]]) -> dict[str, Counter[str]]:
    """How often each answer is expected, by field; white space does not count.

    Args:
        labels: The labels of each training example, as text by field.
    """
    by_field: dict[str, Counter[str]] = {}
    for each in labels:
        for name, value in each.items():
            by_field.setdefault(name, Counter())[" ".join(value.split())] += 1
    return by_field


def are_labels(counts: Counter[str]) -> bool:
    """Whether the answers of a field are labels."""
    few = 2 <= len(counts) <= min(MOST, counts.total() / RECUR)
    return few and all(0 < len(each) <= LONGEST for each in counts) and not all(map(_NUMBER.fullmatch, counts))


def account_of_answers(expected: Mapping[str, Counter[str]], rows: Sequence[Row], high: float | None = None) -> str:
    """What is expected and what was answered, in words; empty where expected answers are not labels.

    Args:
        expected: As `expected_answers` gives it.
        rows: Runs of the program on examples.
        high: The metric's best score; None if it is unknown, and nothing is told to be confused then.
    """
    lines = [
        f"{name} must be one of these, exactly as written (in brackets, how often each is right in training): "
        f"{_counted(counts.items())}"
        for name, counts in expected.items()
    ]
    confused = Counter(pair for row in answered_wrongly(rows, high) for pair in _confusions(expected, row))
    if lines and confused:
        told = [f"{wanted} answered as {given or 'nothing'} ({count})" for (wanted, given), count in _first(confused)]
        lines.append(f"most often confused: {'; '.join(told)}")
    return "\n".join(lines)


def _counted(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{value} ({count})" for value, count in sorted(counts, key=lambda pair: (-pair[1], pair[0])))


def _first(confused: Counter[tuple[str, str]]) -> list[tuple[tuple[str, str], int]]:
    return sorted(confused.items(), key=lambda item: (-item[1], item[0]))[:CONFUSIONS]


def _confusions(expected: Mapping[str, Counter[str]], row: Row) -> Iterable[tuple[str, str]]:
    """A row's expected labels with what was answered instead, where the field of the answer is known."""
    for name in expected:
        answer, wanted = answer_to(name, row), " ".join(row.expected.get(name, "").split())
        if answer is not None and wanted and answer[1] != wanted:
            yield wanted, answer[1][:LONGEST]


def answered_wrongly(rows: Iterable[Row], high: float | None) -> list[Row]:
    """The rows with an answer that scores less than the best; none if it is unknown what that is."""
    if high is None:
        return []
    return [row for row in rows if row.score is not None and row.score < high - TOLERANCE and not row.failure]


def answer_to(name: str, row: Row) -> tuple[str, str] | None:
    """The field in which a row answers a label, and what it says there; None where that is not known.

    The field has the label's name, or both are alone.
    """
    alone = len(row.outputs) == len(row.expected) == 1
    field = next(iter(row.outputs)) if alone else name
    return (field, " ".join(str(row.outputs[field]).split())) if field in row.outputs else None


def answering(outputs: Mapping[str, Sequence[str]], field: str) -> str | None:
    """The last predictor that answers a field; None where code does.

    Args:
        outputs: The output fields of each predictor, in the program's order.
        field: The field.
    """
    return next((name for name in reversed(list(outputs)) if field in outputs[name]), None)
