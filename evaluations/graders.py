"""Graders as strict as the field's: exact number, boxed expression, option letter, label, fields of a fixed format."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import dspy

# From the expected answer and the given one: right or wrong, or a share from 0 to 1.
Grade = Callable[[str, str], float]
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?|[-+]?\.\d+")


def number(gold: str, given: str) -> bool:
    """Whether the last number in an answer is exactly the expected one: "$1,200." is 1200, "12 or 13" is 13."""
    found = _NUMBER.findall(given)
    return bool(found) and _decimal(found[-1]) is not None and _decimal(found[-1]) == _decimal(gold)


def expression(gold: str, given: str) -> bool:
    """Whether an answer is the expected mathematical expression, boxed or bare, compared by ``math-verify``.

    Raises:
        ImportError: If the extra is missing.
    """
    from math_verify import parse, verify

    return bool(
        verify(
            parse(_boxed(gold), parsing_timeout=None), parse(_boxed(given), parsing_timeout=None), timeout_seconds=None
        )
    )


def option(gold: str, given: str) -> bool:
    """Whether an answer names the expected option, such as "(B)": the letter alone, or the only one in parentheses."""
    wanted = gold.strip("() ").upper()
    text = given.strip()
    if re.fullmatch(r"\(?[A-Za-z]\)?[.:]?", text):
        return text.strip("().: ").upper() == wanted
    letters = {letter.upper() for letter in re.findall(r"\(([A-Za-z])\)", text)}
    if not letters:
        start = re.match(r"([A-Za-z])[).:]\s", text)
        letters = {start.group(1).upper()} if start else set()
    return letters == {wanted}


def label(gold: str, given: str) -> bool:
    """Whether an answer is the expected label or sequence, whatever its case, outer white space and final full stop."""
    return _plain(gold) == _plain(given)


def bbh(gold: str, given: str) -> bool:
    """BIG-Bench Hard: an option where the expected answer is one, else the exact text."""
    return option(gold, given) if re.fullmatch(r"\([A-Z]\)", gold.strip()) else label(gold, given)


def fields(gold: str, given: str) -> float:
    """Share of the fields between semicolons that are exactly the expected ones; 0 if there are not as many."""
    wanted, found = ([part.strip() for part in text.split(";")] for text in (gold, given))
    if len(wanted) != len(found):
        return 0.0
    return sum(one == other for one, other in zip(wanted, found, strict=True)) / len(wanted)


def metrics(grade: Grade) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A plain metric and one with feedback (as `dspy.GEPA` wants it) for programs that give an ``answer``."""

    def metric(gold: dspy.Example, pred: Any, trace: Any = None) -> float:
        given = getattr(pred, "answer", None)
        return float(given is not None and grade(str(gold.answer), str(given)))

    def feedback_metric(
        gold: dspy.Example, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> dspy.Prediction:
        score, given = metric(gold, pred), getattr(pred, "answer", None)
        wrong = "Partly wrong" if score else "Wrong"
        said = f"{wrong}. The answer was {given}. The expected answer is {gold.answer}."
        said = f"Right: {given}." if score == 1.0 else said
        return dspy.Prediction(score=score, feedback=said)

    return metric, feedback_metric


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.strip().replace(",", "").rstrip("."))
    except InvalidOperation:
        return None


def _boxed(text: str) -> str:
    """The text as the library wants an expression: in a box or between dollars."""
    return text if "\\boxed" in text or "$" in text else f"${text}$"


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip(".").casefold()
