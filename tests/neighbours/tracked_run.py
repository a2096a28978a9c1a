"""A compile that MLflow's autolog watches; prints what the tracking store holds, as JSON.

A script, as autolog changes DSPy's classes for the whole process. ``python tracked_run.py FOLDER``.
"""

import json
import os
import sys
from pathlib import Path

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
folder = Path(sys.argv[1])
os.chdir(folder)  # artifacts of an SQLite store lie in the working directory

import mlflow  # noqa: E402
import mlflow.dspy  # noqa: E402

mlflow.set_tracking_uri(f"sqlite:///{folder}/tracking.db")
mlflow.set_experiment("neighbours")
mlflow.dspy.autolog(log_compiles=True, log_evals=True, log_traces=False)

task = simulated_task("object_counting", n_train=30, n_val=30, n_test=2)
dspy.configure(lm=simulated_lm())
prompt_model = simulated_lm(1)
prompt_model.kwargs["api_key"] = "sk-neighbours-secret"
optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=300), num_threads=2, prompt_model=prompt_model)
before = repr(optimizer.get_params())
better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)

[parent] = [run for run in mlflow.search_runs(output_format="list") if "mlflow.parentRunId" not in run.data.tags]
children = [run for run in mlflow.search_runs(output_format="list") if run.info.run_id != parent.info.run_id]
best = mlflow.artifacts.load_dict(f"runs:/{parent.info.run_id}/best_model.json")
artifacts = {
    str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.json") if "artifacts" in path.parts
}
report = {
    "status": parent.info.status,
    "params": parent.data.params,
    "metrics": parent.data.metrics,
    "artifacts": sorted(each.path for each in mlflow.artifacts.list_artifacts(run_id=parent.info.run_id)),
    "best": best["solve"]["signature"]["instructions"],
    "returned": better.solve.signature.instructions,
    "evaluations": {run.info.run_name: run.data.metrics for run in children},
    "scores": [100 * sum(each.values()) / len(each) for each in better.detailed_results.comparison.scores],
    "arguments_unchanged": repr(optimizer.get_params()) == before,
    "again": optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results.verdict
    == better.detailed_results.verdict,
    "secrets": [name for name, text in artifacts.items() if "sk-neighbours-secret" in text],
}
sys.stdout.write(json.dumps(report))
