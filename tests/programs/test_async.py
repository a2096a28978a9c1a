"""Async programs, tools and metrics whose client serves one event loop alone, as clients of services do."""

import asyncio

import dspy
import pytest
from compiling import TRAIN, VAL, compiled, learned, right, rows_of, scores
from engine import program_lm
from test_modules import AGENT

from dspy_dlpo import Budget, DLPOTeleprompter


class Client:
    """It serves the loop that it is first used on, and refuses another."""

    def __init__(self):
        self.loop, self.served = None, 0

    def __deepcopy__(self, memo):
        return self

    async def get(self, value):
        loop = asyncio.get_running_loop()
        self.loop = self.loop or loop
        if loop is not self.loop:
            raise RuntimeError("got Future attached to a different loop")
        await asyncio.sleep(0)
        self.served += 1
        return value


class Asking(dspy.Module):
    """It asks its client before it answers."""

    def __init__(self, client):
        super().__init__()
        self.client, self.solve = client, dspy.Predict("question -> answer")

    async def aforward(self, question):
        return await self.solve.acall(question=await self.client.get(question))


class Around(dspy.Module):
    """A sync program around an async module that was made sync."""

    def __init__(self, client):
        super().__init__()
        self.inner = dspy.syncify(Asking(client))

    def forward(self, question):
        return self.inner(question=question)


def metric_of(client):
    async def metric(gold, pred, trace=None):
        return await client.get(right(gold, pred))

    return metric


PROGRAMS = {
    "only async": Asking,
    "made sync": lambda client: dspy.syncify(Asking(client)),
    "wrapped": lambda client: dspy.syncify(Asking(client), in_place=False),
    "around one that was made sync": Around,
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_one_worker_serves_a_program_and_its_metric_on_one_loop(kind):
    client = Client()
    student = PROGRAMS[kind](client)
    better = compiled(student, metric=metric_of(client))
    assert learned(better)
    assert client.served >= 2 * better.detailed_results.spent["metric_calls"] > 40
    assert client.loop.is_closed()


@pytest.mark.parametrize("kind", PROGRAMS)
def test_what_is_delivered_is_as_the_user_made_it(kind):
    student = PROGRAMS[kind](Client())
    better = compiled(student)
    made_sync = [each for _, each in better.named_sub_modules(type_=dspy.Module) if "forward" in vars(each)]
    assert len(made_sync) == (kind in ("made sync", "around one that was made sync"))
    assert all(vars(each)["forward"].__module__ == "dspy.utils.syncify" for each in made_sync)


def agent(client):
    async def look_up(number: int) -> str:
        """Look a number up."""
        return await client.get(f"observed {number}")

    return dspy.ReAct("question -> answer", tools=[look_up])


@pytest.mark.few(2)
@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("threads", [1, 4])
def test_async_tools_of_an_agent_are_awaited(allowed, threads):
    client, lm = Client(), program_lm(**AGENT)
    with dspy.context(allow_tool_async_sync_conversion=allowed):
        student = agent(client if threads == 1 else Anywhere())
        better = compiled(student, lm, calls=120, threads=threads)
    assert "react" in learned(better)
    assert better.tools["look_up"].func is student.tools["look_up"].func
    assert "_dlpo_by_acall" not in vars(better)
    if threads == 1:
        assert client.served
        assert client.loop.is_closed()

    async def asked():
        return await better.acall(question=VAL[0].question)

    client.loop = None
    with dspy.context(lm=lm):
        assert asyncio.run(asked()).answer == VAL[0].answer


class Anywhere(Client):
    async def get(self, value):
        return value


def test_tools_that_dspy_may_call_from_sync_code_are_called_from_there():
    client, lm = Client(), program_lm(**AGENT)
    student = agent(client)

    class Sync(dspy.Module):
        def __init__(self):
            super().__init__()
            self.agent = student

        def forward(self, question):
            return self.agent(question=question)

    with dspy.context(allow_tool_async_sync_conversion=True):
        better = compiled(Sync(), lm, calls=120)
    assert client.served
    client.loop = None
    with dspy.context(allow_tool_async_sync_conversion=True):
        assert scores(better, lm, data=VAL[:1]) == 1.0, "the tools of the program are the user's own"


@pytest.mark.parametrize("threads", [1, 4])
def test_an_awaited_run_uses_the_clients_of_the_callers_loop(threads):
    client = Client()

    async def main():
        assert await client.get(1) == 1
        student, metric = Asking(client), metric_of(client)
        optimizer = DLPOTeleprompter(metric, budget=Budget(80), num_threads=threads)
        return await optimizer.acompile(student, trainset=TRAIN, valset=VAL), asyncio.get_running_loop()

    with dspy.context(lm=program_lm()):
        better, loop = asyncio.run(main())
    assert learned(better) == ["solve"]
    assert client.loop is loop
    assert client.served > 2 * better.detailed_results.spent["metric_calls"]


def test_an_async_agent_is_traced_as_a_sync_one():
    lm = program_lm(**AGENT)
    rows = rows_of(agent(Anywhere()), lm, data=VAL[:3])
    assert [[step.predictor for step in row.trace] for row in rows] == [["react", "extract.predict"]] * 3
