"""Follow a run in MLflow: its autolog for DSPy needs no code of ours.

Needs `pip install mlflow` (or `mlflow-skinny` with `pandas`); without it this says so and ends. The tracking store is a
file in a temporary directory: leave `set_tracking_uri` out for your own. Everything runs offline on a simulated
language model. For any other tracker see `12_track_in_wandb.py`.
"""

import logging
import os
import tempfile

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
try:
    import mlflow
    import mlflow.dspy
except ImportError:
    raise SystemExit("mlflow is not installed. Run: pip install mlflow") from None

logging.getLogger("mlflow").setLevel(logging.WARNING)
folder = tempfile.mkdtemp()
os.chdir(folder)  # the artifacts of an SQLite store lie in the working directory
mlflow.set_tracking_uri(f"sqlite:///{folder}/tracking.db")
mlflow.set_experiment("dlpo")
mlflow.dspy.autolog(log_compiles=True, log_evals=True, log_traces=False)

task = simulated_task("object_counting", n_train=40, n_val=40)
dspy.configure(lm=simulated_lm())
optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=300))
better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
print("verdict (simulated model):", better.detailed_results.verdict)

runs = mlflow.search_runs(output_format="list")
[parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
print("files:", ", ".join(sorted(each.path for each in mlflow.artifacts.list_artifacts(run_id=parent.info.run_id))))
for run in runs:
    if run is not parent:
        print(f"evaluation on the valset, {run.info.run_name}: {run.data.metrics['eval']:.1f} % right")
print(f"look at it: mlflow ui --backend-store-uri sqlite:///{folder}/tracking.db")
