"""The budget holds: counted at the engine, with many threads, for every resource."""

from types import SimpleNamespace

import dspy
import pytest
from paying import pay
from scripted import engine, fields, scripted_lm

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.core.budget import Account, BudgetSpent, RunEnds, Used
from dspy_dlpo.core.events import Resumed, RunDone, Sent, What
from dspy_dlpo.core.log import RunLog
from dspy_dlpo.core.roles import Row
from dspy_dlpo.simulation import SimulatedEngine, engine_of, simulated_lm, simulated_task

PRICE, LATENCY = (1.0, 4.0), 0.0005


def compiled(budget, *, name="object_counting", threads=1, latency=0.0, n_val=30, **settings):
    """The result, and the engines of task model and prompt model."""
    task = simulated_task(name, n_train=40, n_val=n_val)
    task_lm, prompt_lm = simulated_lm(0, latency=latency), simulated_lm(1, latency=latency)
    optimizer = DLPOTeleprompter(
        task.metric, task_model=task_lm, prompt_model=prompt_lm, budget=budget, num_threads=threads, **settings
    )
    result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
    return result, engine_of(task_lm).counts, engine_of(prompt_lm).counts


def priced(**limits):
    names = [simulated_lm(seed, latency=latency).model for seed in (0, 1) for latency in (0.0, LATENCY)]
    return Budget(**limits, prices=dict.fromkeys(names, PRICE))


def used(*counts):
    """What the engines counted: calls, tokens and US dollars."""
    tokens_in, tokens_out = (sum(getattr(each, side) for each in counts) for side in ("input_tokens", "output_tokens"))
    usd = (tokens_in * PRICE[0] + tokens_out * PRICE[1]) / 1e6
    return {"lm_calls": sum(each.calls for each in counts), "tokens": tokens_in + tokens_out, "usd": usd}


@pytest.mark.few(6)
@pytest.mark.parametrize("threads", [1, 8, 32])
@pytest.mark.parametrize("name", ["object_counting", "support_desk"])
@pytest.mark.parametrize(("resource", "limit"), [("lm_calls", 300), ("tokens", 90_000), ("usd", 0.1)])
def test_a_limit_is_exceeded_by_no_more_than_what_is_in_flight(resource, limit, name, threads):
    latency = LATENCY if threads > 1 else 0.0
    result, *counts = compiled(priced(**{resource: limit}), name=name, threads=threads, latency=latency)
    spent = used(*counts)[resource]
    runs = result.spent["metric_calls"]
    one_run = max(spent / runs, used(counts[1])[resource] / max(1, counts[1].calls))
    assert spent <= limit + min(threads, 8) * one_run  # a wave of 8 runs is in flight at most
    assert spent >= 0.6 * limit
    assert resource in result.ended or result.ended.startswith("every training example is right")
    assert result.comparison.start is not None, "what selection needs was set aside"


def test_what_is_told_of_the_money_is_what_the_engines_counted():
    result, *counts = compiled(priced(metric_calls=200))
    assert result.spent["usd"] == pytest.approx(used(*counts)["usd"])
    assert result.spent["task"]["usd"] == pytest.approx(used(counts[0])["usd"])


def test_an_unknown_price_is_unknown_and_never_0():
    result, *_ = compiled(Budget(metric_calls=60))
    assert result.spent["usd"] is None
    assert result.spent["task"]["usd"] is None


def test_a_limit_on_money_needs_known_prices_before_anything_is_spent():
    lms = simulated_lm(0), simulated_lm(1)
    task = simulated_task("object_counting", n_train=8, n_val=8)
    for prices in ({}, {lms[0].model: PRICE}):
        optimizer = DLPOTeleprompter(
            task.metric, task_model=lms[0], prompt_model=lms[1], budget=Budget(usd=1.0, prices=prices)
        )
        with pytest.raises(ValueError, match=r"Budget\(usd=1\) cannot be kept: the price of 'simulated/seed1.*prices="):
            optimizer.compile(task.program, trainset=task.trainset)
    assert engine_of(lms[0]).counts.calls == engine_of(lms[1]).counts.calls == 0


def test_a_price_that_turns_out_to_be_unknown_ends_a_run_with_a_limit_on_money():
    judge = scripted_lm(lambda system, user: fields(verdict="yes"), name="scripted/judge")
    task = simulated_task("object_counting", n_train=20, n_val=20)

    def metric(gold, pred, trace=None):
        with dspy.context(lm=judge):
            return float(dspy.Predict("answer -> verdict")(answer=pred.answer).verdict == "no")

    lm = simulated_lm(0)
    optimizer = DLPOTeleprompter(metric, task_model=lm, prompt_model=lm, budget=priced(usd=1.0), num_threads=1)
    result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
    assert "usd" in result.ended
    assert "cannot be told" in result.ended
    assert len(engine(judge).asked) <= 8


def test_time_ends_a_run_and_leaves_time_to_select(monkeypatch):
    """By a clock on which nothing but a call of a model takes time."""
    calls = []

    class Counting(SimulatedEngine):
        def complete(self, request):
            calls.append(request)
            return super().complete(request)

    monkeypatch.setattr("dspy_dlpo.run.expenses.time", SimpleNamespace(monotonic=lambda: 0.01 * len(calls)))
    monkeypatch.setattr("dspy_dlpo.simulation.model.SimulatedEngine", Counting)
    result, *_ = compiled(Budget(seconds=2.0), threads=8)
    assert result.ended == "the budget is spent: seconds"
    assert result.spent["seconds"] < 2.0 + 0.01 * 8
    assert result.comparison.examples > 0


def test_the_first_limit_that_is_reached_ends_the_run():
    result, task_counts, _ = compiled(Budget(metric_calls=1000, lm_calls=150))
    assert result.ended == "the budget is spent: lm_calls"
    assert task_counts.calls <= 150


@pytest.mark.parametrize("calls", [46, 60])
def test_a_small_limit_on_calls_gives_a_result(calls):
    result, *counts = compiled(Budget(lm_calls=calls))
    assert used(*counts)["lm_calls"] <= calls + 2
    assert result.best_prompts


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"tokens": 0}, "tokens=0"),
        ({"lm_calls": 1.5}, "lm_calls=1.5"),
        ({"usd": 0}, "usd=0"),
        ({"usd": -1.0}, "usd=-1.0"),
        ({"seconds": float("inf")}, "seconds=inf"),
        ({"usd": True}, "usd=True"),
        ({"usd": "1"}, "usd='1'"),
        ({"tokens": 5, "prices": {"m": (1, -1)}}, "prices="),
        ({"tokens": 5, "prices": {"m": (1,)}}, "prices="),
        ({}, "sets no limit"),
    ],
)
def test_an_illegal_limit_is_refused(limits, said):
    with pytest.raises((ValueError, TypeError)) as caught:
        Budget(**limits)
    assert said in str(caught.value)


def test_the_clock_of_a_run_follows_the_resource_that_is_nearest_to_its_end():
    total = {"tokens": 0.0}
    account = Account(Budget(metric_calls=100, tokens=1000), used=lambda: Used(total, {"tokens": 1.0}))
    pay(account, 10)
    assert account.progress == pytest.approx(0.1)
    total["tokens"] = 500.0
    assert account.progress == pytest.approx(0.5)


def test_one_run_more_must_fit_beside_those_in_flight():
    account = Account(Budget(tokens=100), used=lambda: Used({"tokens": 60.0}, {"tokens": 15.0}))
    assert account.may_start(0)
    assert account.may_start(1)
    assert not account.may_start(2)
    account.check()


def after_a_kill(sent: int, done: int) -> RunLog:
    """A log that a further process goes on with, after so many runs were sent and so many came back."""
    log = RunLog()
    log.add(Sent(What.RUN, sent))
    for x in range(done):
        log.add(RunDone("train", "a", 0, Row(x, 1.0)))
    log.add(Resumed())
    return log


def test_runs_that_are_recorded_cost_nothing_even_at_the_end():
    log = after_a_kill(sent=6, done=6)
    account = Account(Budget(metric_calls=10), log=log)
    pay(account, 4)
    assert (account.spent, account.left) == (4, 0)
    for x in range(6):
        assert log.take(("run", "train", "a", x, 0)).row == Row(x, 1.0)
    assert (account.spent, account.left, log.state.paid) == (10, 0, 10)
    assert log.take(("run", "train", "a", 0, 0)) is None, "once"
    with pytest.raises(BudgetSpent):
        pay(account, 1)


def test_runs_lost_in_a_crash_are_paid_from_what_is_kept_for_them():
    assert Account(Budget(metric_calls=100), kept=8).left == 92
    assert Account(Budget(metric_calls=100), kept=8, log=after_a_kill(5, 0)).left == 92
    assert Account(Budget(metric_calls=100), kept=8, log=after_a_kill(11, 0)).left == 89
    assert Account(Budget(metric_calls=20), kept=8).left == 18, "of a small budget a tenth is kept"


def test_a_request_to_stop_ends_what_is_not_recorded():
    log = after_a_kill(sent=4, done=4)
    account = Account(Budget(metric_calls=20), log=log, stop=lambda: "enough")
    assert log.take(("run", "train", "a", 0, 0))
    assert account.spent == 1
    with pytest.raises(RunEnds, match="enough") as ended:
        pay(account, 1)
    assert not isinstance(ended.value, BudgetSpent)
    assert not account.may_start(0)
