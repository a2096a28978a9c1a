"""Real runs of the simulated model in run directories, and the browser."""

import sys
from pathlib import Path

import dspy
import pytest
from browser import browser, page  # noqa: F401

from dspy_dlpo import Budget, DLPOResult, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task

sys.path.insert(0, str(Path(__file__).parent))


def compiled(log_dir, name="object_counting", *, calls=300, n_val=32, **settings):
    """The result of a small run."""
    task = simulated_task(name, n_train=40, n_val=n_val, n_test=4)
    valset = task.valset if n_val else []
    with dspy.context(lm=simulated_lm()):
        optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=calls), log_dir=log_dir, **settings)
        return optimizer.compile(task.program, trainset=task.trainset, valset=valset).detailed_results


@pytest.fixture(scope="session")
def one(tmp_path_factory) -> DLPOResult:
    """A run of a program of one predictor."""
    return compiled(tmp_path_factory.mktemp("one") / "run")


@pytest.fixture(scope="session")
def two(tmp_path_factory) -> DLPOResult:
    """A run of a program of two predictors."""
    return compiled(tmp_path_factory.mktemp("two") / "run", "support_desk", calls=400)


@pytest.fixture(scope="session")
def without_gain(tmp_path_factory) -> DLPOResult:
    """A run that ended before anything was gained."""
    return compiled(tmp_path_factory.mktemp("none") / "run", calls=50, n_val=10)


@pytest.fixture(scope="session")
def empty(tmp_path_factory) -> DLPOResult:
    """A run that ended before its first record, and held nothing out."""
    return compiled(tmp_path_factory.mktemp("empty") / "run", calls=20, n_val=0)
