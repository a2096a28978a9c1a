"""Small runs of the simulated model."""

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task


def compiled(log_dir, name="object_counting", *, calls=300, n_val=32, **settings):
    """The result of a small run."""
    task = simulated_task(name, n_train=40, n_val=n_val, n_test=4)
    valset = task.valset if n_val else []
    with dspy.context(lm=simulated_lm()):
        optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=calls), log_dir=log_dir, **settings)
        return optimizer.compile(task.program, trainset=task.trainset, valset=valset).detailed_results
