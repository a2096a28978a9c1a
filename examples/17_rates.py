"""Rate limits: no model is asked more often than its provider allows, and nothing else changes.

Calls of the program, of its metric, of critic and writer wait for their turn, spread evenly over the minute. DSPy
itself waits as long as a refusal asks for (`Retry-After`). Everything runs offline on a simulated language model.
"""

import time

from dspy_dlpo import Budget, DLPOTeleprompter, Rate
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("object_counting", n_train=40, n_val=40)
runner, writer = simulated_lm(0), simulated_lm(1)
data = {"trainset": task.trainset, "valset": task.valset}


def optimizer(rates):
    """The same run under other rates."""
    return DLPOTeleprompter(
        task.metric, task_model=runner, prompt_model=writer, budget=Budget(metric_calls=300), rates=rates
    )


# By the names of models; Rate(requests=500) alone would hold for every model, each by itself.
limits = {runner.model: Rate(requests=500, tokens=30_000), writer.model: Rate(requests=60)}
print("with the limits of a small account (simulated model):", optimizer(limits).estimate(task.program, **data).time)

rates = {runner.model: Rate(requests=6_000)}  # so high that this page ends in seconds
results = {}
for name, given in {"as fast as it goes": None, "at most 6,000 a minute": rates}.items():
    began = time.monotonic()
    results[name] = optimizer(given).compile(task.program, **data).detailed_results
    calls = results[name].spent["task"]["calls"]
    print(f"{name} (simulated model): {calls} calls, {calls / (time.monotonic() - began):.0f} a second")

plain, paced = results.values()
print("the same instructions:", plain.best_prompts == paced.best_prompts)
print("verdict (simulated model):", paced.verdict)
