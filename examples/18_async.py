"""Async: await a run where an event loop runs already, cancel it, and go on with it later.

What is async in the program or the metric runs on your own loop, so a client that was opened there serves it.
Everything runs offline on a simulated language model.
"""

import asyncio
import tempfile
from pathlib import Path

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter, Record
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("object_counting")
directory = Path(tempfile.mkdtemp()) / "run"
records: list[Record] = []


class Service:
    """A client of a web service, which is of use on the event loop that it was opened on alone."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()

    async def score(self, expected: str, answer: str) -> float:
        assert asyncio.get_running_loop() is self.loop
        return float(expected == answer)


async def main() -> None:
    service = Service()

    async def metric(gold: dspy.Example, pred: dspy.Prediction, trace: object = None) -> float:
        return await service.score(gold.answer, pred.answer)

    def optimizing() -> asyncio.Task[dspy.Module]:
        budget = Budget(metric_calls=300)
        optimizer = DLPOTeleprompter(metric, budget=budget, log_dir=directory, on_record=records.append)
        return asyncio.create_task(optimizer.acompile(task.program, trainset=task.trainset, valset=task.valset))

    with dspy.context(lm=simulated_lm()):  # tasks inherit it, and so does the run
        run = optimizing()
        while len(records) < 3:  # the loop is free meanwhile
            await asyncio.sleep(0.01)
        run.cancel()  # as asyncio.timeout(...) around the call would
        await asyncio.wait([run])
        print("cancelled:", run.cancelled(), "after", records[-1].cost, "program runs")
        better = await optimizing()
    print("verdict (simulated model):", better.detailed_results.verdict)


asyncio.run(main())
