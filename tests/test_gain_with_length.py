"""The verdict says when a gain goes with longer outputs, of a metric that asks a model; and of no other."""

import dspy
import pytest
from scripted import fields, given, scripted_lm

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.core.roles import Row
from dspy_dlpo.run.lengths import length_remark


def pair(words, gain, before=5):
    outputs = {"answer": "word " * before}, {"answer": "word " * words}
    return Row(0, 0.0, outputs=outputs[0]), Row(0, gain, outputs=outputs[1])


def test_a_gain_where_outputs_grew_is_told():
    said = length_remark([pair(5 + i, i / 40) for i in range(20)])
    assert said.startswith("the gain goes with longer outputs: 14 words in the mean, 5 before")
    assert "+1.00" in said


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [pair(5 + i, 0.1) for i in range(20)],
        [pair(5 + i, (20 - i) / 40) for i in range(20)],
        [pair(5 + i % 2, i % 3 / 4) for i in range(24)],
        [pair(40 + i, i / 40, before=100) for i in range(20)],
        [pair(5 + i, i / 40 - 1) for i in range(20)],
        [pair(5 + i, i / 40) for i in range(9)],
        [(Row(0, 0.0), Row(0, 1.0))] * 30,
    ],
    ids=["none", "same gain", "against", "no order", "shorter", "a loss", "too few", "no outputs"],
)
def test_what_shows_no_such_thing_is_not_told(pairs):
    assert length_remark(pairs) == ""


def model(system, user):
    """The program, which answers at length once it is told to; a judge who counts words; and the writer."""
    if "[[ ## question ## ]]" in user:
        return fields(answer=" ".join(["word"] * (int(given(user, "question")) + 1 if "Say all." in system else 1)))
    if "[[ ## answer ## ]]" in user:
        return fields(verdict=str(shown_words(given(user, "answer"))))
    return "ADD: Say all.\nCRITIQUE: The answers are too short."


def shown_words(answer):
    return min(1.0, len(answer.split()) / 60)


@pytest.mark.parametrize("asks", [True, False])
def test_it_is_told_of_a_run_whose_metric_asks_a_model_and_of_no_other(asks):
    judge = dspy.Predict("answer -> verdict")

    def metric(gold, pred, trace=None):
        return float(judge(answer=pred.answer).verdict) if asks else shown_words(pred.answer)

    examples = [dspy.Example(question=str(i)).with_inputs("question") for i in range(48)]
    student = dspy.Predict(dspy.Signature("question -> answer", "Be kind."))
    with dspy.context(lm=scripted_lm(model)):
        optimizer = DLPOTeleprompter(metric, budget=Budget(200), verbose=False, num_threads=1)
        result = optimizer.compile(student, trainset=examples[:24], valset=examples[24:]).detailed_results
    assert "Say all." in result.best_prompts["self"]
    assert ("goes with longer outputs" in result.verdict) == asks
