"""Many workers on one study, with real databases: killed workers, killed searches, a database that goes away."""

import collections
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState
from searcher import search
from waiting import PATIENCE, wait_until

from dspy_dlpo.tuning import Pulse
from dspy_dlpo.tuning.gaps import WORKER
from dspy_dlpo.tuning.slots import DONE, IDLE
from dspy_dlpo.tuning.storage import open_store

pytestmark = pytest.mark.slow

N_TRIALS = 8
LATENCY = 0.005  # seconds a call takes: a trial lasts long enough to be killed in its middle
SEARCHER = Path(__file__).parent / "searcher.py"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The directory that all workers share."""
    monkeypatch.setenv("DLPO_ARTIFACTS", str(tmp_path / "shared"))
    return tmp_path / "shared"


def start(storage: str, n_trials: int = N_TRIALS, latency: float = LATENCY) -> subprocess.Popen:
    command = [sys.executable, str(SEARCHER), storage, str(n_trials), str(latency)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end(workers: list[subprocess.Popen]) -> list[str]:
    said = [worker.communicate(timeout=PATIENCE)[0] for worker in workers]
    for worker, text in zip(workers, said, strict=True):
        assert worker.returncode in (0, -signal.SIGKILL), text
    return said


def trials_of(storage: str) -> list:
    with open_store(storage) as store:
        try:
            return store.storage.get_all_trials(store.storage.get_study_id_from_name("dlpo-tuning"))
        except KeyError:  # no worker has made the study yet
            return []


def slots_of(trials: list) -> list[list]:
    """The attempts at each slot: what a user may count on, told from Optuna's own attributes."""
    attempts = collections.defaultdict(list)
    for trial in trials:
        if IDLE not in trial.user_attrs:
            attempts[trial.system_attrs.get("failed_trial", trial.number)].append(trial)
    return [attempts[number] for number in sorted(attempts)]


def kill_in_mid_trial(storage: str, folder: Path, workers: list[subprocess.Popen], n_trials: int = N_TRIALS) -> int:
    """Kill a worker whose trial has a run directory; the number of that trial.

    A trial may end between the look and the kill: then another worker is started, and killed.
    """
    while True:
        trial = wait_until(lambda: _in_mid_trial(storage, folder), "a trial in its middle")
        worker = next(each for each in workers if each.poll() is None and is_run_by(each, trial))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        if trials_of(storage)[trial.number].state not in DONE:
            return trial.number
        workers.append(start(storage, n_trials))


def _in_mid_trial(storage: str, folder: Path):
    """A running trial that has calls on record."""
    known = {int(path.parent.name) for path in folder.glob("runs/*/*/*/events.jsonl")}
    running = [each for each in trials_of(storage) if each.state == TrialState.RUNNING and WORKER in each.system_attrs]
    return next((each for each in running if each.number in known), None)


def is_run_by(worker: subprocess.Popen, trial) -> bool:
    """Whether a process holds the sign of life of who runs a trial."""
    name = str(trial.system_attrs[WORKER]).partition("/")[2]
    files = Path(f"/proc/{worker.pid}/fd")
    return any(os.readlink(each).endswith(name) for each in files.iterdir() if each.exists())


def check_every_slot_ended_once(storage: str, n_trials: int = N_TRIALS) -> list:
    trials = trials_of(storage)
    slots = slots_of(trials)
    assert [[each.state in DONE for each in slot].count(True) for slot in slots] == [1] * n_trials, (
        "none twice, none lost"
    )
    assert all(each.state == TrialState.FAIL for each in trials if IDLE in each.user_attrs)
    assert all(each.state.is_finished() for each in trials)
    return trials


@pytest.fixture(params=["sqlite", "postgres"])
def storage(request, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/study.db"
    return request.getfixturevalue("postgres").get_uri(database=request.getfixturevalue("database"))


def test_a_worker_killed_in_mid_trial_loses_nothing(storage, folder) -> None:
    workers = [start(storage) for _ in range(3)]
    number = kill_in_mid_trial(storage, folder, workers)
    said = end(workers)
    trials = check_every_slot_ended_once(storage)
    assert trials[number].state == TrialState.FAIL
    retried = [each for each in trials if number in each.system_attrs.get("retry_history", ())]
    assert [each.state for each in retried if IDLE not in each.user_attrs] == [TrialState.COMPLETE]
    assert retried[0].params == trials[number].params
    verdicts = [text.splitlines()[-1] for text, worker in zip(said, workers, strict=True) if worker.returncode == 0]
    assert len(verdicts) == 2, "of three"
    assert len(set(verdicts)) == 1, "the claim is made once, and read by the other"


def test_all_workers_killed_and_the_same_command_again_loses_nothing(storage, folder) -> None:
    workers = [start(storage) for _ in range(3)]
    kill_in_mid_trial(storage, folder, workers)
    for worker in workers:
        worker.kill()
    end(workers)
    assert any(each.state == TrialState.RUNNING for each in trials_of(storage)), "nobody was there to see them die"
    end([start(storage) for _ in range(3)])
    check_every_slot_ended_once(storage)


def test_a_retry_goes_on_from_the_run_directory_of_the_dead_attempt(tmp_path, folder, monkeypatch) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    workers = [start(storage, n_trials=2, latency=0.04)]
    number = kill_in_mid_trial(storage, folder, workers, n_trials=2)
    end(workers)
    [calls] = folder.glob(f"runs/*/0/{number}/events.jsonl")
    paid = calls.read_bytes().splitlines()[:-1]  # the last may be cut
    end([start(storage, n_trials=2, latency=0.04)])
    retried = next(each for each in trials_of(storage) if each.system_attrs.get("failed_trial") == number)
    monkeypatch.setenv("DLPO_ARTIFACTS", str(tmp_path / "undisturbed"))
    undisturbed = f"sqlite:///{tmp_path}/undisturbed.db"
    end([start(undisturbed, n_trials=2, latency=0.04)])
    same = slots_of(trials_of(undisturbed))[retried.user_attrs["slot"]][-1]
    assert paid
    assert retried.values == same.values
    assert same.user_attrs["runs"] <= retried.user_attrs["runs"] <= 80, "what the dead attempt spent is counted"


def test_a_database_that_is_away_for_three_seconds_loses_nothing(postgres, database) -> None:
    storage = postgres.get_uri(database=database)
    workers = [start(storage) for _ in range(3)]
    wait_until(lambda: any(each.state.is_finished() for each in trials_of(storage)), "a first trial")
    postgres.stop()
    time.sleep(3)
    postgres.start()
    end(workers)
    check_every_slot_ended_once(storage)


def test_a_worker_on_another_machine_is_missed_after_a_while(tmp_path) -> None:
    """Its sign of life is not to be seen here: only its heartbeat tells."""
    import dspy

    from dspy_dlpo.simulation import simulated_lm

    storage, pulse = f"sqlite:///{tmp_path}/study.db", Pulse(0.5, 5.0, 0.2)
    with dspy.context(lm=simulated_lm()), search(storage, 2, pulse=pulse, pruning="none") as working:
        with pytest.warns(UserWarning, match="Heartbeat"):
            lost = working.study.ask()
        lost.storage.set_trial_system_attr(lost._trial_id, WORKER, f"{lost.number}/elsewhere.1")
        lost.storage.record_heartbeat(lost._trial_id)
        began = time.monotonic()
        working.work()
    assert time.monotonic() - began > 5.0 - 1.0, "the database tells whole seconds"
    check_every_slot_ended_once(storage, n_trials=2)
