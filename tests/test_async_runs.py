"""A run that is awaited: the loop goes on, the program is that of `compile`, and to cancel it loses nothing paid."""

import asyncio
import sys
import threading
from contextvars import ContextVar

import dspy
import pytest
from dspy.utils.callback import BaseCallback
from event_logs import events
from optimizing import TASK, Canceller, LoopGoesOn, Optimizing, assert_same, exact
from waiting import PATIENCE, wait_until

from dspy_dlpo import DLPOTeleprompter, EditJudge
from dspy_dlpo.core.cancelling import is_cancelled
from dspy_dlpo.core.events import What
from dspy_dlpo.core.storage import read_state
from dspy_dlpo.simulation import simulated_lm


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undisturbed run, and what it asked."""
    run = Optimizing(tmp_path_factory.mktemp("whole") / "run")
    return run.compile().detailed_results, run.asked


@pytest.mark.parametrize("threads", [1, 4])
def test_an_awaited_run_is_that_of_compile_and_the_loop_goes_on(threads, whole):
    metric = LoopGoesOn()

    async def main():
        metric.watch()
        return await Optimizing(metric=metric, threads=threads).acompile()

    assert_same(asyncio.run(main()), whole[0])


def test_it_is_done_under_the_settings_and_variables_of_the_caller():
    who, seen = ContextVar("who"), set()

    def metric(gold, pred, trace=None):
        seen.add((who.get(), dspy.settings.max_errors))
        return exact(gold, pred)

    async def main():
        who.set("me")
        with dspy.context(max_errors=77):
            return await Optimizing(metric=metric, threads=2).acompile()

    asyncio.run(main())
    assert seen == {("me", 77)}


def test_what_the_run_raises_is_raised_where_it_is_awaited():
    async def main():
        await DLPOTeleprompter(exact).acompile(TASK.program, trainset=[])

    with dspy.context(lm=simulated_lm()), pytest.raises(ValueError, match="trainset"):
        asyncio.run(main())


# In the opening, in a step, and in the comparison at the end.
@pytest.mark.few(2)
@pytest.mark.parametrize("after", [5, 40, 120])
@pytest.mark.parametrize("threads", [1, 4])
def test_a_cancelled_run_sends_nothing_more_and_goes_on_later(after, threads, whole, tmp_path):
    canceller = Canceller(after)
    first = Optimizing(tmp_path / "run", metric=canceller.metric, threads=threads)
    asyncio.run(canceller.cancelled(first))
    state = read_state(tmp_path / "run")
    # On a busy machine the event loop hears of it late: by then others of the same wave may have begun.
    assert after <= first.asked[0] < after + threads + (EditJudge().wave if threads > 1 else 0)
    assert state.count(What.RUN) == first.asked[0], "what was paid is in the log"
    assert state.missing(What.RUN) == state.missing(What.ASK) == 0
    assert not (tmp_path / "run" / "result.json").exists()
    again = Optimizing(tmp_path / "run", metric=canceller.metric)
    assert_same(asyncio.run(again.acompile()), whole[0])
    assert tuple(map(sum, zip(first.asked, again.asked, strict=True))) == whole[1], "nothing is paid for twice"


@pytest.mark.parametrize("threads", [1, 2])
def test_of_the_requests_of_a_step_none_follows_where_the_run_is_cancelled(threads, whole, tmp_path):
    canceller = Canceller(1)

    class Writing(BaseCallback):
        def on_lm_start(self, call_id, instance, inputs):
            canceller.call()

    first = Optimizing(tmp_path / "run", threads=threads)
    first.prompt.callbacks = [*first.prompt.callbacks, Writing()]
    asyncio.run(canceller.cancelled(first))
    assert 1 <= first.asked[1] <= threads
    assert read_state(tmp_path / "run").missing(What.ASK) == 0
    again = Optimizing(tmp_path / "run")
    assert_same(again.compile(), whole[0])
    assert first.asked[1] + again.asked[1] == whole[1][1]


def test_a_run_that_is_cancelled_between_two_records_goes_on_later(whole, tmp_path):
    canceller = Canceller(2)
    asyncio.run(canceller.cancelled(Optimizing(tmp_path / "run", on_record=lambda record: canceller.call())))
    assert len(read_state(tmp_path / "run").history) == 2
    assert_same(Optimizing(tmp_path / "run").compile(), whole[0])


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout is of Python 3.11")
def test_a_time_limit_around_it_holds(tmp_path):
    async def main():
        loop = asyncio.get_running_loop()

        def metric(gold, pred, trace=None):
            loop.call_soon_threadsafe(limit.reschedule, loop.time())
            wait_until(is_cancelled, "the end of the time limit")
            return 0.0

        async with asyncio.timeout(None) as limit:
            await Optimizing(tmp_path / "run", metric=metric).acompile()

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert len(events(tmp_path / "run", "RunDone")) == 1


def test_to_cancel_twice_does_not_wait_for_a_call_that_hangs(tmp_path):
    hanging, go_on = threading.Event(), threading.Event()

    def metric(gold, pred, trace=None):
        hanging.set()
        go_on.wait(PATIENCE)
        return 0.0

    async def main():
        run = asyncio.create_task(Optimizing(tmp_path / "run", metric=metric).acompile())
        await asyncio.to_thread(hanging.wait, PATIENCE)
        run.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not run.done(), "what is in flight is waited for"
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    go_on.set()
    wait_until(lambda: all(each.name != "dlpo-run" for each in threading.enumerate()), "the end of the run")
    assert len(events(tmp_path / "run", "RunDone")) == 1, "it is written down when it ends"


class Hanging(dspy.Module):
    """An async program that hangs on its sixth run."""

    def __init__(self, hangs):
        super().__init__()
        self.solve, self.hangs, self.runs = dspy.Predict("question -> answer"), hangs, []

    def __deepcopy__(self, memo):
        copied = Hanging(self.hangs)
        copied.solve, copied.runs = self.solve.deepcopy(), self.runs
        return copied

    async def aforward(self, question):
        self.runs.append(question)
        if len(self.runs) == 6:
            self.hangs.set()
            await asyncio.Event().wait()
        return await self.solve.acall(question=question)


def test_a_loop_that_ends_before_the_run_makes_no_failure_of_what_it_cancels(tmp_path):
    async def main():
        hangs = asyncio.Event()
        optimizer = DLPOTeleprompter(exact, log_dir=tmp_path / "run", num_threads=1)
        run = optimizer.acompile(Hanging(hangs), trainset=TASK.trainset, valset=TASK.valset)
        main.run = asyncio.create_task(run)
        await hangs.wait()

    with dspy.context(lm=simulated_lm()):
        asyncio.run(main())
    assert main.run.cancelled()
    rows = [done["row"] for done in events(tmp_path / "run", "RunDone")]
    assert len(rows) == 5
    assert not any(row.get("failure") for row in rows)
