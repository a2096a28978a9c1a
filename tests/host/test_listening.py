"""Calls are counted and traced wherever they are made, although DSPy is asked to tell of as few as possible."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import dspy
import pytest
from dspy.lm15 import RateLimitError
from scripted import fields, given, scripted_lm

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.core.roles import RunRequest
from dspy_dlpo.host.evaluate import Evaluator
from dspy_dlpo.host.listening import TRIED
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.host.program import EvaluationCopies

N = 4 * TRIED
EXAMPLES = [dspy.Example(question=str(i), answer=str(i)).with_inputs("question") for i in range(N)]


def equal(gold, pred, trace=None):
    return float(pred is not None and gold.answer == pred.answer)


def echo(system, user):
    return fields(answer=given(user, "question"))


def ran(program, lm, known=(), threads=1):
    """The meter, and the rows of a run on every example; the models known are those in `known`."""
    meter = Meter()
    copies = EvaluationCopies(program, listening=meter.listening)
    evaluate = Evaluator(
        copies, EXAMPLES, MetricAdapter(equal, (0, 1)), meter, task_model=lm, num_threads=threads, low=0.0
    )
    prompts = read_prompts(program)
    adapter = dspy.ChatAdapter(use_json_adapter_fallback=False)
    with dspy.context(adapter=adapter), meter.listening.attached(known):
        rows = [row for i in range(N) for row in evaluate([RunRequest(prompts, i)])]
    return meter, rows


class Watching(dspy.Module):
    """Keeps whether a callback stood in DSPy's settings during each run."""

    def __init__(self):
        super().__init__()
        self.answer = dspy.Predict("question -> answer")
        self.seen = []

    def __deepcopy__(self, memo):
        copied = Watching()
        copied.seen = self.seen
        return copied

    def forward(self, question):
        self.seen.append(bool(dspy.settings.callbacks))
        return self.answer(question=question)


def test_where_all_models_are_known_dspy_tells_of_them_alone_after_some_runs():
    program, lm = Watching(), scripted_lm(echo)
    meter, rows = ran(program, lm, [lm])
    assert program.seen == [True] * TRIED + [False] * (N - TRIED)
    assert meter.totals()["task"]["calls"] == N
    assert {row.score for row in rows} == {1.0}
    assert all(row.trace[0].predictor == "answer" for row in rows)


def test_a_model_that_is_not_known_keeps_it_listening_everywhere():
    program = Watching()
    meter, _ = ran(program, scripted_lm(echo))
    assert all(program.seen)
    assert meter.totals()["task"]["calls"] == N


@pytest.mark.parametrize("threads", [1, 8])
def test_failures_and_unreadable_replies_are_seen_all_the_same(threads):
    def answer(system, user):
        number = int(given(user, "question"))
        if number % 3 == 1:
            raise RateLimitError("busy")
        return echo(system, user) if number % 3 else "no field at all"

    lm = scripted_lm(answer)
    meter, rows = ran(dspy.ChainOfThought("question -> answer"), lm, [lm], threads)
    lost = [row for row in rows if row.failure == "transport"]
    assert meter.totals()["task"]["failures"] == len(lost) == sum(i % 3 == 1 for i in range(N))
    unreadable = [row for row in rows if row.example % 3 == 0]
    assert all(row.trace[0].outputs == {"unreadable reply": "no field at all"} for row in unreadable)


class Late(dspy.Module):
    """Calls a model that nobody knows of, from some example on."""

    def __init__(self, late):
        super().__init__()
        self.answer, self.late = dspy.Predict("question -> answer"), [late]  # not a model of the module

    def forward(self, question):
        if int(question) >= 2 * TRIED:
            with dspy.context(lm=self.late[0].copy()):
                dspy.Predict("question -> thought")(question=question)
        return self.answer(question=question)


def test_a_model_that_shows_late_is_counted_from_its_first_billed_call():
    late, lm = scripted_lm(lambda system, user: fields(thought="hm"), name="scripted/late"), scripted_lm(echo)
    meter, rows = ran(Late(late), lm, [lm])
    assert meter.totals()["task"]["calls"] == N + 2 * TRIED
    assert [step.predictor for step in rows[-1].trace] == ["", "answer"]
    assert meter.listening.everywhere


class Copying(dspy.Module):
    """Runs a copy of its predictor."""

    def __init__(self):
        super().__init__()
        self.answer = dspy.ChainOfThought("question -> answer")

    def forward(self, question):
        return self.answer.deepcopy()(question=question)


def test_a_module_that_copies_its_predictors_is_traced_when_they_fail():
    def answer(system, user):
        return fields(reasoning="", answer="x") if int(given(user, "question")) < 2 * TRIED else "no field at all"

    lm = scripted_lm(answer)
    meter, rows = ran(Copying(), lm, [lm])
    assert meter.totals()["task"]["calls"] == N
    assert rows[-1].trace[0].predictor == "answer.predict"
    assert rows[-1].trace[0].outputs == {"unreadable reply": "no field at all"}


def compiled(lm, **settings):
    optimizer = DLPOTeleprompter(equal, budget=Budget(metric_calls=60), num_threads=1, **settings)
    program = dspy.Predict("question -> answer")
    return optimizer.compile(program, trainset=EXAMPLES[:16], valset=EXAMPLES[16:])


def test_a_model_has_its_own_callbacks_again_afterwards():
    heard = []

    class Own(dspy.utils.callback.BaseCallback):
        def on_lm_start(self, call_id, instance, inputs):
            heard.append(call_id)

    own = Own()
    lm = scripted_lm(lambda system, user: fields(answer="x", critique="It is too short.", edits="[]"), callbacks=[own])
    with dspy.context(lm=lm):
        spent = compiled(lm).detailed_results.spent
    assert lm.callbacks == [own]
    assert len(heard) == sum(each["calls"] for each in spent.values() if isinstance(each, dict))


def test_a_model_has_its_own_callbacks_again_after_an_error():
    def interrupted(record):
        raise RuntimeError("enough")

    lm = scripted_lm(lambda system, user: fields(answer="x", critique="It is too short.", edits="[]"))
    with dspy.context(lm=lm), pytest.raises(RuntimeError, match="enough"):
        compiled(lm, on_record=interrupted)
    assert lm.callbacks == []


def test_two_runs_at_a_time_with_one_model_are_counted_apart():
    lm = scripted_lm(lambda system, user: fields(answer="x", critique="It is too short.", edits="[]"))
    with dspy.context(lm=lm), ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(copy_context().run, compiled, lm) for _ in range(2)]
        both = [run.result().detailed_results.spent for run in runs]
    for spent in both:
        assert spent["task"]["calls"] == spent["metric_calls"]
    assert lm.callbacks == []


def test_what_others_ask_of_the_model_meanwhile_is_not_counted():
    lm, meter = scripted_lm(lambda system, user: fields(answer="x", critique="It is too short.", edits="[]")), Meter()
    with meter.listening.attached([lm]), dspy.context(lm=lm):
        dspy.Predict("question -> answer")(question="q")
    assert meter.total().calls == 0


def test_a_model_that_is_listened_to_can_go_to_another_process():
    meter = Meter()
    assert type(pickle.loads(pickle.dumps([meter]))[0]) is dspy.utils.callback.BaseCallback
