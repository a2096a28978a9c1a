"""A worker process of tests: ``python searcher.py STORAGE N_TRIALS LATENCY``; it prints what it has ended."""

import logging
import sys

import dspy

from dspy_dlpo import Task
from dspy_dlpo.simulation import simulated_lm, simulated_task
from dspy_dlpo.tuning import Pulse, Search

# The grace is longer than the longest pause of a worker on a busy machine: who dies here is missed at once.
PULSE = Pulse(every=0.5, grace=120.0, poll=0.2)
# Whose workers are missed soon.
SHORT_PULSE = Pulse(every=0.05, grace=0.3, poll=0.05, retries=2)


def small_task(name: str = "object_counting") -> Task:
    task = simulated_task(name)
    return Task(task.program, task.metric, task.trainset[:30], task.valset[:20], task.testset[:40], name=name)


def search(storage: str, n_trials: int, budget: int = 80, pulse: Pulse = PULSE, **options) -> Search:
    return Search(small_task(), n_trials=n_trials, storage=storage, budget_per_trial=budget, pulse=pulse, **options)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    address, count, latency = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    with dspy.context(lm=simulated_lm(latency=latency)), search(address, count, pruning="none") as working:
        working.work(lambda trial: print(f"trial {trial.number} {trial.state.name}", flush=True))
        print(working.result().verdict, flush=True)
