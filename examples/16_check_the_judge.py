"""Is your metric worth optimizing for? The same outputs are scored twice, and beside people's labels.

An optimizer finds whatever a metric likes. One that asks a model may score the same output otherwise the next time, may
like long outputs, and may not mean what people mean. `dlpo judge my_module:task --labels FILE` tells the same on the
command line. Everything runs offline on a simulated language model, and so the people are made up too.
"""

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter, EditJudge, HumanLabel, Task, judge_metric
from dspy_dlpo.simulation import Landscape, Noise, simulated_lm, simulated_task

known = simulated_task("object_counting", n_train=60, n_val=60)
dspy.configure(lm=simulated_lm(noise=Noise(fresh=0.05)))  # one answer in twenty is spoiled by chance, anew every time

judge = known.program.deepcopy()
judge.solve.signature = judge.solve.signature.with_instructions(Landscape(known).best_prompts()["solve"])


def same_as_judge(gold, pred, trace=None) -> float:
    """Whether a model that solves the question itself comes to the same answer: no label is needed."""
    return float(judge(question=gold.question).answer == pred.answer)


def at_length(gold, pred, trace=None) -> float:
    """A bad metric: the more words, the better."""
    return min(1.0, len(pred.text.split()) / 50)


task = Task(known.program, same_as_judge, known.trainset, known.valset)
print("a judge that solves the question itself (simulated model):")
print(judge_metric(task, examples=30))

labels = []  # what people said of right answers, and of answers that are off by one
for number, example in enumerate(known.valset[:40]):
    answer = example.answer if number % 2 else str(int(example.answer) + 1)
    labels.append(HumanLabel({"question": example.question}, {"answer": answer}, score=answer == example.answer))
report = judge_metric(task, labels=labels)
print("\nthe same, beside 40 labels:")
print(report)

drafts = [HumanLabel(each.example, {"text": "well, " * i}, score=i < 20) for i, each in enumerate(labels)]
print("\na metric that likes length:")
print(judge_metric(Task(known.program, at_length, known.trainset), labels=drafts))

if report.agreement is not None and report.agreement > 0.6:  # "substantial" agreement beyond chance
    # With the noise that was measured, the verdict says if a gain lies within it.
    judging = EditJudge(metric_noise=report.noise)
    optimizer = DLPOTeleprompter(same_as_judge, judging=judging, budget=Budget(metric_calls=400))
    result = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results
    print("\nverdict (simulated model):", result.verdict)
    print(f"noise alone may bring up to {result.gain_by_noise:.2f}; the gain lies within it: {result.within_noise}")
