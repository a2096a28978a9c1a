"""What critic and writer are told of the answers that there are, and of what went right."""

import enum
from collections import Counter
from typing import Literal

import dspy
import pytest
from scripted import engine, given, intents_named

from dspy_dlpo.core.roles import Row
from dspy_dlpo.host.answers import CONFUSIONS, account_of_answers, expected_answers
from dspy_dlpo.host.evidence import FIELDS, beside
from dspy_dlpo.host.failures import RIGHT, successes
from dspy_dlpo.host.program import fields_of
from dspy_dlpo.host.solved import SOLVED

LABELS = [{"intent": name} for name in ["card lost"] * 3 + ["card late"] * 2 + ["rates"] * 4]


def row(example, score, wanted, given_):
    return Row(example, score, {"message": f"message {example}"}, {"intent": wanted}, {"intent": given_})


def test_answers_that_recur_are_told_with_their_counts_and_confusions():
    rows = [row(0, 0.0, "card lost", "lost"), row(1, 0.0, "card lost", "lost"), row(2, 1.0, "rates", "rates")]
    told = account_of_answers(expected_answers(LABELS), rows, 1.0)
    assert "rates (4), card lost (3), card late (2)" in told
    assert "card lost answered as lost (2)" in told
    assert "rates answered" not in told


@pytest.mark.parametrize(
    "values",
    [
        [str(i) for i in range(5)] * 4,
        [f"answer {i}" for i in range(20)],
        ["the same"] * 20,
        ["a" * 70, "b" * 70] * 10,
        ["12.50 EUR".replace(" EUR", ""), "3,00"] * 8,
        ["", "yes"] * 8,
    ],
    ids=["numbers", "each its own", "one alone", "long", "amounts", "empty"],
)
def test_what_is_no_label_is_not_told(values):
    assert not expected_answers([{"answer": value} for value in values])
    assert account_of_answers({}, [row(0, 0.0, "a", "b")]) == ""


def test_what_is_right_or_of_another_field_is_not_told_as_confused():
    expected = expected_answers([{"label": "billing"}, {"label": "sales"}] * 4)
    two = [Row(i, 0.0, {}, {"label": "billing"}, {"reasoning": "so", "category": "sales"}) for i in range(3)]
    lenient = [Row(i, 1.0, {}, {"label": "billing"}, {"label": "Billing."}) for i in range(3)]
    assert "confused" not in account_of_answers(expected, [*two, *lenient], 1.0)
    assert "confused" not in account_of_answers(
        expected, [Row(0, 0.2, {}, {"label": "billing"}, {"label": "sales"})], None
    )


def test_failures_keep_their_room():
    from dspy_dlpo.host.evidence import Evidence
    from dspy_dlpo.host.fitting import tokens

    long = tuple(((f"Example {i}", None), ("input text", "word " * 200)) for i in range(2))
    told = beside(Evidence(successes=long, answers="label, " * 2000), 1200)
    assert sum(map(tokens, told.values())) <= 800


def test_confusions_are_bounded():
    expected = {"intent": Counter({f"label {i}": 2 for i in range(40)})}
    rows = [row(i, 0.0, f"label {i}", "other") for i in range(40)]
    assert account_of_answers(expected, rows, 1.0).count("answered as") == CONFUSIONS


def test_the_boundary_is_shown_from_both_sides():
    rows = [row(i, 1.0, "rates", "rates") for i in range(6)] + [row(6, 1.0, "card late", "card late")]
    failed = [row(7, 0.0, "card lost", "card late")]
    shown = successes([*rows, *failed], failed, 1.0, "0/1")
    assert len(shown) == RIGHT
    assert shown[0].example == 6, "right where the failed run gave the same answer wrongly"
    assert successes(rows, failed, None, "0/1") == []
    others = [successes(rows, failed, 1.0, f"0/{step}")[1].example for step in range(8)]
    assert len(set(others)) > 2, "others are drawn at each step"


def test_without_room_nothing_is_told_beside():
    from dspy_dlpo.host.evidence import Evidence

    assert beside(Evidence(answers="a (1), b (2)"), 0) == {}


class Urgency(enum.Enum):
    HIGH = "high"
    LOW = "low"


class Triage(dspy.Signature):
    """Triage the ticket."""

    ticket: str = dspy.InputField()
    kind: Literal["bug", "question"] = dspy.OutputField()
    urgency: Urgency = dspy.OutputField(desc="how soon")
    hours: int = dspy.OutputField()
    note: str = dspy.OutputField()


def test_output_types_and_their_options_are_told():
    said = fields_of(dspy.Predict(Triage), "self")
    assert "kind (one of bug, question)" in said
    assert "urgency (one of high, low; how soon)" in said
    assert "hours (int)" in said
    assert said.endswith("note")


@pytest.mark.parametrize("critic", [True, False])
def test_critic_and_writer_are_told_in_a_run(critic):
    names = ["card lost", "card late", "rates"]

    def answer(system, user):
        if "[[ ## critique ## ]]" in system:
            return "[[ ## critique ## ]]\nThe names are missing.\n\n[[ ## completed ## ]]"
        if not system:
            return "CRITIQUE: They are not told.\nADD: Use the names."
        return "[[ ## intent ## ]]\ncard late\n\n[[ ## completed ## ]]"

    better, lm = intents_named(answer, names, 36, 90, critic=critic)
    critics = [user for system, user in engine(lm).asked if "[[ ## critique ## ]]" in system]
    writers = [user for system, user in engine(lm).asked if not system]
    assert (bool(critics), bool(writers)) == (critic, True)
    for user in critics:
        assert "card late (8), card lost (8), rates (8)" in given(user, "answers")
        assert "rates answered as card late" in given(user, "answers")
        assert "-> expected: card late" in given(user, "solved")
        assert "critique" not in given(user, "answers")
    for user in writers:
        told = user.split(f"{FIELDS['answers'].capitalize()}:\n")[1].split("\n\n")[0]
        solved = user.split(f"{FIELDS['solved'].capitalize()}:\n")[1].split("\n\n")[0].splitlines()
        assert "card late (8), card lost (8), rates (8)" in told
        assert "rates answered as card late" in user
        wanted = [line.split(" -> expected: ")[1] for line in solved]
        assert wanted == sorted(names * (SOLVED // 3))
    steps = better.detailed_results.history.steps()
    said = {each.text for record in steps for each in record.gradients}
    assert said == {"The names are missing." if critic else "They are not told."}
    assert max(len(record.gradients) for record in steps) == 2, "two parts of each batch, unless it is too small"
