"""A run whose pace is the caller's is the run of `compile`, and between two records nothing happens."""

import asyncio
import signal
import threading

import dspy
import pytest
from dspy.lm15 import AuthError
from event_logs import events
from optimizing import CALLS, TASK, Canceller, LoopGoesOn, Optimizing, assert_same, exact
from scripted import scripted_lm
from test_resume import story
from waiting import wait_until

from dspy_dlpo import Budget, DLPOError, DLPOTeleprompter, EndedBy, ModelError
from dspy_dlpo.core.storage import read_state
from dspy_dlpo.simulation import simulated_lm


@pytest.fixture(scope="module")
def whole():
    """An undisturbed run, and what it asked."""
    run = Optimizing()
    return run.compile().detailed_results, run.asked


def steps_of(optimizing):
    return optimizing.optimizer.steps(TASK.program, trainset=TASK.trainset, valset=TASK.valset)


def told(folder):
    """The log, less what the clock says."""
    log = events(folder)
    for event in log:
        for name in ("seconds", "spent"):
            event.get("record", {}).pop(name, None)
    return log


@pytest.mark.parametrize("threads", [1, 4])
def test_record_by_record_it_is_the_run_of_compile(threads, whole, tmp_path):
    seen = []
    run = Optimizing(tmp_path / "run", threads=threads, on_record=seen.append)
    steps = steps_of(run)
    records = list(steps)
    assert records == seen == list(steps.result.history)
    assert_same(steps.program, whole[0])
    assert run.asked == whole[1]
    assert steps.result is steps.program.detailed_results
    if threads == 1:
        Optimizing(tmp_path / "compiled").compile()
        assert told(tmp_path / "run") == told(tmp_path / "compiled")


def test_between_two_records_nothing_is_sent_and_nothing_is_in_force():
    run, handler = Optimizing(threads=4), signal.getsignal(signal.SIGINT)
    callbacks, others = list(run.task.callbacks), set(threading.enumerate())  # calls that hang, of tests before

    def own():
        return [each for each in set(threading.enumerate()) - others if each.name.startswith("dlpo")]

    for record in steps_of(run):
        asked = run.asked
        assert record.kind == "prune" or asked[0] == record.cost
        wait_until(lambda: not own(), "the threads' end")
        assert signal.getsignal(signal.SIGINT) is handler
        assert run.task.callbacks == callbacks
        assert run.asked == asked


def test_nothing_is_sent_before_the_first_record_is_asked_for():
    run = Optimizing()
    steps_of(run)
    assert run.asked == (0, 0)


@pytest.mark.parametrize("end", ["close", "program"])
def test_a_loop_that_is_left_ends_with_the_best_so_far_and_can_be_gone_on_with(end, whole, tmp_path):
    run = Optimizing(tmp_path / "run")
    steps = steps_of(run)
    for record in steps:
        if record.index == 3:
            break
    if end == "close":
        steps.close()
        steps.close()
    result = steps.result
    assert result.ended_by is EndedBy.CLOSED
    assert len(result.history) == 4
    assert result.comparison.start is not None, "the best so far is compared"
    assert run.asked[0] == result.spent["metric_calls"] <= CALLS
    assert next(steps, None) is None
    again = Optimizing(tmp_path / "run").compile().detailed_results
    assert story(again)[:4] == story(whole[0])[:4]
    assert len(again.history) > 4


def test_a_loop_that_is_left_can_be_taken_up_again(whole):
    steps = steps_of(Optimizing())
    first = [next(steps) for _ in range(2)]
    assert [*first, *steps] == list(steps.result.history)
    assert_same(steps.program, whole[0])


def test_what_is_forgotten_lets_go_of_its_directory_and_spends_nothing_more(whole, tmp_path):
    run = Optimizing(tmp_path / "run")
    steps = steps_of(run)
    next(steps)
    next(steps)
    asked = run.asked
    del steps
    assert run.asked == asked
    again = Optimizing(tmp_path / "run")
    assert_same(again.compile(), whole[0])
    assert asked[0] + again.asked[0] == whole[1][0]


def test_it_is_done_under_the_settings_of_where_it_was_made(whole):
    with dspy.context(lm=simulated_lm(0)):
        optimizer = DLPOTeleprompter(exact, prompt_model=simulated_lm(1), budget=Budget(CALLS), num_threads=1)
        steps = optimizer.steps(TASK.program, trainset=TASK.trainset, valset=TASK.valset)
    assert len(list(steps)) == len(whole[0].history)
    assert_same(steps.program, whole[0])


def test_an_error_is_raised_where_it_happens():
    def dead(system, user):
        raise AuthError("invalid key")

    lm, ended = scripted_lm(dead), []

    class Ended:
        def __call__(self, record):
            pass

        def on_end(self, result):
            ended.append(result)

    optimizer = DLPOTeleprompter(exact, task_model=lm, prompt_model=lm, on_record=Ended())
    steps = optimizer.steps(TASK.program, trainset=TASK.trainset, valset=TASK.valset)
    with pytest.raises(ModelError, match="invalid key") as caught:
        next(steps)
    assert ended == [caught.value.result]
    with pytest.raises(DLPOError, match="no program"):
        _ = steps.program


def test_arguments_are_checked_before_a_record_is_asked_for():
    with dspy.context(lm=simulated_lm()), pytest.raises(ValueError, match="trainset"):
        DLPOTeleprompter(exact).steps(TASK.program, trainset=[])


def test_async_for_gives_the_same_while_the_loop_goes_on(whole):
    metric = LoopGoesOn()

    async def main():
        metric.watch()
        steps = steps_of(Optimizing(metric=metric, threads=2))
        records = [record async for record in steps]
        return records, steps.program

    records, program = asyncio.run(main())
    assert records == list(program.detailed_results.history)
    assert_same(program, whole[0])


@pytest.mark.parametrize("waits", [True, False])
def test_an_async_loop_that_is_left_ends_with_the_best_so_far(waits):
    async def main():
        steps = steps_of(Optimizing())
        async for record in steps:
            if record.index == 1:
                break
        if waits:
            await steps.aclose()
        return steps.result

    result = asyncio.run(main())
    assert result.ended_by is EndedBy.CLOSED
    assert len(result.history) == 2


def test_an_async_loop_that_is_cancelled_goes_on_later(whole, tmp_path):
    canceller = Canceller(40)

    class Stepping(Optimizing):
        async def acompile(self):
            async for _ in steps_of(self):
                pass

    asyncio.run(canceller.cancelled(Stepping(tmp_path / "run", metric=canceller.metric)))
    assert read_state(tmp_path / "run").history
    assert_same(Optimizing(tmp_path / "run", metric=canceller.metric).compile(), whole[0])
