"""A first run: optimize a DSPy program, read the verdict, save the result.

Everything runs offline on a simulated language model. For a real one, replace `simulated_lm()` by
`dspy.LM("openai/gpt-4o-mini")` and the task by your own program, metric and examples.
"""

import tempfile
from pathlib import Path

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("object_counting")
dspy.configure(lm=simulated_lm())


def metric(gold: dspy.Example, pred: dspy.Prediction, trace: object = None) -> float:
    """1 when the answer is exactly right, else 0."""
    return float(gold.answer == pred.answer)


optimizer = DLPOTeleprompter(metric, budget=Budget(metric_calls=500))
better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)

result = better.detailed_results
print("verdict (simulated model):", result.verdict)
print("program runs spent:", result.spent["metric_calls"], "-", result.ended)
print("instructions:")
print(better.solve.signature.instructions)

print("edits that paid:")
for entry in result.ledger:
    if entry.kept and entry.gained:
        print(f"  repaired {len(entry.gained)}, broke {len(entry.lost)}: {entry.edit.text.strip()}")

path = Path(tempfile.mkdtemp()) / "better.json"
better.save(path)
loaded = simulated_task("object_counting").program
loaded.load(path)
print("saved and loaded:", loaded.solve.signature.instructions == better.solve.signature.instructions)
