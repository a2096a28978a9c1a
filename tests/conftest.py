"""What all tests share: reproducible properties, and the helpers of ``tests/core`` for the tests of other folders."""

import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import uvicorn
from hypothesis import HealthCheck, settings

from dspy_dlpo.simulation import Settings as SimulationSettings
from dspy_dlpo.simulation import create_app

sys.path.insert(0, str(Path(__file__).parent / "core"))
sys.path.insert(0, str(Path(__file__).parent / "host"))
sys.path.insert(0, str(Path(__file__).parent / "tuning"))

# Ordinary runs draw the same cases every time; HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile(
    "ordinary", deadline=None, derandomize=True, max_examples=80, database=None, suppress_health_check=[*HealthCheck]
)
settings.register_profile(
    "search", deadline=None, max_examples=2000, database=None, suppress_health_check=[*HealthCheck]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ordinary"))

# A shell that starts the tests in the background has them ignore Ctrl-C, which some of them send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Whatever needs one of these is slow: a browser, a database server.
SLOW_FIXTURES = {"browser", "postgres"}


def pytest_collection_modifyitems(items):
    """Mark what is slow; `make test` leaves that out, `make test-all` does not.

    Slow is what needs a slow fixture, and of a test that is marked ``few(n)`` all cases but the first n.
    """
    cases = Counter()
    for item in items:
        name = item.nodeid.partition("[")[0]
        cases[name] += 1
        few = item.get_closest_marker("few")
        if SLOW_FIXTURES & set(item.fixturenames) or (few and cases[name] > few.args[0]):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def address():
    """The simulated model on a real connection, for clients that speak HTTP."""
    server = uvicorn.Server(uvicorn.Config(create_app(SimulationSettings()), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    server.should_exit = True
    thread.join()
