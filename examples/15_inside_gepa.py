"""Our writer inside `dspy.GEPA`: a few sentence edits at a time, within limits, and a ledger of them.

GEPA selects, merges and spends as it does anyway; only the texts come from `DLPOProposer`, which asks the reflection
model for edits, drops what breaks a limit, and writes down what it did. Everything runs offline on a simulated language
model.
"""

import contextlib
import io
import tempfile
from pathlib import Path

import dspy

from dspy_dlpo import DLPOProposer
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("object_counting", n_train=40, n_val=30, n_test=100)
dspy.configure(lm=simulated_lm())
start = task.program.solve.signature.instructions
log_file = Path(tempfile.mkdtemp()) / "proposals.jsonl"

proposer = DLPOProposer(max_edits=3, max_words=120, frozen=[start], log_file=log_file)
optimizer = dspy.GEPA(
    metric=task.feedback_metric,
    max_metric_calls=300,
    reflection_lm=simulated_lm(1),
    instruction_proposer=proposer,
)
with contextlib.redirect_stdout(io.StringIO()) as bars, contextlib.redirect_stderr(bars):  # and GEPA's log
    better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)

for number, entry in enumerate(proposer.ledger[:4]):
    print(f"proposal {number} for {entry['component']}:")
    for edit in entry["edits"]:
        print(f"  {edit['op']} at {edit['at']}: {edit['text'].strip()}")
    for each in entry["dropped"]:
        print(f"  dropped, as {each['reason']}: {each['edit']['text'].strip()}")
print(f"{len(proposer.ledger)} proposals, {len(log_file.read_text().splitlines())} lines in {log_file.name}")

found = better.solve.signature.instructions
print("my own sentence is still there:", start in found)
before, after = (sum(task.metric(x, program(**x.inputs())) for x in task.testset) for program in (task.program, better))
print(f"verdict (simulated model): {after - before:+.0f} of 100 test examples, with {len(found.split())} words")
