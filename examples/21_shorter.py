"""Score against length and money: the fronts of a run, and the least that is as good as the best.

Every run of the program pays for the words of its prompts and of its answers. Everything runs offline on a simulated
language model, and so the price is made up.
"""

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter, EditJudge
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("object_counting", n_train=60, n_val=60)
lm = simulated_lm()
dspy.configure(lm=lm)
# US dollars for a million tokens in and out, for models whose price DSPy does not know.
budget = Budget(metric_calls=600, prices={lm.model: (0.15, 0.6)})

for prefer in ("best", "shortest", "cheapest"):
    optimizer = DLPOTeleprompter(task.metric, budget=budget, judging=EditJudge(prefer=prefer))
    result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
    words = sum(len(text.split()) for text in result.best_prompts.values())
    print(f"the {prefer} is returned, {words} words; verdict (simulated model): {result.verdict}")

for name, front in (("length", result.front), ("money", result.cost_front)):
    print(f"against {name}: words, US dollars for 1,000 runs, score on training examples (standard error)")
    for point in front:
        usd = "not known" if point.usd is None else f"{1000 * point.usd:.4f}"
        print(f"{point.words:5d}  {usd}  {point.score:.2f} ({point.error:.2f})")
