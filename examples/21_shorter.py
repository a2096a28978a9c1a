"""Score against length: the front of a run, and the shortest prompts within one standard error of the best.

Every run of the program pays for the words of its prompts. Everything runs offline on a simulated language model.
"""

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter, EditJudge
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("object_counting", n_train=60, n_val=60)
dspy.configure(lm=simulated_lm())

for prefer in ("best", "shortest"):
    optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=600), judging=EditJudge(prefer=prefer))
    result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
    words = sum(len(text.split()) for text in result.best_prompts.values())
    print(f"the {prefer} is returned, {words} words; verdict (simulated model): {result.verdict}")

print("words  score on training examples (standard error)")
for point in result.front:
    print(f"{point.words:5d}  {point.score:.2f} ({point.error:.2f})")
