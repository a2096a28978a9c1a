"""Real runs of the simulated model in run directories, and the browser."""

import sys
from pathlib import Path

import pytest
from browser import browser, page  # noqa: F401

from dspy_dlpo import DLPOResult

sys.path.insert(0, str(Path(__file__).parent))

from scripted import scripted_lm
from small_runs import compiled


@pytest.fixture(scope="session")
def one(tmp_path_factory) -> DLPOResult:
    """A run of a program of one predictor."""
    return compiled(tmp_path_factory.mktemp("one") / "run", seed=1)  # some of its records are refused


@pytest.fixture(scope="session")
def two(tmp_path_factory) -> DLPOResult:
    """A run of a program of two predictors."""
    return compiled(tmp_path_factory.mktemp("two") / "run", "support_desk", calls=400)


@pytest.fixture(scope="session")
def without_gain(tmp_path_factory) -> DLPOResult:
    """A run of a writer from whom nothing is gained."""
    idle = scripted_lm(lambda system, user: "FINDING: It is hard to tell.\nADD: Work with care.")
    return compiled(tmp_path_factory.mktemp("none") / "run", calls=60, n_val=10, prompt_model=idle)


@pytest.fixture(scope="session")
def empty(tmp_path_factory) -> DLPOResult:
    """A run that ended before its first record, and held nothing out."""
    return compiled(tmp_path_factory.mktemp("empty") / "run", calls=40, n_val=0)
