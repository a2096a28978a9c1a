"""Slots, retries and poison, on a real storage, with the states that dead processes leave behind."""

import threading
import time

import optuna
import pytest
from filelock import FileLock
from optuna.trial import TrialState
from searcher import SHORT_PULSE
from waiting import wait_until

from dspy_dlpo.tuning.gaps import WORKER, SignOfLife, is_dead, machine
from dspy_dlpo.tuning.slots import IDLE, Pulse, slots_of, try_again
from dspy_dlpo.tuning.storage import open_store
from dspy_dlpo.tuning.worker import TrialLost, Worker, WorkerError


@pytest.fixture(autouse=True)
def quietly():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def worker(store, study, attempt, **options) -> Worker:
    return Worker(store, study, attempt, **{"pulse": SHORT_PULSE, **options})


def give(trial, slot) -> float:
    return trial.suggest_float("x", 0, 1)


def dead(study, store, *, beats: bool = True):
    """What a killed process of this machine leaves behind: a running trial, and a file that nobody has locked."""
    with pytest.warns(UserWarning, match="Heartbeat"):
        trial = study.ask()
    (store.folder / "workers").mkdir(exist_ok=True)
    if beats:
        (store.folder / "workers" / f"{machine()}.dead").touch()
        store.storage.set_trial_system_attr(trial._trial_id, WORKER, f"{trial.number}/{machine()}.dead")
        store.storage.record_heartbeat(trial._trial_id)
    return trial


def states(study) -> list[list[str]]:
    return [[each.state.name for each in slot.trials] for slot in slots_of(study)]


def hears_nothing(store, monkeypatch, times: int) -> None:
    """Have the database be away when it is first told how a trial ended, so many times."""
    tell, calls = type(store.storage).set_trial_state_values, []

    def away(self, trial_id, state, values=None):
        calls.append(state)
        if len(calls) <= times:
            raise optuna.exceptions.StorageInternalError("connection refused")
        return tell(self, trial_id, state, values)

    monkeypatch.setattr(type(store.storage), "set_trial_state_values", away)


def test_each_slot_is_tried_once_and_then_there_are_none(study, store) -> None:
    assert worker(store, study, give).work(3) == 3
    assert worker(store, study, give).work(3) == 0
    assert worker(store, study, give).work(4) == 1, "more go on"
    assert states(study) == [["COMPLETE"]] * 4
    assert [each.user_attrs["slot"] for each in study.trials] == [0, 1, 2, 3]


def test_a_dead_workers_trial_is_tried_again_with_its_parameters(study, store) -> None:
    lost = dead(study, store)
    x = lost.suggest_float("x", 0, 1)
    began = time.monotonic()
    assert worker(store, study, give).work(1) == 1
    assert states(study) == [["FAIL", "COMPLETE"]]
    assert study.trials[1].params == {"x": x}
    assert time.monotonic() - began < 100, "whoever ran on this machine is missed at once"


def test_a_trial_killed_before_its_first_beat_is_missed_too(study, store) -> None:
    dead(study, store, beats=False)  # popped, and not a word since
    worker(store, study, give).work(1)
    assert states(study) == [["FAIL", "COMPLETE"]]


def test_a_setting_that_kills_its_workers_is_given_up_and_the_others_go_on(study, store) -> None:
    deaths = []

    def kill(trial, slot) -> float:
        if slot.number == 0:
            deaths.append(trial.number)
            study.tell(trial.number, state=TrialState.FAIL)  # as one who takes its worker for dead
            raise TrialLost
        return 1.0

    worker(store, study, kill).work(2)
    assert len(deaths) == 1 + SHORT_PULSE.retries
    assert states(study) == [["FAIL"] * len(deaths), ["COMPLETE"]]
    assert not slots_of(study)[0].is_lost(SHORT_PULSE.retries)
    assert slots_of(study)[0].error == "its worker died"


def test_what_failed_with_an_error_is_tried_again_a_few_times_and_its_error_is_told(study, store) -> None:
    def fail(trial, slot) -> float:
        raise ValueError("no")

    worker(store, study, fail).work(1)
    assert states(study) == [["FAIL"] * (1 + SHORT_PULSE.retries)]
    assert slots_of(study)[0].error == "ValueError: no"


def test_settings_that_fail_one_after_the_other_end_the_worker(study, store) -> None:
    def fail(trial, slot) -> float:
        raise ValueError("no")

    with pytest.raises(WorkerError, match="3 settings in a row failed; the last with ValueError: no"):
        worker(store, study, fail).work(5)
    assert states(study)[:2] == [["FAIL"], ["FAIL"]]
    assert slots_of(study)[2].failures == 0, "what ended the worker is not held against the setting"


def test_an_interruption_is_no_failure(study, store) -> None:
    def interrupt(trial, slot) -> float:
        raise KeyboardInterrupt

    for _ in range(SHORT_PULSE.retries + 3):
        with pytest.raises(KeyboardInterrupt):
            worker(store, study, interrupt).work(1)
    assert slots_of(study)[0].failures == 0
    assert worker(store, study, give).work(1) == 1


def test_a_slot_whose_rescuer_died_too_is_tried_again(study, store) -> None:
    """Killed between failing a dead trial and queueing it again."""
    lost = dead(study, store)
    store.storage.set_trial_state_values(lost._trial_id, TrialState.FAIL)
    assert worker(store, study, give).work(1) == 1
    assert states(study) == [["FAIL", "COMPLETE"]]


def test_of_two_trials_of_one_slot_the_first_has_it(study, store) -> None:
    lost = dead(study, store)
    store.storage.set_trial_state_values(lost._trial_id, TrialState.FAIL)
    for _ in range(2):
        try_again(study, study.trials[0])
    assert worker(store, study, give).work(1) == 1
    assert states(study) == [["FAIL", "COMPLETE"]]
    assert [IDLE in each.user_attrs for each in study.trials] == [False, False, True]


@pytest.mark.slow
def test_workers_at_the_same_time_do_each_slot_once(tmp_path) -> None:
    done, patient = [], Pulse(poll=0.05)

    def slowly(trial, slot) -> float:
        done.append(slot.number)
        return give(trial, slot)

    def work() -> None:
        with open_store(f"sqlite:///{tmp_path}/study.db", pulse=patient) as store:
            study = optuna.create_study(storage=store.storage, study_name="one", load_if_exists=True)
            worker(store, study, slowly, pulse=patient).work(12)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(12))


def test_a_database_that_is_away_is_asked_again_and_the_trial_is_given_back(study, store, monkeypatch, caplog) -> None:
    hears_nothing(store, monkeypatch, times=2)
    assert worker(store, study, give).work(1) == 1
    assert states(study) == [["FAIL", "COMPLETE"]]
    assert slots_of(study)[0].failures == 0
    assert "trying again" in caplog.text


def test_who_interrupts_a_worker_while_the_database_is_away_is_heard(study, store, monkeypatch) -> None:
    def interrupted(trial, slot) -> float:
        raise KeyboardInterrupt

    hears_nothing(store, monkeypatch, times=1)
    with pytest.raises(KeyboardInterrupt):
        worker(store, study, interrupted).work(1)
    assert states(study) == [["FAIL", "WAITING"]]
    assert slots_of(study)[0].failures == 0


def test_a_heartbeat_goes_on_after_a_beat_that_failed(store, monkeypatch, caplog) -> None:
    def fail(self, trial_id):
        raise OSError("the database is away")

    monkeypatch.setattr(optuna.storages.RDBStorage, "record_heartbeat", fail)
    store.database.record_heartbeat(1)
    assert "a heartbeat failed: OSError" in caplog.text


def test_optuna_beats_for_a_trial_that_runs(study, store) -> None:
    beats = []

    def wait(trial, slot) -> float:
        record = store.database.record_heartbeat
        store.database.record_heartbeat = lambda number: (beats.append(number), record(number))
        wait_until(lambda: len(beats) > 2, "a third beat")
        return 1.0

    worker(store, study, wait).work(1)


def test_only_workers_of_this_machine_can_be_seen_to_be_dead(tmp_path) -> None:
    life = SignOfLife(tmp_path)
    assert not is_dead(tmp_path, life.name)
    assert not is_dead(tmp_path, "another.machine")
    assert not is_dead(tmp_path, f"{machine()}.unknown")
    assert not is_dead(tmp_path, "")
    (tmp_path / f"{machine()}.dead").touch()
    assert is_dead(tmp_path, f"{machine()}.dead")
    with FileLock(tmp_path / f"{machine()}.dead"):
        assert not is_dead(tmp_path, f"{machine()}.dead")
    life.end()
    assert list(tmp_path.glob(life.name)) == []
