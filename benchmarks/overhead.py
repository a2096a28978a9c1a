"""CPU time of a whole `compile` against DSPy making the same calls: ``python benchmarks/overhead.py``.

What is measured is what a compile does beside waiting: the simulated model answers at once. It does so in this process,
where a call costs next to nothing, and behind an endpoint in another process, where a call costs what `dspy.LM` costs
with any provider. The runs of the program are made again by `dspy.Evaluate`, the requests of critic and writer by
`dspy.Predict`. All of it in one thread, in turns; what counts is the ratio of what was measured in one turn: the median
over turns.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import click
import dspy
from measuring import quiet, write

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.host.evaluate import Evaluator
from dspy_dlpo.host.program import with_prompts
from dspy_dlpo.host.prompting import PromptModel
from dspy_dlpo.simulation import simulated_lm, simulated_task

SIZES = {"600 runs": 600, "2,000 runs": 2000}
TASKS = ("object_counting", "support_desk")
# A model that DSPy knows the price of, as most users' is.
NAME = "openai/gpt-4o-mini"


@dataclass
class Calls:
    """What a compile asked.

    Args:
        programs: The programs that it ran, each with its examples.
        asks: The requests to the prompt model.
    """

    programs: list[tuple[dspy.Module, list[dspy.Example]]] = field(default_factory=list)
    asks: list[Any] = field(default_factory=list)

    @property
    def runs(self) -> int:
        """Runs of the program."""
        return sum(len(examples) for _, examples in self.programs)


def compiled(task, runs: int) -> None:
    """A compile."""
    optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=runs), num_threads=1)
    optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)


def recorded(task, runs: int) -> Calls:
    """What a compile asks."""
    made: dict[int, tuple[dspy.Module, dspy.Module, list[dspy.Example]]] = {}
    calls, run, answer = Calls(), Evaluator._run, PromptModel._answer

    def recorded_run(self, job):
        program, request = job
        if id(program) not in made:
            made[id(program)] = program, with_prompts(task.program, request.prompts), []
        made[id(program)][2].append(self._examples[request.example])
        return run(self, job)

    def recorded_answer(self, ask):
        calls.asks.append(ask)
        return answer(self, ask)

    Evaluator._run, PromptModel._answer = recorded_run, recorded_answer
    try:
        compiled(task, runs)
    finally:
        Evaluator._run, PromptModel._answer = run, answer
    calls.programs = [(plain, examples) for _, plain, examples in made.values()]
    return calls


def evaluated(task, calls: Calls) -> None:
    """The same runs by DSPy's evaluator."""
    for program, examples in calls.programs:
        dspy.Evaluate(devset=examples, metric=task.metric, num_threads=1, display_progress=False)(program)


def asked(task, calls: Calls) -> None:
    """The same requests of critic and writer, bare."""
    with dspy.context(adapter=dspy.ChatAdapter(use_json_adapter_fallback=False), trace=None):
        for ask in calls.asks:
            dspy.Predict(ask.signature)(**ask.inputs)


def seconds(what, *args) -> float:
    """CPU seconds of this process."""
    began = time.process_time()
    what(*args)
    return time.process_time() - began


@contextlib.contextmanager
def served() -> Iterator[dspy.LM]:
    """The simulated model behind an endpoint, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = f"import logging; logging.disable(); from dspy_dlpo.simulation import serve; serve(port={port})"
    server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=1)
                break
            time.sleep(0.1)
        yield dspy.LM(NAME, api_base=f"http://127.0.0.1:{port}/v1", api_key="none", cache=False)
    finally:
        server.terminate()
        server.wait()


def measured(name: str, runs: int, rounds: int) -> dict[str, float]:
    """CPU milliseconds a run of the program, and ratios."""
    task = simulated_task(name)
    calls, found = recorded(task, runs), defaultdict(list)
    for _ in range(rounds):
        found["compile"].append(seconds(compiled, task, runs))
        found["dspy.Evaluate"].append(seconds(evaluated, task, calls))
        found["requests"].append(seconds(asked, task, calls))
    each = {what: 1000 * statistics.median(values) / calls.runs for what, values in found.items()}
    turns = list(zip(found["compile"], found["dspy.Evaluate"], found["requests"], strict=True))
    each["ratio"] = statistics.median(ours / runs for ours, runs, _ in turns)
    each["ratio to all calls"] = statistics.median(ours / (runs + asks) for ours, runs, asks in turns)
    return {"runs": calls.runs, **each}


@click.command()
@click.option("--rounds", default=9, show_default=True)
def main(rounds: int) -> None:
    """Print CPU milliseconds a run, and the ratios."""
    found: dict[str, dict[str, float]] = {}
    with quiet(), served() as remote:
        for where, lm in {"in this process": simulated_lm(), "over HTTP": remote}.items():
            for task in TASKS:
                for size, runs in SIZES.items():
                    with dspy.context(lm=lm):
                        each = found[f"{where}, {task}, {size}"] = measured(task, runs, rounds)
                    click.echo(f"{where}, {task}, {size}: " + ", ".join(f"{k} {v:.3f}" for k, v in each.items()))
                    write("overhead", found, unit="CPU milliseconds a program run")


if __name__ == "__main__":
    main()
