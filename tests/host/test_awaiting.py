"""Async programs and metrics are awaited: a coroutine is never a prediction or a score."""

import asyncio

import dspy
import pytest
from scripted import fields, given, scripted_lm

from dspy_dlpo.core.roles import RunRequest
from dspy_dlpo.host.awaiting import awaited
from dspy_dlpo.host.evaluate import Evaluator
from dspy_dlpo.host.meter import Meter
from dspy_dlpo.host.metric import MetricAdapter
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.host.program import EvaluationCopies

EXAMPLES = [dspy.Example(question=str(i), answer=str(i)).with_inputs("question") for i in range(12)]


class Holder(dspy.Module):
    def __init__(self):
        super().__init__()
        self.solve = dspy.Predict("question -> answer")


class AsyncForward(Holder):
    async def forward(self, question):
        await asyncio.sleep(0)
        return self.solve(question=question)


class AsyncOnly(Holder):
    async def aforward(self, question):
        return self.solve(question=question)


class OwnAcall(Holder):
    async def acall(self, question):
        return self.solve(question=question)


class AsyncCall(Holder):
    async def __call__(self, question):
        return self.solve(question=question)


class Gathering(Holder):
    async def forward(self, question):
        async def one():
            await asyncio.sleep(0)
            return self.solve(question=question)

        return (await asyncio.gather(one(), one()))[1]


async def metric(gold, pred, trace=None):
    await asyncio.sleep(0)
    return float(gold.answer == pred.answer)


class Judge(dspy.Module):
    async def forward(self, gold, pred):
        return await metric(gold, pred)


def echo(system, user):
    return fields(answer=given(user, "question"))


def rows_of(program, metric, threads):
    meter, lm = Meter(), scripted_lm(echo)
    evaluate = Evaluator(
        EvaluationCopies(program), EXAMPLES, MetricAdapter(metric, (0, 1)), meter, task_model=lm, num_threads=threads
    )
    return evaluate([RunRequest(read_prompts(program), i) for i in range(12)]), meter


@pytest.mark.parametrize("threads", [1, 8])
@pytest.mark.parametrize("kind", [AsyncForward, AsyncOnly, OwnAcall, AsyncCall, Gathering])
@pytest.mark.parametrize("notebook", [False, True])
def test_an_async_program_is_run_to_its_end_under_the_settings_of_its_run(kind, threads, notebook):
    async def in_a_loop():
        return rows_of(kind(), metric, threads)

    rows, meter = asyncio.run(in_a_loop()) if notebook else rows_of(kind(), metric, threads)
    calls = 2 if kind is Gathering else 1
    assert [row.outputs for row in rows] == [{"answer": str(i)} for i in range(12)]
    assert {row.score for row in rows} == {1.0}
    assert all([step.predictor for step in row.trace] == ["solve"] * calls for row in rows)
    assert meter.totals()["task"]["calls"] == 12 * calls


def test_an_async_module_scores():
    rows, _ = rows_of(AsyncForward(), Judge(), 2)
    assert {row.score for row in rows} == {1.0}


async def one_by_one():
    yield 1


@pytest.mark.parametrize("value", [one_by_one(), (x for x in (1, 2))])
def test_a_generator_is_no_result(value):
    with pytest.raises(TypeError, match="yields its results one by one"):
        awaited(value)


def test_what_awaiting_brings_is_awaited_too():
    async def inner():
        return 3

    async def outer():
        return inner()

    assert awaited(outer()) == 3
    assert awaited(3) == 3
