"""Wall time of a whole optimization under latency: ``python benchmarks/concurrency.py``.

The simulated model answers after a fixed time, as a remote one does. Ours is compared with the lower bound: the chain
of calls of which none can begin before those before it have ended, each link as wide as there are threads. MIPROv2 and
GEPA do about as many calls of the same task; what counts is the time for each call made, in units of the latency.
"""

from __future__ import annotations

import contextlib
import io
import math
import threading
import time

import click
import dspy
from dspy.utils.callback import BaseCallback
from measuring import quiet, write

from dspy_dlpo import Budget, DLPOTeleprompter, EditJudge
from dspy_dlpo.host.evaluate import Evaluator
from dspy_dlpo.host.prompting import PromptModel
from dspy_dlpo.simulation import simulated_lm, simulated_task

TASK, RUNS = "object_counting", 600


class Calls(BaseCallback):
    """Counts calls of language models."""

    def __init__(self) -> None:
        self.number, self._lock = 0, threading.Lock()

    def on_lm_start(self, call_id, instance, inputs) -> None:
        """A call begins."""
        with self._lock:
            self.number += 1


@contextlib.contextmanager
def links():
    """Yields the sizes of the groups of calls between two decisions, in order; a run of the program is one call."""
    sizes: list[int] = []
    run, ask = Evaluator.__call__, PromptModel.ask

    def counted_run(self, requests):
        sizes.append(len(requests))
        return run(self, requests)

    def counted_ask(self, asks):
        sizes.append(len(asks))
        return ask(self, asks)

    Evaluator.__call__, PromptModel.ask = counted_run, counted_ask
    try:
        yield sizes
    finally:
        Evaluator.__call__, PromptModel.ask = run, ask


def ours(task, lm, threads: int, **judging) -> None:
    """A compile of ours."""
    optimizer = DLPOTeleprompter(
        task.metric, budget=Budget(metric_calls=RUNS), num_threads=threads, judging=EditJudge(**judging)
    )
    optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)


def miprov2(task, lm, threads: int) -> None:
    """MIPROv2 with its light preset, which makes about as many calls."""
    optimizer = dspy.MIPROv2(metric=task.metric, auto="light", num_threads=threads, prompt_model=lm, task_model=lm)
    optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)


def gepa(task, lm, threads: int) -> None:
    """GEPA with as many metric calls."""

    def feedback(gold, pred, trace=None, pred_name=None, pred_trace=None):
        return dspy.Prediction(score=task.metric(gold, pred), feedback=f"The right answer is {gold.answer}.")

    optimizer = dspy.GEPA(metric=feedback, max_metric_calls=RUNS, reflection_lm=lm, num_threads=threads)
    optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)


ARMS = {
    "DLPO": ours,
    "DLPO, wave=16": lambda task, lm, threads: ours(task, lm, threads, wave=16),
    "MIPROv2": miprov2,
    "GEPA": gepa,
}


def measure(arm: str, latency: float, threads: int) -> dict[str, float]:
    """Wall time, calls, and for ours the lower bound."""
    task, calls = simulated_task(TASK), Calls()
    lm = simulated_lm(latency=latency)
    silence = io.StringIO()
    quietly = contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence)
    with quiet(), quietly[0], quietly[1], dspy.context(lm=lm, callbacks=[calls]), links() as sizes:
        began = time.perf_counter()
        ARMS[arm](task, lm, threads)
        seconds = time.perf_counter() - began
    found = {"seconds": seconds, "calls": calls.number, "latencies a call": seconds / latency / calls.number}
    if sizes:
        bound = latency * sum(math.ceil(size / threads) for size in sizes)
        found |= {"lower bound": bound, "times the bound": seconds / bound}
    return found


@click.command()
@click.option("--latency", "latencies", type=float, multiple=True, default=(0.05, 0.5), show_default=True)
@click.option("--threads", "widths", type=int, multiple=True, default=(1, 8, 32, 128), show_default=True)
@click.option("--longest", default=90.0, show_default=True, help="Leave out what takes longer, in seconds.")
def main(latencies: tuple[float, ...], widths: tuple[int, ...], longest: float) -> None:
    """Print wall times and ratios."""
    found: dict[str, dict[str, float]] = {}
    for latency in latencies:
        for threads in widths:
            if RUNS * latency / threads > longest:
                continue
            for arm in ARMS:
                name = f"{arm}, {1000 * latency:g} ms, {threads} threads"
                found[name] = measure(arm, latency, threads)
                click.echo(f"{name}: " + ", ".join(f"{what} {value:.4g}" for what, value in found[name].items()))
                write("concurrency", found, unit="seconds of wall time", task=TASK, runs=RUNS)


if __name__ == "__main__":
    main()
