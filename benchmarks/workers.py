"""How much faster several workers are: ``python benchmarks/workers.py [--trials 24] [--latency 0.05]``.

The simulated model waits as a real one would, and does little else. The same search is made by 1, 2 and 4 processes on
one SQLite file; what is measured is the time from the start of the first trial to the end of the last, once all
processes have imported what they need. The ratios of one run are what counts.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import dspy
from measuring import write

from dspy_dlpo import Task
from dspy_dlpo.simulation import simulated_lm, simulated_task
from dspy_dlpo.tuning import Pulse, Search
from dspy_dlpo.tuning.slots import DONE
from dspy_dlpo.tuning.storage import open_store

BUDGET = 60
COUNTS = (1, 2, 4)


def work(storage: str, trials: int, latency: float, gate: Path) -> None:
    """One worker: gets ready, waits for the gate, and tries settings."""
    task = simulated_task("object_counting")
    small = Task(task.program, task.metric, task.trainset[:24], task.valset[:16], task.testset[:10])
    with dspy.context(lm=simulated_lm(latency=latency)):
        options = {"budget_per_trial": BUDGET, "pruning": "none", "pulse": Pulse(poll=0.1)}
        with Search(small, n_trials=trials, storage=storage, **options) as search:
            (gate.parent / f"ready-{time.monotonic_ns()}").touch()
            while not gate.exists():
                time.sleep(0.01)
            search.work()


def measure(count: int, trials: int, latency: float) -> float:
    """Seconds that so many workers take."""
    with tempfile.TemporaryDirectory() as folder:
        storage, gate = f"sqlite:///{folder}/study.db", Path(folder) / "gate"
        command = [sys.executable, __file__, "--worker", storage, "--trials", str(trials), "--latency", str(latency)]
        workers = [subprocess.Popen(command) for _ in range(count)]
        while len(list(Path(folder).glob("ready-*"))) < count:
            time.sleep(0.05)
        gate.touch()
        for worker in workers:
            worker.wait()
        with open_store(storage) as store:
            ended = store.storage.get_all_trials(store.storage.get_all_studies()[0]._study_id)
    done = [trial for trial in ended if trial.state in DONE]
    if len(done) != trials:
        raise SystemExit(f"{len(done)} of {trials} trials ended")
    return (max(each.datetime_complete for each in done) - min(each.datetime_start for each in done)).total_seconds()


@click.command()
@click.option("--trials", default=24, show_default=True)
@click.option("--latency", default=0.2, show_default=True, help="Seconds that a call takes.")
@click.option("--worker", hidden=True)
def main(trials: int, latency: float, worker: str | None) -> None:
    """Print seconds and ratios."""
    if worker:
        work(worker, trials, latency, Path(worker.removeprefix("sqlite:///")).parent / "gate")
        return
    click.echo(f"{trials} trials of at most {BUDGET} runs, {latency:g} s a call (simulated model)")
    seconds = {count: measure(count, trials, latency) for count in COUNTS}
    found = {}
    for count in COUNTS:
        found[f"{count} workers"] = {"seconds": seconds[count], "times as fast": seconds[1] / seconds[count]}
        click.echo(f"{count} workers  {seconds[count]:6.1f} s  {seconds[1] / seconds[count]:.2f} times as fast as one")
    write("workers", found, unit="seconds", trials=trials, latency=latency)


if __name__ == "__main__":
    main()
