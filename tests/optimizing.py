"""A small run on the simulated model, to be made in one way or another, and what cancels one from within."""

import asyncio
import threading

import pytest
from test_resume import story
from waiting import PATIENCE, wait_until

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.core.cancelling import is_cancelled
from dspy_dlpo.simulation import engine_of, simulated_lm, simulated_task

TASK = simulated_task("object_counting", n_train=40, n_val=24)
CALLS = 150


def exact(gold, pred, trace=None):
    return float(gold.answer == pred.answer)


class LoopGoesOn:
    """A metric that scores nothing before the event loop has done something beside the run."""

    def __init__(self):
        self._going = threading.Event()

    def __call__(self, gold, pred, trace=None):
        assert self._going.wait(PATIENCE), "the loop stands still"
        return exact(gold, pred)

    def watch(self):
        """To be called on the loop, as the run begins."""
        asyncio.get_running_loop().call_soon(self._going.set)


class Optimizing:
    """An optimizer with models of its own, and what they were asked."""

    def __init__(self, log_dir=None, metric=exact, threads=1, **settings):
        self.task, self.prompt = simulated_lm(0), simulated_lm(1)
        self.optimizer = DLPOTeleprompter(
            metric,
            task_model=self.task,
            prompt_model=self.prompt,
            budget=Budget(metric_calls=CALLS),
            num_threads=threads,
            log_dir=log_dir,
            **settings,
        )

    @property
    def asked(self):
        return engine_of(self.task).counts.calls, engine_of(self.prompt).counts.calls

    def compile(self):
        return self.optimizer.compile(TASK.program, trainset=TASK.trainset, valset=TASK.valset)

    async def acompile(self):
        return await self.optimizer.acompile(TASK.program, trainset=TASK.trainset, valset=TASK.valset)


def assert_same(better, whole):
    assert better.detailed_results.best_prompts == whole.best_prompts
    assert better.solve.signature.instructions == whole.best_prompts["solve"]
    assert story(better.detailed_results) == story(whole)
    assert better.detailed_results.verdict == whole.verdict


class Canceller:
    """Cancels a run from within one of its calls, and lets that call end."""

    def __init__(self, after):
        self.left, self.lock = after, threading.Lock()
        self.loop = self.run = None

    def call(self):
        with self.lock:
            self.left -= 1
            if self.left != 0:
                return
        self.loop.call_soon_threadsafe(self.run.cancel)
        wait_until(is_cancelled, "a cancelled run")

    def metric(self, gold, pred, trace=None):
        self.call()
        return exact(gold, pred)

    async def cancelled(self, optimizing):
        self.loop, self.run = asyncio.get_running_loop(), asyncio.create_task(optimizing.acompile())
        with pytest.raises(asyncio.CancelledError):
            await self.run
