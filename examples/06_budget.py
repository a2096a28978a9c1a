"""The price first, then a hard cap: runs of the program, calls, tokens, US dollars, seconds.

The first limit that is reached ends the run with the best so far. The prices here are made up, as the simulated model
has none; for real models DSPy and LiteLLM know most. Everything runs offline on a simulated language model.
"""

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter, Stopping
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("object_counting")
lm = simulated_lm()
dspy.configure(lm=lm)
prices = {lm.model: (0.15, 0.60)}  # US dollars for a million tokens in, and for a million out

optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=400, prices=prices))
print("before anything is spent (simulated model):")
print(optimizer.estimate(task.program, trainset=task.trainset, valset=task.valset))

budgets = {
    "400 runs of the program": Budget(metric_calls=400, prices=prices),
    "two cents": Budget(usd=0.02, prices=prices),
    "100,000 tokens, or one minute": Budget(tokens=100_000, seconds=60, prices=prices),
}
for name, budget in budgets.items():
    optimizer = DLPOTeleprompter(task.metric, budget=budget)
    result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
    spent = result.spent
    print(f"{name}: {spent['metric_calls']} runs, ${spent['usd']:.4f}, ended: {result.ended}")
    print("  verdict (simulated model):", result.verdict)

stopping = Stopping(target=0.8, patience=10)
optimizer = DLPOTeleprompter(task.metric, auto="medium", stopping=stopping)
result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
print(f"good enough at 0.8: {result.spent['metric_calls']} of 2000 runs, ended: {result.ended}")
print("  verdict (simulated model):", result.verdict)
