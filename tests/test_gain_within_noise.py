"""The verdict says when a gain lies within the metric's noise, where that was passed; and of no other run."""

from dataclasses import replace

import dspy
import pytest
from scripted import fields, given, scripted_lm

from dspy_dlpo import Budget, DLPOResult, DLPOTeleprompter, EditJudge, History
from dspy_dlpo.core.result import Comparison
from dspy_dlpo.report.headline import headline
from dspy_dlpo.run.noise import noise_remark

GAIN = Comparison(start=0.5, best=0.55, difference=0.05, interval=(0.01, 0.09), examples=60, candidates=1, chosen=1)
RANGE = {"settings": {"score_range": [0.0, 1.0]}}


def result(noise, **changes):
    return DLPOResult("v", {}, {}, replace(GAIN, scores=({}, {}), **changes), History(), {}, metric_noise=noise)


def test_a_gain_is_within_what_two_scorings_differ_by():
    """Of a noise of 0.2, by 1.96 * 0.2 * sqrt(2 / 60), which is 0.0716, on 60 examples, and by 0.0506 on 120."""
    found = result(0.2)
    assert found.gain_by_noise == pytest.approx(0.0716, abs=1e-4)
    assert found.within_noise is True
    assert "the same 60 outputs differ by up to 7.2 points in the mean" in noise_remark(found, (0.0, 1.0))
    assert "by up to 0.0716 in the mean" in noise_remark(found, None)
    assert result(0.2, examples=120, difference=0.051).within_noise is False


@pytest.mark.parametrize(
    "found",
    [
        result(None),
        result(0.0),
        result(0.1),
        result(0.2, difference=0.0, chosen=0),
        DLPOResult("v", {}, {}, Comparison(), History(), {}, metric_noise=0.2),
    ],
    ids=["unknown", "no noise", "more than noise", "no gain", "nothing compared"],
)
def test_what_shows_no_such_thing_is_not_told(found):
    assert not found.within_noise
    assert noise_remark(found, (0.0, 1.0)) == ""


def test_the_report_says_on_which_side_of_the_noise_the_gain_lies():
    assert "no more than the metric's noise alone may bring: up to 7.2 points" in headline(result(0.2), RANGE).meaning
    assert "more than the metric's noise alone may bring: up to 3.6 points" in headline(result(0.1), RANGE).meaning
    assert "noise" not in headline(result(None), RANGE).meaning
    assert "noise" not in headline(result(0.2, difference=0.0, chosen=0), RANGE).meaning


def compiled(**settings):
    """A run whose metric asks nobody: a third of the questions is answered rightly once the writer has spoken."""

    def model(system, user):
        if "[[ ## question ## ]]" in user:
            return fields(answer="yes" if "Say yes." in system and int(given(user, "question")) % 3 == 0 else "no")
        return "ADD: Say yes.\nCRITIQUE: The answers are wrong."

    examples = [dspy.Example(question=str(i)).with_inputs("question") for i in range(60)]
    student = dspy.Predict(dspy.Signature("question -> answer", "Be kind."))
    with dspy.context(lm=scripted_lm(model)):
        optimizer = DLPOTeleprompter(
            lambda gold, pred, trace=None: pred.answer == "yes",
            budget=Budget(200),
            verbose=False,
            num_threads=1,
            **settings,
        )
        return optimizer.compile(student, trainset=examples[:30], valset=examples[30:]).detailed_results


def test_a_run_that_has_ended_tells_it_when_it_is_called_again_with_the_noise(tmp_path):
    plain = compiled(log_dir=tmp_path)
    assert "noise" not in plain.verdict
    assert plain.gain_by_noise is None
    told = compiled(log_dir=tmp_path, judging=EditJudge(metric_noise=0.8))
    assert told.verdict.startswith(plain.verdict)
    assert "the gain lies within the metric's noise" in told.verdict
    assert told.spent["metric_calls"] == plain.spent["metric_calls"], "and nothing more is spent"
    assert DLPOResult.load(tmp_path).within_noise is True
    assert "noise" not in compiled(log_dir=tmp_path, judging=EditJudge(metric_noise=0.1)).verdict


@pytest.mark.parametrize("noise", [-0.1, float("nan"), "0.1", True])
def test_a_noise_that_is_none_is_told(noise):
    with pytest.raises((TypeError, ValueError), match=r"metric_noise=.*Pass judge_metric"):
        EditJudge(metric_noise=noise)
