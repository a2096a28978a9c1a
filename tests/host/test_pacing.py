"""Calls wait for the rates of their models, and for nothing else; the clock is a fake one, so no test waits."""

import asyncio
import time
from types import SimpleNamespace

import dspy
import pytest
from clocks import FakeClock
from dspy.lm15 import RateLimitError
from hypothesis import given
from hypothesis import strategies as st
from scripted import fields, scripted_lm

from dspy_dlpo import Rate
from dspy_dlpo.core.rates import check_rates
from dspy_dlpo.host import threads
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.pacing import Pacing
from dspy_dlpo.host.program import call
from dspy_dlpo.host.threads import Heartbeat
from dspy_dlpo.simulation import engine_of, simulated_lm


class Caller:
    """Makes calls, and keeps when they began."""

    def __init__(self, rates):
        self.clock = FakeClock()
        self.pacing, self.count, self.heartbeat = Pacing(rates, self.clock), 0, Heartbeat()

    def begin(self, model="a", text=""):
        self.count += 1
        self.pacing.begin(str(self.count), model, {"prompt": text}, self.heartbeat)
        return str(self.count)

    def call(self, model="a", tokens=0, takes=0.0):
        call = self.begin(model)
        began, self.clock.time = self.clock.time, self.clock.time + takes
        self.pacing.used(call, tokens)
        return began


def test_requests_are_spread_over_the_minute():
    caller = Caller(Rate(requests=30))
    assert [caller.call() for _ in range(4)] == pytest.approx([0, 2, 4, 6])


def test_time_that_calls_take_is_not_waited_for_again():
    caller = Caller(Rate(requests=30))
    assert [caller.call(takes=3.0) for _ in range(3)] == [0, 3, 6]
    assert caller.clock.waits == []


def test_tokens_that_a_call_took_put_off_the_next():
    caller = Caller(Rate(tokens=30_000))
    assert [caller.call(tokens=tokens) for tokens in (1000, 500, 4000, 0)] == pytest.approx([0, 2, 3, 11])


def test_a_call_under_way_is_taken_to_use_what_its_text_is_long_and_later_what_calls_used_in_the_mean():
    caller = Caller(Rate(tokens=60))
    first = caller.begin(text="x" * 80)  # 20 tokens
    caller.begin()
    assert caller.clock.time == pytest.approx(20)
    caller.pacing.used(first, 10)  # less than it was taken to, so whoever comes now comes earlier
    caller.begin()
    assert caller.clock.time == pytest.approx(20)
    caller.begin()
    assert caller.clock.time == pytest.approx(30), "the third was taken to use 10 tokens, as the first did"


def test_what_a_cache_answers_takes_nothing():
    caller = Caller(Rate(requests=1, tokens=10))
    for _ in range(50):
        caller.pacing.cached(caller.begin(text="x" * 400))
    assert caller.clock.time == 0


def test_a_call_that_failed_was_a_request_and_took_no_tokens():
    caller = Caller(Rate(requests=60, tokens=60))
    caller.pacing.failed(caller.begin(text="x" * 4000), ValueError("broken"))
    caller.begin()
    assert caller.clock.time == pytest.approx(1)


def test_models_do_not_wait_for_each_other():
    caller = Caller(Rate(requests=6))
    assert [caller.call(model) for model in "abcabc"] == pytest.approx([0, 0, 0, 10, 10, 10])


def test_a_model_without_a_rate_waits_for_nothing():
    caller = Caller({"a": Rate(requests=1)})
    assert [caller.call("b") for _ in range(100)] == [0] * 100
    assert caller.clock.waits == []


def test_a_model_that_said_when_to_ask_again_is_left_alone_until_then():
    caller = Caller(Rate(requests=60))
    caller.pacing.failed(caller.begin(), SimpleNamespace(retry_after=45.0))
    caller.begin()
    assert caller.clock.time == pytest.approx(45)
    caller.pacing.failed(caller.begin(), ValueError("no word of time"))
    caller.begin()
    assert caller.clock.time == pytest.approx(47)


@given(
    st.integers(1, 200),
    st.lists(st.tuples(st.floats(0, 90), st.integers(0, 500)), min_size=1, max_size=60),
)
def test_no_minute_holds_more_than_the_rate(requests, calls):
    caller = Caller(Rate(requests=requests, tokens=6000))
    began = [caller.call(takes=takes, tokens=tokens) for takes, tokens in calls]
    for start in began:
        inside = [tokens for at, (_, tokens) in zip(began, calls, strict=True) if start <= at < start + 60 - 1e-3]
        assert len(inside) <= requests + 1e-3
        assert sum(inside[:-1]) <= 6000 + 1e-3, "but for the last, whose tokens were not known as it began"


def test_waiting_is_no_silence():
    caller, seen = Caller(Rate(requests=1)), []
    wait = caller.clock.wait

    def watched(condition, seconds):
        seen.append((caller.heartbeat.last - time.monotonic(), threads._is_late(caller.heartbeat, 0.0)))
        wait(condition, seconds)

    caller.clock.wait = watched
    caller.begin()
    caller.begin()
    assert 50 < seen[0][0] <= 60
    assert all(silent_from > 0 and not late for silent_from, late in seen)
    assert max(caller.clock.waits) <= 1, "so that what else happens in the run does not cut the wait short"
    assert caller.heartbeat.last <= time.monotonic(), "then it counts from now again"


@pytest.mark.parametrize("everywhere", [True, False])
def test_the_calls_of_a_program_wait_however_the_meter_listens(everywhere):
    clock = FakeClock()
    meter = Meter(pacing=Pacing({"scripted/one": Rate(requests=60)}, clock))
    lm = scripted_lm(lambda system, user: fields(answer="x"))
    if not everywhere:
        meter.listening._left = 0
    predict = dspy.Predict("question -> answer")
    for number in range(5):
        with meter.run("task", lm=lm, trace=[]):
            predict(question=str(number))
    assert clock.time == pytest.approx(4)
    assert meter.totals()["task"]["calls"] == 5


def test_the_calls_of_an_async_program_wait_too():
    class Twice(dspy.Module):
        def __init__(self):
            super().__init__()
            self.solve = dspy.Predict("question -> answer")

        async def aforward(self, question):
            return (await asyncio.gather(*[self.solve.acall(question=f"{question} {i}") for i in range(3)]))[0]

    clock, lm = FakeClock(), simulated_lm()
    meter = Meter(pacing=Pacing(Rate(requests=60), clock))
    with meter.run("task", lm=lm, trace=[]):
        call(Twice(), {"question": "how many?"})
    assert engine_of(lm).calls >= 3
    assert clock.time == pytest.approx(engine_of(lm).calls - 1)


def test_tokens_are_those_that_the_model_reports():
    clock = FakeClock()
    meter = Meter(pacing=Pacing({"scripted/one": Rate(tokens=12)}, clock))
    lm = scripted_lm(lambda system, user: fields(answer="x"))  # 12 tokens each
    with meter.role("critic", lm=lm):
        for number in range(3):
            dspy.Predict("question -> answer")(question=str(number))
    assert clock.time == pytest.approx(120)


def test_a_call_that_was_refused_counts_as_a_request():
    def refuse(system, user):
        raise RateLimitError("busy", retry_after=30)

    clock = FakeClock()
    meter = Meter(pacing=Pacing(Rate(requests=60), clock))
    with meter.role("task", lm=scripted_lm(refuse)):
        for _ in range(2):
            with pytest.raises(dspy.LMRateLimitError):
                dspy.Predict("question -> answer")(question="q")
    assert clock.time == pytest.approx(30)


@pytest.mark.parametrize("given", [{"requests": 0}, {"tokens": -1}, {"requests": float("inf")}, {}])
def test_a_rate_that_limits_nothing_is_refused(given):
    with pytest.raises(ValueError, match=r"Pass"):
        Rate(**given)


@pytest.mark.parametrize("given", [500, {"openai/gpt-4o": 500}, [Rate(requests=1)], {1: Rate(requests=1)}])
def test_what_is_no_rate_is_refused_with_the_way_out(given):
    with pytest.raises(TypeError, match=r"Pass Rate\(requests=500\)"):
        check_rates(given)
