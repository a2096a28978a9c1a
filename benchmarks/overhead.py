"""CPU time of a whole `compile` against `dspy.Evaluate` doing the same runs: ``python benchmarks/overhead.py``.

The simulated model answers at once, so what is measured is what the two do beside waiting. Both run one thread, in
turns; the ratio of the medians of one run is what counts.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict

import click
import dspy
from measuring import quiet, write

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.host.evaluate import Evaluator
from dspy_dlpo.simulation import simulated_lm, simulated_task

SIZES = {"600 runs": 600, "2,000 runs": 2000}
TASKS = ("object_counting", "support_desk")


def compiled(task, runs: int) -> float:
    """CPU seconds of a compile."""
    began = time.process_time()
    optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=runs), num_threads=1)
    optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
    return time.process_time() - began


def recorded(task, runs: int) -> list[tuple[dspy.Module, list[dspy.Example]]]:
    """The programs that a compile runs, each with its examples."""
    made: dict[int, tuple[dspy.Module, list[dspy.Example]]] = {}
    original = Evaluator._run

    def run(self, job):
        program, request = job
        made.setdefault(id(program), (program, []))[1].append(self._examples[request.example])
        return original(self, job)

    Evaluator._run = run
    try:
        compiled(task, runs)
    finally:
        Evaluator._run = original
    return list(made.values())


def evaluated(task, programs) -> float:
    """CPU seconds of DSPy's evaluator for the same runs."""
    began = time.process_time()
    for program, examples in programs:
        dspy.Evaluate(devset=examples, metric=task.metric, num_threads=1, display_progress=False)(program)
    return time.process_time() - began


def evaluated_at_once(task, programs) -> float:
    """CPU seconds of DSPy's evaluator for as many runs in a single call."""
    program, examples = programs[0][0], [example for _, examples in programs for example in examples]
    began = time.process_time()
    dspy.Evaluate(devset=examples, metric=task.metric, num_threads=1, display_progress=False)(program)
    return time.process_time() - began


@click.command()
@click.option("--rounds", default=5, show_default=True)
def main(rounds: int) -> None:
    """Print CPU milliseconds a run, and the ratio."""
    found = {}
    with quiet():
        for name in TASKS:
            task = simulated_task(name)
            for size, runs in SIZES.items():
                with dspy.context(lm=simulated_lm()):
                    programs = recorded(task, runs)
                    count = sum(len(examples) for _, examples in programs)
                    seconds = defaultdict(list)
                    for _ in range(rounds):
                        seconds["compile"].append(compiled(task, runs))
                        seconds["dspy.Evaluate"].append(evaluated(task, programs))
                        seconds["one dspy.Evaluate"].append(evaluated_at_once(task, programs))
                each = {what: 1000 * statistics.median(values) / count for what, values in seconds.items()}
                each["ratio"] = each["compile"] / each["dspy.Evaluate"]
                found[f"{name}, {size}"] = {"runs": count, **each}
                click.echo(f"{name}, {size}: " + ", ".join(f"{what} {value:.3f}" for what, value in each.items()))
    write("overhead", found, unit="CPU milliseconds a program run")


if __name__ == "__main__":
    main()
