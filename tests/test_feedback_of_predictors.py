"""A metric written for GEPA works unchanged: it speaks of the runs that critics are shown, and of no others."""

import json
from collections import Counter
from dataclasses import replace

import dspy
import event_logs
import pytest
from dspy.utils.callback import BaseCallback
from event_logs import events

from dspy_dlpo import Budget, DLPOResult, DLPOTeleprompter
from dspy_dlpo.core.roles import Row, TraceStep
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.host.program import EvaluationCopies
from dspy_dlpo.host.replay import run_of, values_of
from dspy_dlpo.simulation import simulated_lm, simulated_task


def gepa_metric(task, calls):
    def metric(gold, pred, trace=None, pred_name=None, pred_trace=None):
        score = task.metric(gold, pred)
        if pred_name is None:
            calls.append((None, gold.ticket, score))
            return score
        own = [step for step in trace if step[0] is pred_trace[0][0]]
        assert len(own) == len(pred_trace) == 1
        calls.append((pred_name, gold.ticket, score))
        words = f"what {pred_name} should do with {pred_trace[0][2]}"
        return dspy.Prediction(score=score, feedback=words, subscores={"tone": 0.25})

    return metric


def compiled(metric, task, calls=120, feedback_calls=None, **options):
    with dspy.context(lm=simulated_lm()):
        optimizer = DLPOTeleprompter(metric, budget=Budget(calls, feedback_calls=feedback_calls), **options)
        return optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results


def lines_of(directory, role):
    if role == "writer":
        return [event for event in events(directory, "ReplyDone") if role in event["spent"]]
    return events(directory, {"task": "RunDone", "feedback": "FeedbackDone"}[role])


@pytest.fixture
def task():
    return simulated_task("support_desk", n_train=30, n_val=10, n_test=1)


def test_each_predictor_of_a_run_that_a_critic_is_shown_is_spoken_of_once(task, tmp_path):
    calls = []
    result = compiled(gepa_metric(task, calls), task, log_dir=tmp_path / "run")
    spoken = [(name, ticket) for name, ticket, _ in calls if name is not None]
    assert {name for name, _ in spoken} == {"extract", "decide"}
    assert all(score < 1 for name, _, score in calls if name is not None)
    shown = sum(len(record.batch) for record in result.history.steps())
    assert 0 < len(spoken) <= 2 * shown
    assert not {ticket for _, ticket in spoken} & {example.ticket for example in task.valset}
    said = [text for line in lines_of(tmp_path / "run", "feedback") for text in line["feedbacks"].values()]
    assert len(said) == len(spoken)
    assert all("should do with" in text and "scores: tone 0.25" in text for text in said)


@pytest.mark.parametrize("threads", [1, 8])
def test_the_bill_tells_how_often_the_metric_was_called(task, threads, tmp_path):
    calls = []
    result = compiled(gepa_metric(task, calls), task, num_threads=threads, log_dir=tmp_path / "run")
    counted = Counter(name is None for name, _, _ in calls)
    assert result.spent["scoring_calls"] == counted[True] <= result.spent["metric_calls"] <= 120
    assert result.spent["feedback_calls"] == counted[False]
    assert DLPOResult.load(tmp_path / "run").spent["feedback_calls"] == counted[False]
    assert compiled(task.metric, task).spent["feedback_calls"] == 0


class Requests(BaseCallback):
    """All that models are asked."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def on_lm_start(self, call_id, instance, inputs):
        self.texts.append(str(inputs))


@pytest.mark.parametrize("critic", [True, False])
def test_critic_and_writer_are_shown_what_the_metric_says_of_their_predictor(task, critic):
    requests = Requests()
    with dspy.context(callbacks=[requests]):
        result = compiled(gepa_metric(task, []), task, num_threads=1, critic=critic)
    for name in ("extract", "decide"):
        told = [text for text in requests.texts if f"feedback: what {name} should do with" in text]
        assert sum(text.count(f"feedback: what {name} should do with") for text in told) >= len(
            result.history.steps()[0].batch
        )
        heads = (f"[[ ## module ## ]]\\n{name}", f"its input and output fields:\\n{name}: given")
        assert all(any(head in text for head in heads) for text in told)


@pytest.mark.few(2)
@pytest.mark.parametrize("limit", [0, 1, 5, 16])
def test_calls_for_feedback_are_limited_and_the_run_goes_on(task, limit, caplog):
    found = []
    for threads in (1, 8):
        calls = []
        result = compiled(gepa_metric(task, calls), task, feedback_calls=limit, num_threads=threads)
        assert sum(name is not None for name, _, _ in calls) == result.spent["feedback_calls"] <= limit
        found.append((result.best_prompts, result.spent["feedback_calls"], result.ended))
    assert found[0] == found[1]
    assert f"feedback_calls={limit}) is used up" in caplog.text


def test_a_limit_of_feedback_alone_is_no_budget():
    with pytest.raises(ValueError, match="sets no limit"):
        Budget(feedback_calls=10)
    with pytest.raises(ValueError, match="feedback_calls=-1"):
        Budget(100, feedback_calls=-1)


class Note:
    """What no record can hold."""

    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text


class WithNote(dspy.Module):
    def __init__(self, program, holds):
        super().__init__()
        self.inner, self.holds = program, holds

    def forward(self, ticket):
        found = self.inner(ticket=ticket)
        note = Note("x") if self.holds == "object" else [1, {"a": None}]
        return dspy.Prediction(**dict(found.items()), note=note)


@pytest.mark.few(2)
@pytest.mark.parametrize("keep", [0.2, 0.4, 0.6, 0.8, 0.95])
@pytest.mark.parametrize("holds", ["object", "values", "nothing"])
def test_a_run_that_was_killed_shows_its_critics_the_same_and_asks_nothing_twice(task, tmp_path, holds, keep):
    if holds != "nothing":
        task = replace(task, program=WithNote(task.program, holds))
    first, again = [], []

    def checked(calls):
        metric = gepa_metric(task, calls)

        def with_note(gold, pred, trace=None, pred_name=None, pred_trace=None):
            if holds != "nothing":
                assert pred.note.text == "x" if holds == "object" else pred.note == [1, {"a": None}]
            return metric(gold, pred, trace, pred_name, pred_trace)

        return with_note

    whole = compiled(checked(first), task, log_dir=tmp_path / "run", num_threads=1)
    requests = [line["ask"] for line in lines_of(tmp_path / "run", "writer")]
    event_logs.keep(tmp_path / "run", int(len(event_logs.lines(tmp_path / "run")) * keep))
    kept = events(tmp_path / "run")
    resumed = compiled(checked(again), task, log_dir=tmp_path / "run", num_threads=1)
    assert resumed.best_prompts == whole.best_prompts
    assert requests
    assert [line["ask"] for line in lines_of(tmp_path / "run", "writer")] == requests
    assert {name: resumed.spent[name] for name in ("scoring_calls", "feedback_calls")} == {
        name: whole.spent[name] for name in ("scoring_calls", "feedback_calls")
    }
    asked_before = sum(1 for line in kept if line["event"] == "FeedbackDone" for _ in line["feedbacks"])
    asked_again = sum(name is not None for name, _, _ in again)
    if holds != "object":
        assert asked_again == whole.spent["feedback_calls"] - asked_before


def test_the_score_counts_as_if_nothing_were_said(task):
    plain, spoken = compiled(task.metric, task), compiled(gepa_metric(task, []), task)
    assert plain.history[0].scores == spoken.history[0].scores


def test_a_metric_that_fails_on_single_predictors_still_scores_and_that_is_told(task, caplog):
    def metric(gold, pred, trace=None, pred_name=None, pred_trace=None):
        if pred_name is not None:
            raise KeyError(pred_name)
        return task.metric(gold, pred)

    assert compiled(metric, task).history[0].score is not None
    assert caplog.text.count("the metric failed where it was to speak of predictor") == 1


def test_an_async_metric_speaks_of_predictors(task):
    plain = gepa_metric(task, [])

    async def metric(gold, pred, trace=None, pred_name=None, pred_trace=None):
        return plain(gold, pred, trace, pred_name, pred_trace)

    assert compiled(metric, task).spent["feedback_calls"] > 0


def test_a_run_of_plain_data_is_put_together_again_as_it_was():
    program = dspy.Predict("question -> answer, score: float")
    copy = EvaluationCopies(program).get(read_prompts(program), 0)
    given, answer = {"question": "q", "k": 3}, dspy.Prediction(answer="a", score=0.5, tags=["x", {"y": [None, True]}])
    texts = {"answer": "a", "score": "0.5", "tags": "..."}
    row = Row(0, 0.0, outputs=texts, trace=(TraceStep("self", {"question": "q", "k": "3"}, texts),))
    values = values_of(row, answer, [(copy, given, answer)])
    prediction, steps = run_of(Row(0, 0.0, outputs=texts, trace=row.trace, values=json.loads(json.dumps(values))), copy)
    assert dict(prediction.items()) == dict(answer.items())
    assert steps[0][0] is copy
    assert steps[0][1] == given
    assert values_of(row, dspy.Prediction(answer="a", score=0.5, tags=(1,)), [(copy, given, answer)]) is None
