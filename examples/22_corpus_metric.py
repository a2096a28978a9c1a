"""A metric of the whole set: macro-F1, which is no mean over examples, judges, selects and makes the verdict.

So do MCC, BLEU or Pearson; say their range where it is not 0 to 1: `CorpusMetric(mcc)` and `score_range=(-1, 1)`.
Everything runs offline on a simulated language model.
"""

import dspy

from dspy_dlpo import Budget, CorpusMetric, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("support_desk", n_train=48, n_val=60)
dspy.configure(lm=simulated_lm())


def macro_f1(golds: list[dspy.Example], preds: list[dspy.Prediction]) -> float:
    """The mean F1 of all queues: a rare one counts as much as a common one."""
    pairs = [(gold.queue, pred.queue) for gold, pred in zip(golds, preds, strict=True)]
    queues = {queue for queue, _ in pairs}
    return sum(f1_of(queue, pairs) for queue in queues) / len(queues)


def f1_of(queue: str, pairs: list[tuple[str, str]]) -> float:
    hits = sum(gold == answer == queue for gold, answer in pairs)
    return 2 * hits / sum((gold == queue) + (answer == queue) for gold, answer in pairs)


optimizer = DLPOTeleprompter(CorpusMetric(macro_f1), budget=Budget(metric_calls=900))
print(optimizer.estimate(task.program, trainset=task.trainset, valset=task.valset).notes[0])
result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
print(f"verdict (simulated model): {result.verdict}")
print(f"macro-F1 of the valset: {result.comparison.start:.3f} -> {result.comparison.best:.3f}")

# What each held-out example contributes to the score of your own prompts, as leaving it out tells.
worth = result.comparison.scores[0]
for number in sorted(worth, key=worth.__getitem__)[:3]:
    print(f"cost most at first: {worth[number]:+.2f} {task.valset[number].queue}: {task.valset[number].ticket[:60]}...")
