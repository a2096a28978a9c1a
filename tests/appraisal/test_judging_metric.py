"""A metric is scored twice on the same outputs; what is told of it holds for metrics whose faults are known."""

import json
import random
import re

import dspy
import pytest
from scripted import engine, fields, given, scripted_lm

from dspy_dlpo import HumanLabel, JudgeReport, MetricError, ModelError, ProgramError, Task, judge_metric
from dspy_dlpo.appraisal.labels import read_labels

WORDS = "one two three four five six seven eight nine ten".split()


def task_of(metric, count=60, program=None, **more):
    examples = [dspy.Example(question=str(i), answer=str(i % 2)).with_inputs("question") for i in range(count)]
    return Task(program or dspy.Predict("question -> answer"), metric, examples[: count // 2], examples[count // 2 :])


def answering(text=lambda question: str(int(question) % 2)):
    return scripted_lm(lambda system, user: fields(answer=text(given(user, "question"))))


def exact(gold, pred, trace=None):
    return gold.answer == pred.answer


def test_a_metric_in_code_agrees_with_itself_and_asks_no_model():
    lm = answering()
    with dspy.context(lm=lm):
        report = judge_metric(task_of(exact), examples=20)
    assert len(engine(lm).asked) == 20, "the program runs once an example"
    assert report.scores == ((1.0, 1.0),) * 20
    assert report.noise == report.gain_by_noise(20) == 0
    assert not report.asks_model
    assert report.length is None, "all scores are the same"
    assert "noise: none" in str(report)


def test_noise_is_measured_as_it_was_made():
    """Scores of a standard deviation of 0.1: two of 30 differ in the mean by 1.96 * 0.1 * sqrt(2/30), and no more."""
    rng = random.Random(1)
    with dspy.context(lm=answering()):
        report = judge_metric(task_of(lambda gold, pred: 0.5 + rng.gauss(0, 0.1), count=600), examples=600)
    assert report.noise == pytest.approx(0.1, rel=0.1)
    assert report.gain_by_noise(30) == pytest.approx(0.0506, rel=0.1)
    assert abs(report.repetition.concordance) < 0.15, "nothing but noise"
    assert report.examples == 300, "a gain will be measured on the valset"
    assert report.repetition.kappa is None


def test_a_metric_that_likes_long_outputs_is_seen():
    lm = answering(lambda question: " ".join(WORDS[: 1 + int(question) % 10]))
    with dspy.context(lm=lm):
        report = judge_metric(task_of(lambda gold, pred: len(pred.answer.split()) / 10), examples=60)
    assert report.length.value == pytest.approx(1)
    assert report.length.interval[0] > 0.9


def asking_judge(lm):
    judge = dspy.Predict("question, answer -> verdict")
    judge.lm = lm
    return lambda gold, pred, trace=None: float(judge(question=gold.question, answer=pred.answer).verdict)


def test_the_second_call_of_a_model_is_a_real_one_and_the_cache_is_there_again(tmp_path):
    calls = []
    lm = scripted_lm(
        lambda system, user: calls.append(user) or fields(verdict=str(len(calls) % 2)), name="judge/cached"
    )
    lm.cache = True
    kept = dspy.cache
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    mine = dspy.cache
    try:
        with dspy.context(lm=answering()):
            first = judge_metric(task_of(asking_judge(lm)), examples=10, num_threads=1)
            assert len(calls) == 20
            again = judge_metric(task_of(asking_judge(lm)), examples=10, num_threads=1)
        assert len(calls) == 30, "what the first scoring asked is in the cache, what the second asked is not"
        assert dspy.cache is mine
    finally:
        dspy.cache = kept
    assert first.asks_model
    assert first.spent["metric"]["calls"] == 20
    assert again.spent["metric"]["cache_hits"] == 10
    assert first.spent["task"]["calls"] == 10


def test_the_general_model_is_asked_as_another_rollout():
    asked = []

    class Noting(dspy.utils.callback.BaseCallback):
        def on_lm_start(self, call_id, instance, inputs):
            asked.append(instance.kwargs.get("rollout_id"))

    judge = dspy.Predict("question -> verdict")
    lm = scripted_lm(lambda system, user: fields(verdict="1", answer="1"), callbacks=[Noting()])
    with dspy.context(lm=lm):
        judge_metric(task_of(lambda gold, pred: float(judge(question=gold.question).verdict)), examples=2)
    assert asked[:4] == [None] * 4, "two runs, and the first scoring"
    assert len(set(asked[4:])) == 1
    assert asked[4] is not None


LABELS = [
    HumanLabel({"question": str(i)}, {"answer": str(i % 2 if i < 30 else 2)}, i < 20 or i >= 38) for i in range(40)
]


def test_labels_are_scored_in_place_of_the_programs_outputs():
    """Of 40 the metric says 30 right; people say 22: they agree on 20 right and 8 wrong."""
    lm = answering()
    with dspy.context(lm=lm):
        report = judge_metric(task_of(exact), labels=LABELS)
    assert engine(lm).asked == []
    assert report.human.outputs == 40
    assert report.human.same == pytest.approx(28 / 40)
    by_chance = (30 * 22 + 10 * 18) / 1600
    assert report.human.kappa == pytest.approx((28 / 40 - by_chance) / (1 - by_chance))
    assert report.agreement == report.human.kappa
    assert report.human.shift == pytest.approx(-8 / 40)
    assert "agreement with people: 70% the same" in str(report)


def test_a_noisy_yes_and_no_is_compared_with_people_as_it_is_given_and_not_as_a_half():
    flips = iter([1.0] * 10 + [0.0] * 10)
    labels = [HumanLabel({"question": str(i)}, {"answer": "x"}, True) for i in range(10)]
    with dspy.context(lm=answering()):
        report = judge_metric(
            task_of(lambda gold, pred: next(flips)),
            labels=[*labels[:9], HumanLabel({"question": "9"}, {}, 0)],
            num_threads=1,
        )
    assert report.human.same == pytest.approx(0.9)


def test_a_label_is_completed_by_the_tasks_example_and_may_bring_its_own():
    seen = []

    def metric(gold, pred):
        seen.append((gold.question, gold.get("answer"), pred.answer))
        return 1.0

    labels = [
        HumanLabel({"question": "3"}, {"answer": "x"}, 1),
        HumanLabel({"question": "new", "answer": "y"}, {"answer": "z"}, 0),
    ]
    judge_metric(task_of(metric), labels=labels, num_threads=1)
    assert seen[:2] == [("3", "1", "x"), ("new", "y", "z")]


def test_labels_are_read_from_json_lines_and_a_bad_line_is_named(tmp_path):
    path = tmp_path / "labels.jsonl"
    line = {"example": {"question": "1"}, "output": {"answer": "1"}, "score": True}
    path.write_text(json.dumps(line) + "\n\n" + json.dumps({**line, "score": 0.5}) + "\n")
    assert [each.score for each in read_labels(path)] == [True, 0.5]
    for bad in ("no json", json.dumps({**line, "more": 1}), json.dumps({**line, "score": "good"}), "[1]"):
        path.write_text(json.dumps(line) + "\n" + bad)
        with pytest.raises(ValueError, match=r"Line 2 of .*Write \{"):
            read_labels(path)
    path.write_text("")
    with pytest.raises(ValueError, match="holds no labels"):
        read_labels(path)


def test_outputs_that_fail_are_left_out_and_counted():
    def metric(gold, pred):
        if gold.question in ("1", "2"):
            raise RuntimeError("no")
        return 1.0

    with dspy.context(lm=answering()):
        report = judge_metric(task_of(metric, count=10), examples=10)
    assert len(report.scores) == 8
    assert report.unscored == 2
    assert "2 more could not be run or scored" in str(report)


def test_what_works_nowhere_is_an_error_that_says_why():
    def broken(gold, pred):
        raise RuntimeError("no such luck")

    class Breaking(dspy.Module):
        def __init__(self):
            super().__init__()
            self.predict = dspy.Predict("question -> answer")

        def forward(self, question):
            raise KeyError("gone")

    with dspy.context(lm=answering()):
        with pytest.raises(MetricError, match="no such luck"):
            judge_metric(task_of(broken), examples=4)
        with pytest.raises(ProgramError, match="gone"):
            judge_metric(task_of(exact, program=Breaking()), examples=4)
        with pytest.raises(ValueError, match="labels is empty"):
            judge_metric(task_of(exact), labels=[])
        with pytest.raises(ValueError, match="examples=1"):
            judge_metric(task_of(exact), examples=1)
        with pytest.raises(ValueError, match=re.escape("labels[0].example has no question")):
            judge_metric(task_of(exact), labels=[HumanLabel({}, {"answer": "1"}, 1)])


def test_a_dead_model_ends_it():
    from dspy.lm15 import AuthError

    def dead(system, user):
        raise AuthError("no key")

    with dspy.context(lm=answering()), pytest.raises(ModelError, match="model that the metric asks"):
        judge_metric(task_of(asking_judge(scripted_lm(dead))), examples=4)


def test_the_report_is_plain_data():
    with dspy.context(lm=answering()):
        report = judge_metric(task_of(exact), examples=5)
    assert isinstance(report, JudgeReport)
    data = json.loads(json.dumps(report.to_dict()))
    assert data["repetition"]["same"] == 1
    assert data["gain_by_noise"] == 0
