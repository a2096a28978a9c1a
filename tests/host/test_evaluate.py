"""Wrong is not broken: answers, failures of the program, failures of the transport, and dead models."""

import dspy
import pytest
from dspy.lm15 import AuthError, BillingError, RateLimitError, ServerError, TimeoutError
from scripted import fields, given, scripted_lm

from dspy_dlpo import MetricError, ModelError
from dspy_dlpo.core.roles import RunRequest
from dspy_dlpo.host.evaluate import Evaluator
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.host.program import EvaluationCopies

EXAMPLES = [dspy.Example(question=str(i), answer=str(i)).with_inputs("question") for i in range(12)]
PROGRAM = dspy.Predict("question -> answer")
PROMPTS = read_prompts(PROGRAM)


def equal(gold, pred, trace=None):
    return float(gold.answer == pred.answer)


def evaluator(answer, metric=equal, **kwargs):
    lm = scripted_lm(answer)
    return Evaluator(
        EvaluationCopies(PROGRAM), EXAMPLES, MetricAdapter(metric, (0, 1)), Meter(), task_model=lm, **kwargs
    )


def echo(system, user):
    return fields(answer=given(user, "question"))


def run(evaluate, n=12):
    with dspy.context(adapter=dspy.ChatAdapter(use_json_adapter_fallback=False)):
        return evaluate([RunRequest(PROMPTS, i) for i in range(n)])


@pytest.mark.parametrize("threads", [1, 4, 16])
def test_rows_come_in_the_order_asked(threads):
    rows = run(evaluator(echo, num_threads=threads))
    assert [row.example for row in rows] == list(range(12))
    assert {row.score for row in rows} == {1.0}
    assert rows[3].inputs == {"question": "3"}
    assert rows[3].outputs == {"answer": "3"}
    assert rows[3].trace[0].predictor == "self"


def test_a_wrong_answer_scores_what_the_metric_says():
    row = run(evaluator(lambda system, user: fields(answer="x")), 1)[0]
    assert (row.score, row.failure) == (0.0, "")


def test_an_unreadable_reply_scores_the_low_end_and_is_labelled():
    row = run(evaluator(lambda system, user: "no field at all", low=-1.0), 1)[0]
    assert (row.score, row.failure) == (-1.0, "program")
    assert "AdapterParseError" in row.error


@pytest.mark.parametrize("error", [RateLimitError, ServerError, TimeoutError])
def test_a_call_that_fails_in_transport_is_missing_not_wrong(error):
    def fail(system, user):
        raise error("later")

    row = run(evaluator(fail), 1)[0]
    assert row.score is None
    assert row.failure == "transport"


@pytest.mark.parametrize("error", [AuthError, BillingError])
def test_a_dead_model_ends_everything(error):
    def fail(system, user):
        raise error("no")

    with pytest.raises(ModelError, match="task model"):
        run(evaluator(fail), 1)


def test_a_metric_that_fails_on_its_first_example_ends_everything():
    def broken(gold, pred, trace=None):
        raise KeyError("label")

    with pytest.raises(MetricError, match="KeyError on its first example"):
        run(evaluator(echo, broken), 1)


def test_a_metric_that_fails_later_spoils_one_example_only():
    calls = []

    def fragile(gold, pred, trace=None):
        calls.append(1)
        if gold.answer == "5":
            raise ValueError("cannot read this one")
        return 1.0

    rows = run(evaluator(echo, fragile, num_threads=1))
    assert [row.failure for row in rows] == ["metric" if i == 5 else "" for i in range(12)]
    assert (rows[5].score, rows[5].is_unscored) == (None, True)


def test_what_a_metric_asks_of_a_model_is_not_charged_to_the_task():
    judge = scripted_lm(lambda system, user: fields(verdict="yes"))

    def metric(gold, pred, trace=None):
        with dspy.context(lm=judge):
            return dspy.Predict("answer -> verdict")(answer=pred.answer).verdict == "yes"

    meter = Meter()
    lm = scripted_lm(echo)
    evaluate = Evaluator(EvaluationCopies(PROGRAM), EXAMPLES, MetricAdapter(metric, (0, 1)), meter, task_model=lm)
    evaluate([RunRequest(PROMPTS, 0)])
    assert meter.totals()["task"]["calls"] == 1
    assert meter.totals()["metric"]["calls"] == 1
