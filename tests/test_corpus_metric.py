"""`CorpusMetric`: a metric of the whole set chooses the prompt, and makes every score that is said."""

import enum
import json
import math
import random

import dspy
import numpy as np
import pydantic
import pytest
import skewed
from dspy.lm15 import RateLimitError
from event_logs import cut, events, lines, places
from scripted import fields, given, scripted_lm
from skewed import NARROW, TRAIN, VAL, WIDE, Counted, accuracy, compiled, exact, f1, optimizer_of, student
from test_resume import story

from dspy_dlpo import (
    AcceptAll,
    CorpusMetric,
    DLPOResult,
    DLPOTeleprompter,
    EditJudge,
    MetricError,
    ResumeError,
    Review,
    Stopping,
    Task,
    WholeJudge,
    paper_settings,
    seven_techniques,
)
from dspy_dlpo.core.history import Scored, prompts_key
from dspy_dlpo.report.page import make_page
from dspy_dlpo.run.claim import score_on_test, score_prompts
from dspy_dlpo.run.selection import choose

METRIC = CorpusMetric(f1, resamples=200)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "whole"
    return folder, compiled(METRIC, folder)


def answered(folder, which, prompts):
    """Gold and predicted labels as the log has them, by example."""
    found = {}
    for event in events(folder, "RunDone"):
        if event["set"] == which and event["prompts"] == prompts_key(prompts):
            row = event["row"]
            found[row["example"]] = row["expected"]["label"], row["outputs"]["label"]
    return found


def recomputed(folder, which, prompts):
    pairs = answered(folder, which, prompts).values()
    golds, preds = ([dspy.Prediction(label=label) for label in side] for side in zip(*pairs, strict=True))
    return f1(golds, preds)


# --- what is chosen, and what is said ---------------------------------------------------------------------------------


def test_f1_chooses_what_finds_the_few_and_accuracy_what_flags_none(whole):
    _, by_f1 = whole
    by_accuracy = compiled(exact)
    assert WIDE in by_f1.best_prompts["self"]
    assert WIDE not in by_accuracy.best_prompts["self"]
    assert by_f1.comparison.start == 0.0
    assert by_f1.comparison.best == 0.5
    assert by_f1.verdict.startswith("+50.0 points on valset (95% interval")
    low, high = by_f1.comparison.interval
    assert 0 < low < 0.5 < high


def test_every_score_that_is_said_is_that_of_the_logged_answers(whole):
    folder, result = whole
    assert result.comparison.start == recomputed(folder, "val", result.start_prompts)
    assert result.comparison.best == recomputed(folder, "val", result.best_prompts)
    judged = [record for record in result.history if record.complete and record.kind != "prune"]
    assert judged
    for record in judged:
        assert len(record.scores) == len(TRAIN)
        assert record.score == pytest.approx(recomputed(folder, "train", record.proposal))
        assert math.fsum(each for (each,) in record.scores.values()) / len(TRAIN) == pytest.approx(record.score)


def test_no_judgement_stops_early_and_all_examples_are_judged_on_from_the_start(whole):
    _, result = whole
    assert len(result.history[0].batch) == len(TRAIN)
    assert all(record.complete for record in result.history if record.ledger)


def test_a_mean_given_as_a_whole_chooses_what_the_mean_chooses():
    judging = EditJudge(first=len(TRAIN))
    one_by_one = compiled(exact, judging=judging)
    together = compiled(CorpusMetric(accuracy, resamples=4000), judging=judging)
    assert together.best_prompts == one_by_one.best_prompts
    assert together.comparison.best == pytest.approx(one_by_one.comparison.best)
    assert together.comparison.interval == pytest.approx(one_by_one.comparison.interval)


def test_the_writer_is_told_what_an_example_costs():
    asked = []

    def answer(system, user):
        asked.append(user) if "begins with ADD:" in user else None
        return skewed.reply(system, user)

    compiled(METRIC, answer=answer)
    assert "feedback: The score of all 40 examples together is 0; with the expected answer to this one" in asked[0]
    assert any("without this one it would be" in each for each in asked[1:])


def mcc(golds, preds) -> float:
    pairs = [(gold.label == "yes", pred.label == "yes") for gold, pred in zip(golds, preds, strict=True)]
    (tp, tn), (fp, fn) = (
        [pairs.count((x, x)) for x in (True, False)],
        [pairs.count((not x, x)) for x in (True, False)],
    )
    below = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / math.sqrt(below) if below else 0.0


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "settings",
    [
        seven_techniques(),
        paper_settings(),
        {"acceptance": AcceptAll(), "judging": WholeJudge()},
        {"stopping": Stopping(target=0.4)},
    ],
    ids=["seven", "paper", "all", "target"],
)
def test_whatever_the_settings_the_score_is_that_of_the_set(settings, tmp_path):
    result = compiled(CorpusMetric(mcc, resamples=100), tmp_path, calls=260, score_range=(-1.0, 1.0), **settings)
    assert WIDE in result.best_prompts["self"]
    compared = [VAL[x] for x in result.comparison.scores[0]]
    assert result.comparison.best == pytest.approx(mcc(compared, [dspy.Prediction(label=said(x)) for x in compared]))
    gain = result.comparison.difference
    assert result.verdict.startswith(f"{gain:+.3f} on {len(compared)} of 40 valset examples (95% interval +0.")
    for record in result.history:
        if record.complete:
            assert math.fsum(each for (each,) in record.scores.values()) / len(TRAIN) == pytest.approx(record.score)


def said(example) -> str:
    return skewed.labelled(WIDE, int(example.message[8:]))


def test_lost_calls_are_left_out_on_both_sides():
    draw = random.Random(0)

    def answer(system, user):
        if "[[ ## message ## ]]" in user and draw.random() < 0.2:
            raise RateLimitError("busy")
        return skewed.reply(system, user)

    result = compiled(METRIC, answer=answer)
    assert WIDE in result.best_prompts["self"]
    compared = [VAL[x] for x in result.comparison.scores[0]]
    assert result.spent["task"]["failures"] > 10
    assert result.comparison.best == f1(compared, [dspy.Prediction(label=said(x)) for x in compared])


def test_a_run_with_another_metric_writes_nothing_of_sets(tmp_path):
    result = compiled(exact, tmp_path)
    written = (tmp_path / "events.jsonl").read_text() + (tmp_path / "run.json").read_text()
    assert "of_set" not in written
    assert "scores_sets" not in written
    assert not result.history.of_sets


@pytest.mark.slow
@pytest.mark.parametrize("others", [1, 3])
def test_where_nothing_is_gained_a_gain_is_claimed_in_one_run_of_twenty_at_most(others):
    claims, draw = 0, np.random.default_rng(0)
    for seed in range(200):
        golds = draw.random(60) < 0.2
        same = [draw.random(60) < np.where(golds, 0.5, 0.1) for _ in range(others + 1)]
        scored = [_scored(str(k), golds, answers) for k, answers in enumerate(same)]
        chosen, comparison = choose(scored, seed)
        claims += chosen != scored[0].prompts and comparison.interval[0] > 0
    assert claims <= 10


def _scored(name, golds, answers):
    class Sets:
        resamples = 200

        def score(self, examples):
            a, b = golds[examples], answers[examples]
            return 2 * float((a & b).sum()) / max(1.0, float(a.sum() + b.sum()))

        def contributions(self, examples):
            return dict.fromkeys(examples, self.score(examples))

    sets = Sets()
    return Scored({"self": name}, sets.contributions(range(len(golds))), sets, of_set=True)


# --- the same again ---------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_run_whatever_the_threads(whole):
    _, result = whole
    again = compiled(METRIC, num_threads=4)
    assert story(again) == story(result)
    assert again.comparison == result.comparison


@pytest.mark.few(4)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.99, 0.05, 0.1, 0.2, 0.4, 0.6, 0.7, 0.8, 0.95])
def test_a_run_that_was_killed_anywhere_goes_on_to_the_same_result(whole, tmp_path, share):
    folder, result = whole
    kept = max(3, int(share * len(lines(folder))))
    gone_on = compiled(METRIC, cut(folder, tmp_path / "cut", kept))
    assert story(gone_on) == story(result)
    assert gone_on.comparison == result.comparison
    assert gone_on.verdict == result.verdict


def test_another_function_is_another_metric(whole, tmp_path):
    folder, _ = whole
    with pytest.raises(ResumeError, match="metric was"):
        compiled(CorpusMetric(accuracy), cut(folder, tmp_path / "cut", len(lines(folder))))


# --- a metric that does not work --------------------------------------------------------------------------------------


def test_a_mistake_in_the_code_shows_at_the_first_run(tmp_path):
    metric = CorpusMetric(lambda golds, preds: sum(pred.lable == "yes" for pred in preds))
    with pytest.raises(MetricError, match=r"raised AttributeError on 1 examples"):
        compiled(metric, tmp_path)
    assert len(events(tmp_path, "RunDone")) == 1


def test_a_range_that_is_wrong_shows_at_the_first_run(tmp_path):
    with pytest.raises(MetricError, match=r"returned 100, outside score_range=\(0, 1\)") as raised:
        compiled(CorpusMetric(lambda golds, preds: 100.0), tmp_path)
    assert raised.value.result.spent["metric_calls"] == 1
    assert len(events(tmp_path, "RunDone")) == 1


def test_what_was_paid_for_before_a_metric_failed_is_not_paid_for_again(tmp_path):
    def undefined(golds, preds):
        return 1 / sum(pred.label == "yes" for pred in preds)

    with pytest.raises(MetricError, match=r"raised ZeroDivisionError.*where it is undefined"):
        compiled(CorpusMetric(undefined), tmp_path)
    paid = len(events(tmp_path, "RunDone"))
    assert paid == len(TRAIN)
    result = compiled(METRIC, tmp_path)
    assert result.verdict == compiled(METRIC).verdict
    assert len(events(tmp_path, "RunDone")) == result.spent["metric_calls"]
    assert compiled(METRIC, tmp_path).verdict == result.verdict


def test_a_proposal_that_cannot_be_scored_counts_as_the_lowest_and_is_told(caplog, tmp_path):
    def fragile(golds, preds):
        return math.nan if any(pred.label == "yes" for pred in preds) else 0.5

    result = compiled(CorpusMetric(fragile, resamples=100), tmp_path / "whole")
    assert result.best_prompts == result.start_prompts
    half = cut(tmp_path / "whole", tmp_path / "half", places(tmp_path / "whole", "Recorded")[-1] + 1)
    assert compiled(CorpusMetric(fragile, resamples=100), half).verdict == result.verdict
    assert "sets, which count as the lowest" in result.verdict
    assert sum("counts as the lowest score" in each.message for each in caplog.records) >= 1


def test_a_function_that_asks_a_model_is_refused_at_the_first_run(tmp_path):
    judge = scripted_lm(lambda system, user: fields(verdict="yes"), name="scripted/judge")

    def asking(golds, preds):
        with dspy.context(lm=judge):
            return float(dspy.Predict("text -> verdict")(text=preds[0].label).verdict == "yes")

    with pytest.raises(MetricError, match="asks a model") as raised:
        compiled(CorpusMetric(asking), tmp_path)
    assert len(events(tmp_path, "RunDone")) == 1
    assert raised.value.result.spent["metric"]["calls"] == 1


def test_a_score_that_leaves_its_range_later_ends_the_run_with_the_best_so_far():
    def in_percent(golds, preds):
        return 100 * f1(golds, preds)

    with pytest.raises(MetricError, match=r"returned 50, outside score_range=\(0, 1\)") as raised:
        compiled(CorpusMetric(in_percent))
    assert raised.value.result.spent["metric_calls"] <= 3 * len(TRAIN)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: CorpusMetric(3), "must be a function"),
        (lambda: CorpusMetric(lambda golds: 1.0), "cannot be called as f"),
        (lambda: CorpusMetric(f1, failed="none"), "must be a dict"),
        (lambda: CorpusMetric(f1, resamples=10), "at least 100"),
        (lambda: METRIC(TRAIN[0], dspy.Prediction(label="no")), "scores whole sets"),
        (lambda: DLPOTeleprompter(METRIC, score_range=None), "score_range=None does not go"),
        (lambda: DLPOTeleprompter(METRIC, judging=EditJudge(metric_noise=0.1)), "metric_noise=0.1 is that of single"),
        (lambda: DLPOTeleprompter(CorpusMetric), "is a class"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(made, said):
    with pytest.raises((TypeError, ValueError), match=said):
        made()


def test_an_async_function_is_refused():
    async def slow(golds, preds):
        return 1.0

    with pytest.raises(TypeError, match="is async"):
        CorpusMetric(slow)


def test_a_budget_that_does_not_pay_for_the_whole_set_is_refused():
    with pytest.raises(ValueError, match="too small to try one step: 48 runs"):
        compiled(METRIC, calls=40)


# --- what stands for a run --------------------------------------------------------------------------------------------


def failing_on_seven(system, user):
    asked = "[[ ## message ## ]]" in user and given(user, "message") == "message 7"
    return "no form" if asked else skewed.reply(system, user)


@pytest.mark.parametrize(("failed", "stands"), [(None, ""), ({"label": "none"}, "none")])
def test_a_run_that_failed_is_an_empty_answer_or_what_is_given(failed, stands):
    seen = set()

    def watched(golds, preds):
        seen.update(pred.label for gold, pred in zip(golds, preds, strict=True) if gold.message == "message 7")
        return f1(golds, preds)

    compiled(CorpusMetric(watched, failed, resamples=100), answer=failing_on_seven)
    assert seen - {"no"} == {stands}  # "no" where it is asked what the labels would gain


def test_to_break_off_is_no_way_to_be_right():
    """With the wide rule it flags too much; here it gives no answer there, so that F1 of the others is perfect."""

    def answer(system, user):
        if "[[ ## message ## ]]" in user and WIDE in system and not skewed.is_flagged(int(given(user, "message")[8:])):
            return "no form"
        return skewed.reply(system, user)

    result = compiled(METRIC, answer=answer)
    broken = [record for record in result.history if any(WIDE in text for text in record.proposal.values())]
    assert broken[0].score == pytest.approx(0.1)
    assert result.comparison.best <= 0.4  # of the narrow rule


def test_one_example_may_be_undefined():
    def needs_two(golds, preds):
        return f1(golds, preds) if len(golds) > 1 else math.nan

    assert compiled(CorpusMetric(needs_two, resamples=100)).comparison.best == 0.5
    with pytest.raises(MetricError, match="returned None for 1 examples"):
        compiled(CorpusMetric(lambda golds, preds: None))


class Mood(enum.Enum):
    GOOD, BAD = "good", "bad"


class Person(pydantic.BaseModel):
    name: str
    age: int


class Typed(dspy.Signature):
    """Moderate."""

    message: str = dspy.InputField()
    label: bool = dspy.OutputField()
    weight: float = dspy.OutputField()
    mood: Mood = dspy.OutputField()
    people: list[Person] = dspy.OutputField()


def typed_reply(system, user):
    if "begins with ADD:" in user:
        return f"ADD: {WIDE}"
    number = int(given(user, "message")[8:])
    people = json.dumps([{"name": "Ann", "age": number}])
    label = str(skewed.labelled(system, number) == "yes")
    return fields(label=label, weight="0.5", mood="bad", people=people)


def test_answers_keep_their_types_in_a_run_that_goes_on(tmp_path):
    def typed(golds, preds):
        assert all(type(pred.label) is bool and pred.mood is Mood.BAD for pred in preds)
        assert all(
            pred.people[0] == Person(name="Ann", age=int(gold.message[8:]))
            for gold, pred in zip(golds, preds, strict=True)
        )
        assert {type(pred.weight) for pred in preds} == {float}
        return f1([dspy.Prediction(label=gold.label) for gold in golds], [_said(pred) for pred in preds])

    def _said(pred):
        return dspy.Prediction(label="yes" if pred.label else "no")

    def run(folder):
        optimizer = optimizer_of(CorpusMetric(typed, resamples=100), folder, typed_reply)
        return optimizer.compile(dspy.Predict(Typed), trainset=TRAIN, valset=VAL).detailed_results

    result = run(tmp_path / "whole")
    assert result.comparison.best == 0.5
    half = cut(tmp_path / "whole", tmp_path / "half", places(tmp_path / "whole", "Recorded")[1] + 3)
    assert story(run(half)) == story(result)


def test_an_answer_that_no_log_can_hold_is_refused_at_the_first_run(tmp_path):
    class Odd(dspy.Module):
        def __init__(self):
            super().__init__()
            self.ask = student()

        def forward(self, message):
            return dspy.Prediction(label=self.ask(message=message).label, thing=object())

    with pytest.raises(MetricError, match="field 'thing' of the answer is a object, which no log can hold"):
        optimizer_of(METRIC, tmp_path).compile(Odd(), trainset=TRAIN, valset=VAL)
    assert len(events(tmp_path, "RunDone")) == 1


# --- beside the run ---------------------------------------------------------------------------------------------------


def test_the_estimate_says_how_often_the_function_is_called():
    counted = Counted(f1)
    optimizer = optimizer_of(CorpusMetric(counted, resamples=200))
    said = str(optimizer.estimate(student(), trainset=TRAIN, valset=VAL))
    assert "The f of the CorpusMetric asks no model and is called about" in said
    assert not counted.calls
    optimizer.compile(student(), trainset=TRAIN, valset=VAL)
    judging = 340 / 40 * 2 * 41
    assert counted.calls <= judging + 4 * (200 + 41)


def test_the_test_is_scored_by_the_whole_set(whole):
    _, result = whole
    lm = scripted_lm(skewed.reply)
    found = score_on_test(student(), result, METRIC, skewed.examples(400), task_model=lm)
    assert (found.start, found.best, found.difference) == (0.0, 0.5, 0.5)
    scored = score_prompts(
        student(), [result.start_prompts, result.best_prompts], METRIC, skewed.examples(400), task_model=lm
    )
    assert [math.fsum(each.scores.values()) / 40 for each in scored] == pytest.approx([0.0, 0.5])


def test_a_review_compares_what_is_left_by_the_whole_set():
    review = Review(lambda suggestion: "pills" not in suggestion.after)
    result = compiled(METRIC, review=review)
    assert NARROW not in result.best_prompts["self"]
    assert result.comparison.best == 0.5
    nothing = compiled(METRIC, review=Review(lambda suggestion: False))
    assert nothing.best_prompts == nothing.start_prompts


@pytest.mark.slow
def test_the_report_says_how_scores_are_to_be_read(whole, tmp_path):
    folder, result = whole
    pytest.importorskip("matplotlib")
    page = make_page(DLPOResult.load(folder))
    assert any("The metric scores whole sets" in note for note in page.notes)
    assert "whole sets" in result.to_html(tmp_path / "report.html").read_text()
    assert not any("whole sets" in note for note in make_page(compiled(exact)).notes)


def test_a_metric_of_single_outputs_is_what_dlpo_judge_wants():
    from dspy_dlpo import judge_metric

    with pytest.raises(TypeError, match="no single output that could be scored twice"):
        judge_metric(Task(student(), METRIC, TRAIN))


def test_the_doctor_tries_it_on_one_example():
    from dspy_dlpo.cli.checks.tasks import check_metric

    def undefined(golds, preds):
        raise ValueError("one class only")

    lm = scripted_lm(skewed.reply)
    for metric, said in ((f1, "scores the first example alone 0"), (undefined, "cannot score the first example alone")):
        (finding,) = check_metric(Task(student(), CorpusMetric(metric), TRAIN), lm)
        assert finding.level == "ok"
        assert said in finding.said


def test_shortest_and_front_go_by_the_whole_set(whole):
    _, result = whole
    best = max(result.front, key=lambda point: point.score)
    assert best.score == pytest.approx(0.5)
    assert best.error > 0
    short = compiled(METRIC, judging=EditJudge(prefer="shortest"))
    assert short.best_prompts["self"] == WIDE
    assert short.comparison.best == 0.5
