"""Pick techniques: all seven, a few with schedules, and none, under the same budget.

What a technique is worth depends on the task, and one run of each setting says little: `docs/benchmark.md` compares
them over many. Everything runs offline on a simulated language model.
"""

import dspy

from dspy_dlpo import (
    Annealing,
    Budget,
    CosineDecay,
    DLPOTeleprompter,
    Dropout,
    Greedy,
    LearningRate,
    LinearDecay,
    Momentum,
    Regularization,
    default_settings,
    tgd_settings,
)
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("object_counting", n_train=40, n_val=40)
dspy.configure(lm=simulated_lm())

SETTINGS = {
    "all seven, as shipped": default_settings(),
    "small steps, cooling": {
        "techniques": [LearningRate(LinearDecay(6, 1)), Dropout(0.2), Momentum(window=3)],
        "acceptance": Annealing(CosineDecay(1.0, 0.0)),
    },
    "short prompts, greedy": {
        "techniques": [LearningRate(3), Regularization(max_words=60)],
        "acceptance": Greedy(),
    },
    "no technique (plain textual gradient descent)": tgd_settings(),
}

for name, settings in SETTINGS.items():
    optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=400), **settings)
    result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
    words = sum(len(text.split()) for text in result.best_prompts.values())
    print(f"{name}: {words} words, {len(result.history.steps())} steps")
    print("  verdict (simulated model):", result.verdict)
