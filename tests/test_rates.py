"""Rates slow a run and change nothing else; what a server says of when to ask again is heeded."""

import functools
import http.server
import json
import logging
import threading
from types import SimpleNamespace

import dspy
import pytest
from clocks import FakeClock

from dspy_dlpo import Budget, DLPOTeleprompter, Rate
from dspy_dlpo.host.pacing import Pacing
from dspy_dlpo.run import wiring
from dspy_dlpo.simulation import engine_of, simulated_lm, simulated_task


@pytest.fixture
def clock(monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(wiring, "Pacing", functools.partial(Pacing, clock=clock))
    return clock


def compiled(lm, *, calls=60, **settings):
    task = simulated_task("object_counting", n_train=16, n_val=8)
    models = {"task_model": lm, "prompt_model": lm}
    optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=calls), verbose=False, **models, **settings)
    return optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results


def test_the_result_is_the_same_and_no_minute_holds_more_calls(clock, tmp_path):
    plain = compiled(simulated_lm(), log_dir=tmp_path / "a", num_threads=4)
    assert clock.waits == []
    lm = simulated_lm()
    paced = compiled(lm, log_dir=tmp_path / "b", num_threads=4, rates={lm.model: Rate(requests=120)}, call_timeout=60)
    assert paced.best_prompts == plain.best_prompts
    assert [each.score for each in paced.history] == [each.score for each in plain.history]
    assert clock.time == pytest.approx((engine_of(lm).calls - 1) / 2), "half a second between any two calls"


def test_a_run_goes_on_with_other_rates(clock, tmp_path):
    lm = simulated_lm()
    first = compiled(lm, calls=60, log_dir=tmp_path).spent["metric_calls"]
    assert clock.time == 0
    assert compiled(lm, calls=120, log_dir=tmp_path, rates=Rate(requests=600)).spent["metric_calls"] > first
    assert clock.time > 0


def test_the_estimate_tells_the_time_that_rates_leave():
    lm, task = simulated_lm(), simulated_task("object_counting", n_train=16, n_val=8)
    data = {"trainset": task.trainset, "valset": task.valset}

    def told(**settings):
        optimizer = DLPOTeleprompter(
            task.metric, task_model=lm, prompt_model=lm, budget=Budget(metric_calls=300), **settings
        )
        return optimizer.estimate(task.program, **data)

    plain, paced = told(), told(rates=Rate(requests=10, tokens=1e9))
    assert plain.seconds is None
    assert "minutes" not in str(plain)
    assert paced.seconds.low == pytest.approx(plain.calls.low * 6), "both roles ask one model, and share its rate"
    assert paced.seconds.high == pytest.approx(plain.calls.high * 6)
    assert "minutes at these rates" in str(paced)
    assert told(rates=Rate(tokens=1000)).seconds.high == pytest.approx(plain.tokens.high * 60 / 1000)


def test_rates_say_how_many_runs_a_time_limit_allows():
    lm, task = simulated_lm(), simulated_task("object_counting", n_train=16, n_val=8)
    optimizer = DLPOTeleprompter(
        task.metric, task_model=lm, prompt_model=lm, budget=Budget(seconds=600), rates=Rate(requests=12)
    )
    assert optimizer.estimate(task.program, trainset=task.trainset, valset=task.valset).metric_calls.high == 120


def test_a_rate_for_a_model_that_nobody_knows_is_told(caplog):
    lm = simulated_lm()
    with caplog.at_level(logging.WARNING, logger="dspy_dlpo"):
        compiled(lm, calls=50, rates={"openai/gpt-40": Rate(requests=1)})
    assert "a rate for 'openai/gpt-40'" in caplog.text
    assert lm.model in caplog.text


class Busy(http.server.BaseHTTPRequestHandler):
    """Refuses the first two requests, and says when to come again."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        refused = self.server.asked <= 2
        answer = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
        if not refused:
            message = {"role": "assistant", "content": "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
            answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            answer["usage"] = usage
        body = json.dumps(answer).encode()
        self.send_response(429 if refused else 200)
        if refused:
            self.send_header("Retry-After", "17")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def busy():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    server.asked = 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("engine", ["auto", pytest.param("litellm", marks=pytest.mark.slow)])
def test_retry_after_is_heeded_by_dspy(busy, engine, monkeypatch):
    slept = []
    monkeypatch.setattr("dspy.clients.execution.time", SimpleNamespace(sleep=slept.append))
    base = f"http://127.0.0.1:{busy.server_address[1]}/v1"
    lm = dspy.LM("openai/m", api_base=base, api_key="none", cache=False, num_retries=3, engine=engine)
    with dspy.context(lm=lm):
        assert dspy.Predict("question -> answer")(question="is it?").answer == "yes"
    assert busy.asked == 3
    assert slept == [17.0, 17.0], "as the server said, and not 1 and 2 seconds"
