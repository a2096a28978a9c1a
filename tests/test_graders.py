"""Graders on hand-made cases."""

import dspy
import pytest

from evaluations import graders

CASES = {
    graders.number: [
        ("1200", "$1,200.", True),
        ("1200", "The answer is 1200", True),
        ("13", "12 or 13", True),
        ("12", "12 or 13", False),
        ("0.5", "0.50", True),
        ("0.5", ".5", True),
        ("-3", "-3", True),
        ("3", "-3", False),
        ("3", "three", False),
        ("3", "", False),
        ("1000000", "1,000,000 dollars", True),
        ("18", "18.0", True),
        ("18", "18.01", False),
    ],
    graders.expression: [
        (r"\frac{1}{2}", r"\boxed{\frac{1}{2}}", True),
        (r"\frac{1}{2}", "0.5", True),
        (r"\frac{1}{2}", "1/2", True),
        (r"\frac{1}{2}", r"\frac{1}{3}", False),
        ("x^2+1", "1+x^2", True),
        ("x^2+1", "x^2-1", False),
        (r"\sqrt{2}", r"\boxed{\sqrt{2}}", True),
        ("(3,4)", "(3, 4)", True),
        ("12", "no idea", False),
    ],
    graders.option: [
        ("(B)", "(B)", True),
        ("(B)", "B", True),
        ("(B)", "b.", True),
        ("(B)", "(B) the second", True),
        ("(B)", "B) the second", True),
        ("(B)", "(A)", False),
        ("(B)", "(A) or (B)", False),
        ("(B)", "Because", False),
        ("(B)", "", False),
        ("(A)", "A good question", False),
    ],
    graders.label: [
        ("positive", "Positive.", True),
        ("positive", " positive\n", True),
        ("positive", "not positive", False),
        ("a b c", "a  b c", True),
        ("a b c", "a c b", False),
        ("yes", "", False),
    ],
    graders.bbh: [("(C)", "The answer is (C)", True), ("valid", "valid", True), ("valid", "invalid", False)],
}


@pytest.mark.parametrize(
    ("grade", "gold", "given", "right"), [(grade, *case) for grade, cases in CASES.items() for case in cases]
)
@pytest.mark.filterwarnings("ignore")
def test_a_grade_is_that_of_a_strict_reader(grade, gold, given, right):
    if grade is graders.expression:
        pytest.importorskip("math_verify")
    assert grade(gold, given) is right


def test_both_metrics_give_the_same_score():
    metric, feedback_metric = graders.metrics(graders.number)
    gold = dspy.Example(question="q", answer="4").with_inputs("question")
    for answer, score in (("4", 1.0), ("5", 0.0)):
        prediction = dspy.Prediction(answer=answer)
        assert metric(gold, prediction) == score
        said = feedback_metric(gold, prediction, None, None, None)
        assert said.score == score
        assert "4" in said.feedback
    assert metric(gold, dspy.Prediction()) == 0.0


@pytest.mark.parametrize(
    ("given", "score"), [("A; b; 1", 1.0), (" A;b; 1 ", 1.0), ("A; b; 2", 2 / 3), ("a; b; 1", 2 / 3), ("A; b", 0.0)]
)
def test_fields_are_graded_one_by_one(given, score):
    assert graders.fields("A; b; 1", given) == pytest.approx(score)


def test_an_answer_that_is_right_in_part_is_told_so():
    gold = dspy.Example(question="q", answer="A; 1").with_inputs("question")
    _, feedback_metric = graders.metrics(graders.fields)
    said = feedback_metric(gold, dspy.Prediction(answer="A; 2"), None, None, None)
    assert said.score == 0.5
    assert said.feedback == "Partly wrong. The answer was A; 2. The expected answer is A; 1."
