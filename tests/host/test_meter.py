from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import dspy
import pytest
from dspy.lm15 import RateLimitError
from scripted import fields, scripted_lm

from dspy_dlpo.host.meter import Meter


@pytest.mark.parametrize("disable_history", [False, True])
def test_calls_and_tokens_are_exact_under_many_threads(disable_history):
    meter, lm = Meter(), scripted_lm(lambda system, user: fields(answer="x"))
    predict = dspy.Predict("question -> answer")

    def call(i):
        with meter.role("task" if i % 3 else "critic", lm=lm, disable_history=disable_history):
            predict(question=str(i))

    with ThreadPoolExecutor(32) as pool:
        for future in [pool.submit(copy_context().run, call, i) for i in range(90)]:
            future.result()
    totals = meter.totals()
    counts = {"calls": 60, "cache_hits": 0, "failures": 0, "input_tokens": 600, "output_tokens": 120}
    assert totals["task"] == {**counts, "usd": None}
    assert totals["critic"]["calls"] == 30


def test_failures_are_counted_apart():
    def fail(system, user):
        raise RateLimitError("busy")

    meter = Meter()
    with meter.role("task", lm=scripted_lm(fail)), pytest.raises(dspy.utils.exceptions.LMRateLimitError):
        dspy.Predict("question -> answer")(question="q")
    assert meter.totals()["task"]["failures"] == 1
    assert meter.totals()["task"]["cache_hits"] == 0


def test_the_users_own_callbacks_stay():
    seen = []

    class Mine(dspy.utils.callback.BaseCallback):
        def on_lm_start(self, call_id, instance, inputs):
            seen.append(call_id)

    lm = scripted_lm(lambda system, user: fields(answer="x"))
    with dspy.context(callbacks=[Mine()]), Meter().role("task", lm=lm):
        dspy.Predict("question -> answer")(question="q")
    assert len(seen) == 1
