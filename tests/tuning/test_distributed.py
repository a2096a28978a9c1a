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

from dspy_dlpo.tuning.heart import WORKER
from dspy_dlpo.tuning.queue import DUPLICATE, SLOT, SURPLUS, Pulse
from dspy_dlpo.tuning.storage import open_store

pytestmark = pytest.mark.slow

N_TRIALS = 12
LATENCY = 0.005  # seconds a call takes: a trial lasts long enough to be killed in its middle
SEARCHER = Path(__file__).parent / "searcher.py"


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


def checkpoints(storage: str) -> list[str]:
    with open_store(storage) as store:
        return store.blobs.names("run/")


def kill_in_mid_trial(storage: str, workers: list[subprocess.Popen], n_trials: int = N_TRIALS) -> int:
    """Kill a worker whose trial has a checkpoint; the number of that trial.

    A trial may end between the look and the kill: then another worker is started, and killed.
    """
    while True:
        number, pid = _in_mid_trial(storage, {worker.pid for worker in workers if worker.poll() is None})
        os.kill(pid, signal.SIGKILL)
        next(worker for worker in workers if worker.pid == pid).wait()
        if trials_of(storage)[number].state != TrialState.COMPLETE:
            return number
        workers.append(start(storage, n_trials))


def _in_mid_trial(storage: str, pids: set[int]) -> tuple[int, int]:
    """The number and the process of a trial that has a checkpoint."""

    def in_the_middle():
        if not checkpoints(storage):
            return None
        for trial in trials_of(storage):
            pid = int(str(trial.system_attrs.get(WORKER, "#0")).rpartition("#")[2])
            if trial.state == TrialState.RUNNING and pid in pids and trial.params:
                return trial.number, pid
        return None

    return wait_until(in_the_middle, "a trial in its middle")


def check_every_slot_ended_once(storage: str, n_trials: int = N_TRIALS) -> list:
    trials = trials_of(storage)
    done = [each for each in trials if each.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    slots = collections.Counter(each.user_attrs[SLOT] for each in done)
    assert slots == dict.fromkeys(range(n_trials), 1), "every slot ends once, none twice, none is lost"
    idle = [each for each in trials if each.system_attrs.keys() & {DUPLICATE, SURPLUS}]
    assert all(each.state == TrialState.FAIL for each in idle)
    assert all(each.state.is_finished() for each in trials)
    return trials


@pytest.fixture(params=["sqlite", "postgres"])
def storage(request, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/study.db"
    return request.getfixturevalue("postgres").get_uri(database=request.getfixturevalue("database"))


def test_a_worker_killed_in_mid_trial_loses_nothing(storage) -> None:
    workers = [start(storage) for _ in range(3)]
    number = kill_in_mid_trial(storage, workers)
    said = end(workers)
    trials = check_every_slot_ended_once(storage)
    assert trials[number].state == TrialState.FAIL
    retried = [each for each in trials if each.system_attrs.get("failed_trial") == number]
    assert [each.state for each in retried] == [TrialState.COMPLETE]
    assert retried[0].params == trials[number].params
    verdicts = [text.splitlines()[-1] for text, worker in zip(said, workers, strict=True) if worker.returncode == 0]
    assert len(verdicts) == 2, "of three"
    assert len(set(verdicts)) == 1, "the claim is made once, and read by the other"


def test_all_workers_killed_and_the_same_command_again_loses_nothing(storage) -> None:
    workers = [start(storage) for _ in range(3)]
    kill_in_mid_trial(storage, workers)
    for worker in workers:
        worker.kill()
    end(workers)
    assert any(each.state == TrialState.RUNNING for each in trials_of(storage)), "nobody was there to see them die"
    end([start(storage) for _ in range(3)])
    check_every_slot_ended_once(storage)


def test_a_retry_goes_on_from_the_dead_attempts_checkpoint(tmp_path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    workers = [start(storage, n_trials=2, latency=0.04)]
    number = kill_in_mid_trial(storage, workers, n_trials=2)
    end(workers)
    assert any(name.endswith("/events.jsonl/000000000000") for name in checkpoints(storage))
    end([start(storage, n_trials=2, latency=0.04)])
    retried = next(each for each in trials_of(storage) if each.system_attrs.get("failed_trial") == number)
    undisturbed = f"sqlite:///{tmp_path}/undisturbed.db"
    end([start(undisturbed, n_trials=2, latency=0.04)])
    same = next(each for each in trials_of(undisturbed) if each.user_attrs[SLOT] == retried.user_attrs[SLOT])
    assert retried.values == same.values
    assert retried.user_attrs["runs"] >= same.user_attrs["runs"], "what the dead attempt spent is counted"


def test_a_database_that_is_away_for_three_seconds_loses_nothing(postgres, database) -> None:
    storage = postgres.get_uri(database=database)
    workers = [start(storage, n_trials=10) for _ in range(3)]
    wait_until(lambda: any(each.state.is_finished() for each in trials_of(storage)), "a first trial")
    postgres.stop()
    time.sleep(3)
    postgres.start()
    end(workers)
    trials = check_every_slot_ended_once(storage, n_trials=10)
    lost = [each for each in trials if each.state == TrialState.FAIL and SURPLUS not in each.system_attrs]
    assert lost == [], "nobody took another for dead; who asked when all was taken was told so"


@pytest.mark.parametrize("kind", ["journal", "grpc"])
def test_other_storages_too(kind, tmp_path, monkeypatch, grpc_proxy) -> None:
    monkeypatch.setenv("DLPO_ARTIFACTS", str(tmp_path / "artifacts"))
    storage = f"journal://{tmp_path}/study.log" if kind == "journal" else grpc_proxy
    workers = [start(storage, n_trials=8) for _ in range(2)]
    number = kill_in_mid_trial(storage, workers, n_trials=8)
    end(workers)
    trials = check_every_slot_ended_once(storage, n_trials=8)
    assert [each.number for each in trials if each.state == TrialState.FAIL] == [number]


def test_a_worker_on_another_machine_is_missed_after_a_while(tmp_path, monkeypatch) -> None:
    """Its process number says nothing here: only its heart tells."""
    import dspy

    from dspy_dlpo.simulation import simulated_lm

    storage = f"sqlite:///{tmp_path}/study.db"
    with dspy.context(lm=simulated_lm()), search(storage, 2, pulse=Pulse(0.5, 5.0, 0.2), pruning="none") as working:
        lost = working._opened.study.ask()
        lost.storage.set_trial_system_attr(lost._trial_id, WORKER, "elsewhere||#1")
        began = time.monotonic()
        working.work()
    assert time.monotonic() - began > 5.0
    check_every_slot_ended_once(storage, n_trials=2)
