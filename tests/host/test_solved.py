"""Training examples beside their expected answers: which are drawn, and how they are told."""

import dspy
import pytest
from scripted import engine, intents_named

from dspy_dlpo.host.answers import expected_answers
from dspy_dlpo.host.evidence import Evidence, beside
from dspy_dlpo.host.solved import SHOWN, SOLVED, SolvedExamples


def solved(inputs, labels, draw="0/1", student=None):
    examples = [dspy.Example(**given, **label).with_inputs(*given) for given, label in zip(inputs, labels, strict=True)]
    return SolvedExamples(student or dspy.Predict("text -> kind"), examples, labels, expected_answers(labels))(draw)


def drawn(counts, draw="0/1", student=None):
    answers = [answer for answer, count in counts.items() for _ in range(count)]
    inputs = [{"text": f"case {i} of {answer}"} for i, answer in enumerate(answers)]
    return solved(inputs, [{"kind": answer} for answer in answers], draw, student)


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ({"a": 30, "b": 30, "c": 30}, {"a": 4, "b": 4, "c": 4}),
        ({"a": 90, "b": 2}, {"a": 10, "b": 2}),
        ({"a": 3, "b": 4}, {"a": 3, "b": 4}),
    ],
    ids=["as many of each", "a rare answer is shown whole", "all that there are"],
)
def test_answers_come_in_turn(counts, shown):
    answers = [answer for answer, _ in drawn(counts)]
    assert {each: answers.count(each) for each in counts} == shown
    assert set(answers[: len(counts)]) == set(counts), "whatever is left out, each answer is there"


def test_of_more_answers_than_are_shown_each_is_shown_once():
    answers = [answer for answer, _ in drawn({f"answer {i:02}": 3 for i in range(30)})]
    assert len(answers) == len(set(answers)) == SOLVED


def test_each_step_draws_its_own_and_the_same_again():
    counts = {"a": 30, "b": 30}
    assert drawn(counts, "0/1") == drawn(counts, "0/1") != drawn(counts, "0/2")
    for answer, text in drawn(counts):
        assert text.endswith(f"of {answer}"), "an answer stands by its own input"


@pytest.mark.parametrize(
    "labels",
    [[{"kind": f"answer {i}"} for i in range(8)], [{"kind": "ab"[i % 2], "tone": "cd"[i % 2]} for i in range(8)], []],
    ids=["no labels", "two fields", "none"],
)
def test_without_one_field_of_labels_nothing_is_drawn(labels):
    assert solved([{"text": "x"}] * len(labels), labels) == []


def test_inputs_stand_on_one_line_each():
    labels = [{"kind": "ab"[i % 2]} for i in range(4)]
    inputs = [{"title": "one\ntwo", "body": "x" * 5000}] * 4
    for _, text in solved(inputs, labels):
        assert text.startswith("title: one two; body: xxx")
        assert "\n" not in text
        assert len(text) < SHOWN + 60


def test_they_stand_in_for_successes_sorted_and_as_far_as_there_is_room():
    right = [(("Example 1", None), ("input text", "it went right"))]
    evidence = Evidence(successes=right, solved=drawn({"a": 30, "b": 30}))
    lines = beside(evidence, 4000)["solved"].splitlines()
    assert len(lines) == SOLVED
    assert [line.rsplit(" ", 1)[1] for line in lines] == ["a"] * 6 + ["b"] * 6
    assert "successes" not in beside(evidence, 4000)
    fewer = beside(evidence, 150)["solved"].splitlines()
    assert 2 <= len(fewer) < SOLVED
    assert {line.rsplit(" ", 1)[1] for line in fewer} == {"a", "b"}
    assert "it went right" in beside(Evidence(successes=right), 4000)["successes"]


class Two(dspy.Module):
    def __init__(self):
        super().__init__()
        self.note = dspy.Predict("message -> note")
        self.name = dspy.Predict("note -> intent")

    def forward(self, message):
        return self.name(note=self.note(message=message).note)


def test_in_a_program_of_several_predictors_runs_are_shown_with_what_each_answered():
    def answer(system, user):
        if not system:
            return "FINDING: They are not told.\nADD: Use the names."
        if "[[ ## critique ## ]]" in system:
            return "[[ ## critique ## ]]\nThe names are missing.\n\n[[ ## completed ## ]]"
        field = "note" if "Your output fields are:\n1. `note`" in system else "intent"
        return f"[[ ## {field} ## ]]\ncard late\n\n[[ ## completed ## ]]"

    assert not drawn({"a": 30, "b": 30}, student=Two())
    _, lm = intents_named(answer, ["card lost", "card late", "rates"], 36, 60, student=Two())
    asked = [system + user for system, user in engine(lm).asked if "card lost (8)" in user]
    assert asked
    assert all("-> expected:" not in text for text in asked)
    assert any("some examples that it got right" in text.lower() for text in asked)
