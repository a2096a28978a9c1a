"""MLflow's autolog sees a compile; the arguments that are shown to trackers are a copy without secrets."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import dspy
import pytest
from waiting import PATIENCE

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_task

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "tracked_run.py"


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    pytest.importorskip("mlflow")
    folder = tmp_path_factory.mktemp("mlflow")
    done = subprocess.run([sys.executable, str(SCRIPT), str(folder)], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_mlflow_keeps_a_run_for_the_compile_with_its_result_and_its_data(tracked):
    assert tracked["status"] == "FINISHED"
    assert tracked["best"] == tracked["returned"]
    assert {"best_model.json", "trainset.json", "valset.json"} <= set(tracked["artifacts"])


def test_mlflow_keeps_the_model_and_no_key(tracked):
    assert "simulated/" in tracked["params"]["lm_params"]
    assert tracked["secrets"] == []
    assert "sk-neighbours" not in json.dumps(tracked["params"])


def test_what_mlflow_adds_to_the_parameters_does_not_reach_the_optimizer(tracked):
    assert tracked["arguments_unchanged"]
    assert tracked["again"]


def test_mlflow_keeps_a_run_for_each_evaluation_on_the_valset(tracked):
    assert [f"eval_full_{i}" for i in range(len(tracked["scores"]))] == sorted(tracked["evaluations"])
    shown = [tracked["evaluations"][f"eval_full_{i}"]["eval"] for i in range(len(tracked["scores"]))]
    assert shown == pytest.approx(tracked["scores"], abs=0.01)
    assert "eval_full" in tracked["metrics"]


def test_the_parameters_are_a_copy_without_secrets():
    lm = dspy.LM("openai/gpt-4o-mini", api_key="sk-neighbours-secret", headers={"Authorization": "Bearer sk-other"})
    task = simulated_task("object_counting", n_train=20, n_val=10, n_test=2)
    optimizer = DLPOTeleprompter(task.metric, prompt_model=lm, task_model=lm, budget=Budget(metric_calls=60))
    params = optimizer.get_params()
    assert "sk-" not in repr(params)
    assert params["prompt_model"] == params["task_model"] == "openai/gpt-4o-mini"
    kept = repr(params)
    params.update(student=task.program, trainset=task.trainset, seed=7, metric=None)
    assert repr(optimizer.get_params()) == kept
    assert "student" not in vars(optimizer)


def test_every_argument_is_among_the_parameters():
    names = set(inspect.signature(DLPOTeleprompter.__init__).parameters) - {"self"}
    assert set(DLPOTeleprompter(lambda gold, pred: 1.0).get_params()) == names
