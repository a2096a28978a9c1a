"""How time and memory grow with the size of what is optimized: ``python benchmarks/growth.py``.

Each point is a process of its own: a compile on the simulated model with the same few runs of the program, of which one
size is varied. The exponent is the slope of seconds against size on logarithmic axes, from the half of the sizes where
they matter most; 1 is linear.
"""

from __future__ import annotations

import json
import logging
import math
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise

import click
import dspy
from measuring import write

from dspy_dlpo import Budget, DLPOTeleprompter, Stopping
from dspy_dlpo.simulation import Noise, simulated_lm, simulated_task

SIZES = {
    "steps": (10, 30, 100, 300, 1000),
    "examples": (50, 500, 5_000, 50_000),
    "sentences": (1, 10, 100, 500),
    "predictors": (1, 5, 20, 50),
}
RUNS = 300


class Chain(dspy.Module):
    """So many predictors with instructions of their own, of which the first answers and the others look on."""

    def __init__(self, signature, count: int) -> None:
        super().__init__()
        self.steps = [dspy.Predict(signature) for _ in range(count)]

    def forward(self, **inputs):
        """The answer of the first predictor; every other runs on the same question."""
        answers = [step(**inputs) for step in self.steps]
        return answers[0]


def examples_like(examples, count: int) -> list[dspy.Example]:
    """So many different examples made of a few."""
    found = []
    for i in range(count):
        example = examples[i % len(examples)].copy()
        name = next(iter(example.inputs()))
        found.append(dspy.Example({**example, name: f"{example[name]} ({i})"}).with_inputs(*example.inputs()))
    return found


def point(what: str, size: int) -> dict[str, float]:
    """CPU seconds and memory of one compile, and of its first and last records."""
    task = simulated_task("object_counting", n_train=100, n_val=50)
    program, train, val, noise = task.program, task.trainset, task.valset, Noise()
    options: dict = {"budget": Budget(metric_calls=RUNS)}
    if what == "steps":
        noise, options = Noise(fresh=0.3), {"budget": Budget(metric_calls=10**6), "stopping": Stopping(max_steps=size)}
    if what == "examples":
        train, val = examples_like(train, size), examples_like(val, size)
    signature = task.program.solve.signature
    if what == "sentences":
        text = " ".join(f"Sentence number {i} says little." for i in range(size))
        program.solve.signature = signature.with_instructions(f"{signature.instructions} {text}")
    if what == "predictors":
        program = Chain(signature, size)
    clock: list[float] = []
    with dspy.context(lm=simulated_lm(noise=noise)), tempfile.TemporaryDirectory() as folder:
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        began = time.process_time()
        optimizer = DLPOTeleprompter(
            task.metric,
            num_threads=1,
            log_dir=folder,
            on_record=lambda record: clock.append(time.process_time()),
            **options,
        )
        result = optimizer.compile(program, trainset=train, valset=val).detailed_results
        seconds = time.process_time() - began
    records = [b - a for a, b in pairwise(clock)]
    quarter = max(1, len(records) // 4)
    return {
        "seconds": seconds,
        "runs": result.spent["metric_calls"],
        "records": len(result.history),
        "ms a record, first quarter": 1000 * sum(records[:quarter]) / quarter,
        "ms a record, last quarter": 1000 * sum(records[-quarter:]) / quarter,
        "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "MB before": base,
    }


def exponent(points: dict[int, dict[str, float]]) -> float:
    """The slope of seconds against size on logarithmic axes, over the two largest sizes."""
    (small, first), (large, last) = sorted(points.items())[-2:]
    return math.log(last["seconds"] / first["seconds"]) / math.log(large / small)


@click.command()
@click.option("--only", type=click.Choice(list(SIZES)), help="Only this size.")
@click.option("--point", "one", nargs=2, type=(str, int), hidden=True)
def main(only: str | None, one: tuple[str, int] | None) -> None:
    """Print seconds and memory by size."""
    if one:
        logging.disable(logging.CRITICAL)
        click.echo(json.dumps(point(*one)))
        return
    found: dict[str, object] = {}
    for what in [only] if only else SIZES:
        points = {}
        for size in SIZES[what]:
            command = [sys.executable, __file__, "--point", what, str(size)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr)
            points[size] = json.loads(done.stdout)
            click.echo(f"{what} {size}: " + ", ".join(f"{key} {value:.4g}" for key, value in points[size].items()))
        found[what] = {"points": points, "exponent": exponent(points)}
        click.echo(f"{what}: exponent {exponent(points):.2f}")
    if not only:
        write("growth", found, unit="CPU seconds of a compile; megabytes, of the whole process")


if __name__ == "__main__":
    main()
