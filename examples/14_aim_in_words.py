"""What you want in your own words: critic and writer are given it as it stands.

A metric says what is right, and not what answers are for, nor what you know of the task. The aim does. It is paid for
in every request to the prompt model, so the estimate counts it, and it may have 300 words. Everything runs offline on a
simulated language model, which takes up rules that it is told.
"""

import dspy

from dspy_dlpo import Aim, Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("object_counting")
dspy.configure(lm=simulated_lm())
data = {"trainset": task.trainset, "valset": task.valset}
aim = Aim(
    "A wrong number costs us a delivery. Garlic, yams and onions are vegetables for us.",
    background="Clerks in a warehouse read the answers.",
)

for name, given in {"without an aim": None, "with an aim": aim}.items():
    optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=300), aim=given)
    estimate = optimizer.estimate(task.program, **data)
    [writer] = [each for each in estimate.models if each.role == "prompt"]
    result = optimizer.compile(task.program, **data).detailed_results
    steps = [record.index for record in result.history for edit in record.edits if "garlic" in edit.text.lower()]
    print(f"{name}: at most {writer.input_tokens.high:,} tokens to the writer, by the estimate")
    print(f"  a rule about garlic is first proposed in {f'step {steps[0]}' if steps else 'no step'}")
    print("  verdict (simulated model):", result.verdict)

try:
    Aim("What we want is this. " * 100)
except ValueError as error:
    print("too long:", error)
