"""Async code of one worker runs on one event loop for a whole run, and the loop is closed at its end."""

import asyncio
import threading
from contextvars import copy_context

import dspy
import pytest
from scripted import fields, given, scripted_lm

from dspy_dlpo.core.roles import RunRequest
from dspy_dlpo.host.awaiting import awaited
from dspy_dlpo.host.evaluate import Evaluator
from dspy_dlpo.host.loops import Loops, one_loop
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.host.program import EvaluationCopies

EXAMPLES = [dspy.Example(question=str(i), answer=str(i)).with_inputs("question") for i in range(12)]


class Seen:
    """The loops that program and metric ran on, by question."""

    def __init__(self):
        self.by_question = {}
        self.left = []

    def __deepcopy__(self, memo):
        return self

    def note(self, question):
        loop = asyncio.get_running_loop()
        self.by_question.setdefault(question, []).append(loop)
        if len(self.left) < 3:  # what a client leaves running
            self.left.append(loop.create_task(asyncio.sleep(600)))

    @property
    def loops(self):
        return {loop for loops in self.by_question.values() for loop in loops}


class Program(dspy.Module):
    def __init__(self, seen, all_run=None):
        super().__init__()
        self.seen, self.all_run, self.solve = seen, all_run, dspy.Predict("question -> answer")

    def __deepcopy__(self, memo):
        copied = Program(self.seen, self.all_run)
        copied.solve = self.solve.deepcopy()
        return copied

    async def aforward(self, question):
        self.seen.note(question)
        if self.all_run is not None:
            self.all_run.wait()
        return self.solve(question=question)


def run_twice(seen, threads, all_run=None):
    """Two evaluations of one run."""

    async def metric(gold, pred, trace=None):
        seen.note(gold.question)
        return float(gold.answer == pred.answer)

    program = Program(seen, all_run)
    lm = scripted_lm(lambda system, user: fields(answer=given(user, "question")))
    evaluate = Evaluator(
        EvaluationCopies(program), EXAMPLES, MetricAdapter(metric, (0, 1)), Meter(), task_model=lm, num_threads=threads
    )
    loops = Loops()
    with loops.in_force():
        for rollout in (0, 1):
            rows = evaluate([RunRequest(read_prompts(program), i, rollout) for i in range(12)])
            assert {row.score for row in rows} == {1.0}
    loops.close()


@pytest.mark.parametrize("notebook", [False, True])
def test_one_worker_has_one_loop_for_a_run(notebook):
    seen = Seen()

    async def in_a_loop():
        run_twice(seen, 1)

    if notebook:
        asyncio.run(in_a_loop())
    else:
        run_twice(seen, 1)
    [loop] = seen.loops
    assert loop.is_closed()
    assert all(task.cancelled() for task in seen.left)


def test_each_worker_has_its_own_loop_on_which_a_run_is_scored_too():
    seen = Seen()
    run_twice(seen, 3, threading.Barrier(3))  # three runs are in flight at a time: one that blocks holds up no other
    assert len(seen.loops) == 3
    assert all(len(loops) == 4 and loops[0] is loops[1] and loops[2] is loops[3] for loops in seen.by_question.values())
    assert all(loop.is_closed() for loop in seen.loops)


async def running():
    return asyncio.get_running_loop()


def test_a_loop_of_work_that_was_given_up_is_closed_when_it_ends():
    began, go_on, loops = threading.Event(), threading.Event(), Loops()

    async def slow():
        began.set()
        await asyncio.get_running_loop().run_in_executor(None, go_on.wait)
        return await running()

    def work():
        with loops.in_force(), one_loop():
            found.append(awaited(slow()))

    found = []
    thread = threading.Thread(target=work)
    thread.start()
    began.wait()
    loops.close()
    go_on.set()
    thread.join()
    assert found[0].is_closed()


def test_threads_of_one_run_do_not_share_a_loop_at_a_time():
    both = threading.Barrier(2)

    async def meet():
        both.wait()
        return await running()

    def forward(found):
        found.append(awaited(meet()))

    with one_loop():
        found = []
        threads = [threading.Thread(target=copy_context().run, args=(forward, found)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert awaited(running()) in found
    assert len(set(found)) == 2
    assert all(loop.is_closed() for loop in found)


def test_a_loop_that_another_thread_closes_meanwhile_is_no_fault():
    class Contended(list):
        """Another thread is a moment faster."""

        def pop(self):
            super().pop().close()
            return super().pop()

    loops = Loops()
    loops._idle = Contended([asyncio.new_event_loop()])
    loops.close()
    assert not loops._idle
