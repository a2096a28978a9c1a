"""Step by step: take the records of a run one by one, at your own pace, and stop when you like.

Between two records nothing is sent and nothing is spent: show the last one to somebody, wait for cheaper hours, or do
something else. Everything runs offline on a simulated language model.
"""

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("object_counting")
dspy.configure(lm=simulated_lm())
optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=500), verbose=False)

steps = optimizer.steps(task.program, trainset=task.trainset, valset=task.valset)
for record in steps:
    judged = "-" if record.score is None else f"{record.score:.2f}"
    print(f"{record.kind} {record.index}: judged {judged}, {'kept' if record.accepted else 'not kept'}")
    if record.cost > 80:
        print("enough: the best so far is compared on the valset")
        break

result = steps.result  # ends the run, as it has not ended by itself; `steps.program` is the program
print("ended:", result.ended)
print("verdict (simulated model):", result.verdict)

steps = optimizer.steps(task.program, trainset=task.trainset, valset=task.valset)
count = sum(1 for _ in steps)  # to the end: the run that `compile` makes
print("to its end:", count, "records,", steps.result.spent["metric_calls"], "program runs;", steps.result.ended)
print("verdict (simulated model):", steps.result.verdict)
