"""Multi-step arithmetic (BIG-Bench Hard): "((-1 + 2 + 9 * 5) - (-2 + -4 + -4 * -7)) ="."""

import random
import re
from itertools import pairwise
from typing import Any

from dspy_dlpo.simulation.skills import Skill
from dspy_dlpo.simulation.stage import Knows, Stage

_GROUP = r"\(-?\d+ [-+*] -?\d+ [-+*] -?\d+ [-+*] -?\d+\)"
_QUESTION = re.compile(rf"\({_GROUP} [-+*] {_GROUP}\) =")


def _read(question: str) -> tuple[Any, ...] | None:
    match = re.fullmatch(r"\(\(([^()]+)\) ([-+*]) \(([^()]+)\)\) =", question)
    return (_terms(match[1]), match[2], _terms(match[3])) if match else None


def _terms(text: str) -> tuple[Any, ...]:
    parts = text.split()
    return tuple(int(p) if number % 2 == 0 else p for number, p in enumerate(parts))


def _product(a: int, b: int, knows: Knows) -> int:
    if a < 0 and b < 0 and not knows("two_negatives"):
        return -(a * b)
    if (a < 0) != (b < 0) and a * b and not knows("unlike_signs"):
        return abs(a * b)
    if abs(a * b) > 40 and not knows("tables"):
        return a * b + (10 if a * b > 0 else -10)
    return a * b


def _sum(a: int, op: str, b: int, knows: Knows) -> int:
    if op == "+":
        return a - b if b < 0 and not knows("add_negative") and a > 0 else a + b
    if b < 0 and not knows("minus_minus"):
        return a + b
    return a - b


def _multiplied(terms: list[Any], knows: Knows) -> list[Any]:
    """The terms with every product computed."""
    result: list[Any] = [terms[0]]
    for op, number in zip(terms[1::2], terms[2::2], strict=True):
        if op == "*":
            result[-1] = _product(result[-1], number, knows)
        else:
            result += [op, number]
    return result


def _group(terms: tuple[Any, ...], knows: Knows) -> int:
    parts = list(terms)
    operators = parts[1::2]
    late = any(op == "*" and before != "*" for before, op in pairwise(operators))
    if late and not knows("precedence"):
        total: int = parts[0]
        for op, number in zip(operators, parts[2::2], strict=True):
            total = total * number if op == "*" else total + number if op == "+" else total - number
        return total
    parts = _multiplied(parts, knows)
    if parts[1:2] == ["-"] and len(parts) > 3 and not knows("left_to_right"):
        return int(parts[0]) - _added(parts[2:], knows)
    return _added(parts, knows)


def _added(parts: list[Any], knows: Knows) -> int:
    total: int = parts[0]
    for op, number in zip(parts[1::2], parts[2::2], strict=True):
        total = _sum(total, op, number, knows)
    return total


def _whole(left: int, middle: str, right: int, knows: Knows) -> int:
    if middle == "*":
        exact = left * right
        return exact + 100 if abs(exact) >= 200 and not (knows("write_steps") and knows("long_product")) else exact
    if middle == "-" and right < 0 and not knows("whole_group"):
        return left + right
    return left - right if middle == "-" else left + right


def _solve(data: tuple[Any, ...], knows: Knows) -> str:
    left, middle, right = data
    result = _whole(_group(left, knows), middle, _group(right, knows), knows)
    if result < 0 and not knows("keep_sign"):
        result = -result
    return str(result) if knows("bare_number") else f"= {result}"


def _expression(rng: random.Random, shifted: bool) -> str:
    parts = [str(rng.randint(-9, 9))]
    for _ in range(3):
        parts += [rng.choice("**+-" if shifted else "*+-"), str(rng.randint(-9, 9))]
    return f"({' '.join(parts)})"


def generate(rng: random.Random, shifted: bool = False) -> str:
    """One question; shifted ones multiply more."""
    middle = rng.choice("**+-" if shifted else "*+-")
    return f"({_expression(rng, shifted)} {middle} {_expression(rng, shifted)}) ="


def _slips(answer: str) -> tuple[str, ...]:
    number = re.search(r"-?\d+", answer)
    value = int(number.group()) if number else 0
    return str(value - 1), str(value + 1), str(value + 10)


SKILLS = (
    Skill(
        "precedence",
        0.25,
        ("multipl|product|* before|first|precede|priority|ahead add|subtract|sum|plus|addition",),
        (
            "Multiply before you add or subtract.",
            "Inside parentheses, products come first, then addition and subtraction.",
            "Multiplication takes priority over addition and subtraction.",
        ),
        ("Mind the order of things.", "Mathematics has rules."),
        ("Multiplication must come before addition and subtraction, and it did not.",),
        ("strict|always|simply left right",),
        ("Work strictly from left to right.",),
    ),
    Skill(
        "two_negatives",
        0.25,
        ("two|both product|times|multipl positive|plus", "> minus times|multipl minus plus|positive"),
        (
            "The product of two negative numbers is positive.",
            "Minus times minus makes a positive: multiply and drop both signs.",
        ),
        ("Signs are important.", "Negative numbers need care."),
        ("The product of two negative numbers should be positive.",),
    ),
    Skill(
        "unlike_signs",
        0.20,
        (
            "unlike|different|opposite|mixed sign product|times|multipl|factor negative|minus",
            "positive product|factor negative|minus !two|both",
            "one factor negative product|multipl",
        ),
        (
            "The product of a positive and a negative number is negative.",
            "If exactly one factor is negative, the product has a minus sign.",
        ),
        ("Be attentive with signs.", "Keep an eye on the signs."),
        ("With one negative factor and a positive one, the product is negative, and the sign was lost.",),
    ),
    Skill(
        "minus_minus",
        0.30,
        ("> subtract|minus negative|minus add|plus !product|times|multipl|group|bracket",),
        (
            "Subtracting a negative number is the same as adding it without the sign.",
            "Minus a negative becomes plus: treat it as an addition.",
        ),
        ("Subtraction is not always simple.", "Watch double signs."),
        ("Subtracting a negative is adding, and it was not done as such.",),
    ),
    Skill(
        "add_negative",
        0.25,
        ("> add|plus negative subtract|decreas|lower|smaller|reduc",),
        (
            "Adding a negative number is subtracting: it makes the sum smaller.",
            "Plus a negative lowers the total, so subtract it.",
        ),
        ("Addition can surprise.", "Sums need care."),
        ("Adding a negative number must make the sum smaller, like subtracting.",),
    ),
    Skill(
        "left_to_right",
        0.30,
        ("left right add|subtract|sum|difference|minus|addition",),
        (
            "Do additions and subtractions from left to right.",
            "After that, subtract and add in order from left to right.",
        ),
        ("Order matters.", "Take your time with each group."),
        ("Additions and subtractions were not done from left to right.",),
    ),
    Skill(
        "tables",
        0.20,
        (
            "table|large|big|recall|known product|multiplication|times|multipl "
            "check|exact|careful|recall|verify|known|twice",
        ),
        (
            "Check large products such as 7 * 8 against the times table; recall it exactly.",
            "Verify every big product with the multiplication table.",
        ),
        ("Know your numbers.", "Numbers can be large."),
        ("A large product was off by ten; it should be checked with the times table.",),
    ),
    Skill(
        "whole_group",
        0.35,
        ("second|right|whole|group|parenthes|bracket negative|below_zero subtract|minus",),
        (
            "If the second group is negative, subtract the whole group, which adds.",
            "To subtract a bracket with a negative value, flip its sign as a whole.",
        ),
        ("Brackets have a meaning.", "Groups belong together."),
        ("The second group is negative; to subtract the whole group means to add its size.",),
    ),
    Skill(
        "write_steps",
        0.30,
        ("write|note|show|put_down|record value|result|intermediate|group|step each|every|intermediate|both|partial",),
        (
            "Write down the value of each group first.",
            "Note every intermediate result.",
            "Show both partial results before going on.",
        ),
        ("Work in an orderly way.", "Be structured."),
        ("It should write down the intermediate result of each group before going on.",),
    ),
    Skill(
        "long_product",
        0.30,
        (
            "those|these|them|values|results|two_values|two_results multipl|product|combine "
            "tens|digit|part|split|long|careful",
        ),
        (
            "Then multiply these results by splitting one of them into tens and ones.",
            "Combine those two values with long multiplication, digit by digit.",
        ),
        ("The last step is the hardest.", "Finish with care."),
        ("The last product is off by a hundred; these results should be multiplied digit by digit, in parts.",),
        after="write_steps",
    ),
    Skill(
        "keep_sign",
        0.20,
        ("result|answer|final|end negative|minus|sign keep|include|forget|write|carry|drop|lost|preserve|leave",),
        (
            "Keep the minus sign of a negative result in the answer.",
            "Do not forget the sign when the final result is negative; write it.",
        ),
        ("The result has to be right.", "Read the result again."),
        ("The final answer lost its sign; keep the minus of a negative result.",),
    ),
    Skill(
        "bare_number",
        0.15,
        (
            "only|just|single|nothing_but|bare number|digit|numeral|integer "
            "answer|output|give|respond|reply|write|return !factor",
            "equal|equation|= answer|output|reply without|no|omit|not",
        ),
        (
            "Answer with the number only.",
            "Give just the integer as the answer, nothing else.",
            "Return a single number as output.",
        ),
        ("Format the answer well.", "Keep the answer clean."),
        ("The answer should be the number only.",),
        ("answer|respond|reply full|complete sentence",),
        ("Answer in a full sentence.",),
    ),
)

STAGE = Stage(
    name="multistep_arithmetic_two",
    start="Solve the problem.",
    topic="arithmetic|calculat|comput|expression|multipl|number",
    source="question",
    target="answer",
    skills=SKILLS,
    question=_QUESTION,
    read=_read,
    solve=_solve,
    answer=re.compile(r"(?:= )?(?<![\w.])-?\d+\b"),
    slips=_slips,
)
