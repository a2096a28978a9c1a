"""Boolean expressions (BIG-Bench Hard): "not ( True ) and ( True ) is"."""

import random
import re
from typing import Any

from dspy_dlpo.simulation.skills import Skill
from dspy_dlpo.simulation.stage import Knows, Stage

_TOKEN = r"(?:not|True|False|and|or|\(|\))"
_QUESTION = re.compile(rf"(?:(?:not|\() )*(?:True|False)(?: {_TOKEN})* is\b")


def _read(question: str) -> tuple[Any, ...] | None:
    tokens = question.split()[:-1]
    tree, rest = _or(tokens)
    return None if rest or tree is None else ("root", tree)


def _or(tokens: list[str]) -> tuple[Any, ...]:
    left, rest = _and(tokens)
    while rest[:1] == ["or"]:
        right, rest = _and(rest[1:])
        left = ("or", left, right)
    return left, rest


def _and(tokens: list[str]) -> tuple[Any, ...]:
    left, rest = _atom(tokens)
    while rest[:1] == ["and"]:
        right, rest = _atom(rest[1:])
        left = ("and", left, right)
    return left, rest


def _atom(tokens: list[str]) -> tuple[Any, ...]:
    if not tokens:
        return None, []
    head, rest = tokens[0], tokens[1:]
    if head == "not":
        inner, rest = _atom(rest)
        return ("not", inner), rest
    if head == "(":
        inner, rest = _or(rest)
        return ("group", inner), rest[1:]
    return (head,), rest


def _nots(tree: tuple[Any, ...]) -> tuple[int, tuple[Any, ...]]:
    count = 0
    while tree[0] == "not":
        count, tree = count + 1, tree[1]
    return count, tree


def _negated(tree: tuple[Any, ...], knows: Knows) -> bool:
    count, inner = _nots(tree)
    value = _value(inner, knows)
    if inner[0] == "group" and inner[1][0] in ("and", "or") and not knows("not_group"):
        # The negation reaches only the first part of the group.
        operator, left, right = inner[1]
        first, second = not _value(left, knows), _value(right, knows)
        value = not ((first and second) if operator == "and" else (first or second))
    if count == 2 and not knows("double_not"):
        return not value
    if count > 2 and not knows("many_nots"):
        return not value if count % 2 == 0 else value
    return value if count % 2 == 0 else not value


def _binary(tree: tuple[Any, ...], knows: Knows) -> bool:
    operator, left, right = tree
    a, b = _value(left, knows), _value(right, knows)
    if operator == "or":
        if a != b and not knows("or_one"):
            return False
        return a or b
    if a != b and not knows("and_both"):
        return True
    return a and b


def _value(tree: tuple[Any, ...], knows: Knows) -> bool:
    head = tree[0]
    if head == "not":
        return _negated(tree, knows)
    if head == "group":
        value = _value(tree[1], knows)
        return value if tree[1][0] in ("True", "False") or knows("groups_first") else not value
    return _binary(tree, knows) if head in ("and", "or") else head == "True"


def _mixes(tree: tuple[Any, ...]) -> bool:
    return tree[0] == "or" and any(part[0] == "and" for part in tree[1:])


def _leading_not(tree: tuple[Any, ...]) -> bool:
    while tree[0] in ("and", "or"):
        tree = tree[1]
        if tree[0] == "not":
            return True
    return False


def _solve(data: tuple[Any, ...], knows: Knows) -> str:
    tree = data[1]
    value = _value(tree, knows)
    if _mixes(tree) and not knows("and_first"):
        value = not value
    if _leading_not(tree) and not knows("not_first"):
        value = not value
    if not (knows("write_parts") and knows("combine")):
        value = not value
    return str(value) if knows("words") else str(value).lower()


def generate(rng: random.Random, shifted: bool = False) -> str:
    """One question; shifted ones hold more negations and groups."""
    while True:
        text = _random(rng, rng.randint(3, 5) if shifted else rng.randint(2, 4), 0.65 if shifted else 0.4)
        if len(text.split()) > 4:
            return f"{text} is"


def _random(rng: random.Random, size: int, negate: float) -> str:
    parts: list[str] = []
    while size > 0:
        nots = "not " * (rng.choice((1, 1, 2, 3)) if rng.random() < negate else 0)
        if size >= 2 and rng.random() < 0.35:
            parts.append(
                f"{nots}( {_random(rng, 2, negate) if rng.random() < 0.7 else rng.choice(('True', 'False'))} )"
            )
            size -= 2
        else:
            parts.append(nots + rng.choice(("True", "False")))
            size -= 1
    return "".join(p if i == 0 else f" {rng.choice(('and', 'or'))} {p}" for i, p in enumerate(parts))


def _slips(answer: str) -> tuple[str, ...]:
    return ("False",) if answer.lower() == "true" else ("True",)


SKILLS = (
    Skill(
        "and_first",
        0.2,
        ("> and. before|first|precede|priority|ahead|stronger|tighter or.", "> and. binds or."),
        ("Evaluate 'and' before 'or'.", "The operator 'and' binds tighter than 'or'.", "And has priority over or."),
        ("Operators have an order.", "Logic has its laws."),
        ("The 'and' should have been evaluated before the 'or'.",),
        ("> or. before|first and.",),
        ("Evaluate 'or' first, and only then 'and'.",),
    ),
    Skill(
        "not_first",
        0.14,
        (
            "not.|negation|negat first|before|next|only|binds|immediately|directly|tight "
            "follow|and.|or.|value|operand !group|parenthes|bracket|two|even|odd",
        ),
        ("Apply 'not' first, to the value that follows it directly.", "A negation binds before 'and' and 'or'."),
        ("Negations are tricky.", "Look at each 'not'."),
        ("The 'not' at the front applies only to the value that follows.",),
    ),
    Skill(
        "not_group",
        0.35,
        ("not.|negat group|parenthes|bracket whole|entire|all|complete|everything",),
        ("A 'not' before parentheses negates the whole group.", "Negating a bracket turns its entire value."),
        ("Brackets are there for a reason.", "Parentheses deserve a look."),
        ("The 'not' in front of the parentheses should negate the whole group.",),
    ),
    Skill(
        "double_not",
        0.25,
        ("two|double|pair|second not.|negat cancel|drop|remove|same|nothing|undo|disappear",),
        ("Two 'not' in a row cancel each other.", "A double negation leaves the same value: drop it."),
        ("Repeated words matter.", "Words may repeat."),
        ("Double 'not' should cancel.",),
    ),
    Skill(
        "many_nots",
        0.25,
        ("odd|even|count|number|pairs not.|negat",),
        (
            "Count the 'not' in a row: an even number changes nothing, an odd number negates.",
            "With many negations, only whether their number is odd or even matters.",
        ),
        ("Long rows need patience.", "Do not get lost."),
        ("The number of 'not' in the row is what matters, odd or even.",),
    ),
    Skill(
        "groups_first",
        0.15,
        (
            "parenthes|bracket|group first|before|inner|inside|start evaluat|solve|comput|value|resolve "
            "!negat|whole|entire",
        ),
        (
            "Evaluate what stands inside parentheses first.",
            "Solve each bracket before the rest: compute the inner value.",
        ),
        ("Structure matters.", "Look for structure."),
        ("The parentheses were not evaluated first.",),
    ),
    Skill(
        "or_one",
        0.12,
        ("or. true one|either|any|least|single",),
        ("'or' is True if at least one side is True.", "With 'or', one True part is enough."),
        ("Know your operators.", "Choices can be made."),
        ("'or' is True when one side is True.",),
    ),
    Skill(
        "and_both",
        0.12,
        ("and. false|true both|all|one|any|only|each false|true both|one|any !or.|odd|even",),
        ("'and' is True only if both sides are True.", "With 'and', one False makes it all False."),
        ("Conditions can be strict.", "Both sides matter."),
        ("'and' is True only when both are True.",),
    ),
    Skill(
        "write_parts",
        0.12,
        ("write|note|list|put_down|record value|result each|every|part|term|sub",),
        ("Write down the value of each part.", "Note the result of every term before you go on."),
        ("Work in an orderly way.", "Be structured."),
        ("It lost track; it should write down the value of every part.",),
    ),
    Skill(
        "combine",
        0.12,
        ("then|after|finally|those|these combin|join|evaluat|reduc|simplif value|part|result|them|step",),
        ("Then combine these values step by step.", "After that, reduce those results from the left, step by step."),
        ("Bring it to an end.", "Finish with care."),
        ("Then the values should be combined step by step.",),
        after="write_parts",
    ),
    Skill(
        "words",
        0.06,
        ("true false answer|output|reply|respond|write exactly|capital|only|just|one_of|either|spell|upper",),
        (
            "Answer with exactly True or False, with a capital letter.",
            "The output is only True or False, spelled with a capital.",
        ),
        ("Format the answer well.", "Keep the answer clean."),
        ("The answer should be written True or False with a capital letter.",),
    ),
)

STAGE = Stage(
    name="boolean_expressions",
    start="Say what the value is.",
    topic="boolean|logic|true|false|expression|evaluat|value",
    source="question",
    target="answer",
    skills=SKILLS,
    question=_QUESTION,
    read=_read,
    solve=_solve,
    answer=re.compile(r"\b(?:True|False|true|false)\b"),
    slips=_slips,
)
