"""Resume: end a run in the middle, make the same call again, and get the program of an undisturbed run.

With `log_dir=` every call is on the disk before it is used. Here a run is ended from `on_record`, as a crash would
end it; a killed process or a machine that goes down is no different (`scripts/chaos` kills runs with `kill -9`).
Everything runs offline on a simulated language model.
"""

import tempfile
from pathlib import Path

import dspy

from dspy_dlpo import Budget, DLPOResult, DLPOTeleprompter, Record
from dspy_dlpo.simulation import simulated_lm, simulated_task

task = simulated_task("object_counting")
dspy.configure(lm=simulated_lm())
directory = Path(tempfile.mkdtemp())


class PowerCut(Exception):
    """The run ends here."""


def cut(record: Record) -> None:
    """End the run after step 3."""
    if record.index == 3:
        raise PowerCut


def compile(log_dir: Path, metric_calls: int = 300, on_record=None) -> dspy.Module:
    """The same call each time."""
    budget = Budget(metric_calls=metric_calls)
    optimizer = DLPOTeleprompter(task.metric, budget=budget, log_dir=log_dir, on_record=on_record)
    return optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)


try:
    compile(directory / "cut", on_record=cut)
except PowerCut:
    so_far = DLPOResult.load(directory / "cut")
    print("cut after", len(so_far.history), "records and", so_far.history[-1].cost, "program runs")

resumed = compile(directory / "cut")
undisturbed = compile(directory / "undisturbed")
same = resumed.solve.signature.instructions == undisturbed.solve.signature.instructions
print("the same program as without the cut:", same)
print("verdict (simulated model):", resumed.detailed_results.verdict)

further = compile(directory / "cut", metric_calls=500)
print("gone on to", further.detailed_results.spent["metric_calls"], "program runs with a higher budget")
print("verdict (simulated model):", further.detailed_results.verdict)
print(f"look at it: dlpo report {directory / 'cut'}")
