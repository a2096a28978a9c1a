"""Slots, retries and poison, on real storages, with the states that dead processes leave behind."""

import json
import time

import optuna
import pytest
from optuna.trial import TrialState

from dspy_dlpo.tuning.checkpoint import Checkpoint
from dspy_dlpo.tuning.heart import BEAT, WORKER, Heart, Listener
from dspy_dlpo.tuning.place import is_gone, place, worker_name
from dspy_dlpo.tuning.queue import DUPLICATE, ERROR, SLOT, Pulse, Queue

PULSE = Pulse(every=0.05, grace=0.3, poll=0.05, retries=2)


@pytest.fixture
def queue(study, store) -> Queue:
    return Queue(study, store.storage, PULSE)


def kill(study, trial) -> None:
    """What a killed process of this machine leaves behind."""
    study._storage.set_trial_system_attr(trial._trial_id, WORKER, f"{place()}#999999999")


def states(study) -> list[tuple[int, str]]:
    return [(each.user_attrs.get(SLOT, -1), each.state.name) for each in study.trials]


def test_slots_are_taken_in_order_and_then_there_are_none(study, queue) -> None:
    queue.add([0, 1], {0: {"x": 0.25}})
    first = queue.take(2)
    assert first.user_attrs[SLOT] == 0
    assert first.suggest_float("x", 0, 1) == 0.25
    study.tell(first, 1.0)
    study.tell(queue.take(2), 2.0)
    assert queue.take(2) is None


def test_a_dead_workers_trial_is_tried_again_with_its_parameters(study, queue) -> None:
    queue.add([0], {})
    dead = queue.take(1)
    x = dead.suggest_float("x", 0, 1)
    kill(study, dead)
    again = queue.take(1)
    assert again.suggest_float("x", 0, 1) == x
    frozen = study.trials[again.number]
    assert frozen.system_attrs["failed_trial"] == dead.number
    assert frozen.system_attrs["retry_history"] == [dead.number]
    assert states(study) == [(0, "FAIL"), (0, "RUNNING")]


def test_a_trial_killed_before_its_first_beat_is_missed_too(study, queue) -> None:
    queue.add([0], {})
    study.ask()  # popped, and not a word since
    began = time.monotonic()
    assert queue.take(1) is not None
    assert time.monotonic() - began >= PULSE.grace


def test_a_setting_that_kills_its_workers_is_given_up_and_the_others_go_on(study, queue) -> None:
    queue.add([0, 1], {})
    while (trial := queue.take(2)) is not None:
        if trial.user_attrs[SLOT] == 0:
            kill(study, trial)
        else:
            study.tell(trial, 1.0)
    assert states(study).count((0, "FAIL")) == 1 + PULSE.retries
    assert states(study).count((1, "COMPLETE")) == 1
    assert queue.poisoned(2) == {0: "its worker died"}


def test_what_failed_with_an_error_is_tried_again_a_few_times_and_its_error_is_told(study, queue, store) -> None:
    queue.add([0], {})
    while (trial := queue.take(1)) is not None:
        store.storage.set_trial_system_attr(trial._trial_id, ERROR, "ValueError: no")
        study.tell(trial, state=TrialState.FAIL)
    assert states(study) == [(0, "FAIL")] * (1 + PULSE.retries)
    assert queue.poisoned(1) == {0: "ValueError: no"}


def test_an_interruption_is_no_failure(study, queue) -> None:
    queue.add([0], {})
    for _ in range(PULSE.retries + 3):
        queue.release(queue.take(1))
    study.tell(queue.take(1), 1.0)
    assert queue.poisoned(1) == {}


def test_a_slot_whose_rescuer_died_too_is_queued_again(study, queue, store) -> None:
    """Killed between failing a dead trial and queueing it again."""
    queue.add([0], {})
    dead = queue.take(1)
    store.storage.set_trial_state_values(dead._trial_id, TrialState.FAIL)
    assert queue.take(1).user_attrs[SLOT] == 0


def test_of_two_trials_of_one_slot_the_first_has_it(study, queue) -> None:
    queue.add([0], {})
    queue.add([0], {})
    study.tell(queue.take(1), 1.0)
    assert queue.take(1) is None
    assert states(study) == [(0, "COMPLETE"), (0, "FAIL")]
    assert study.trials[1].system_attrs[DUPLICATE] == 0


def test_a_trial_that_optuna_made_up_is_nobodys(study, queue) -> None:
    assert queue._ask() is None
    assert states(study) == [(-1, "FAIL")]


def test_a_heart_goes_on_after_a_beat_that_failed(study, store, caplog) -> None:
    trial = study.ask()
    working, failures = store.storage.set_trial_system_attr, []

    def flaky(trial_id, key, value):
        if key == BEAT and len(failures) < 2:
            failures.append(value)
            raise OSError("the database is away")
        working(trial_id, key, value)

    store.storage.set_trial_system_attr = flaky
    with Heart(store.storage, trial, 0.02):
        time.sleep(0.3)
    assert study.trials[0].system_attrs[BEAT] > 2
    assert "OSError" in caplog.text


def test_a_heart_notices_that_its_trial_was_taken_away(study, store) -> None:
    trial = study.ask()
    with Heart(store.storage, trial, 0.02) as heart:
        study.tell(trial, state=TrialState.FAIL)
        time.sleep(0.2)
        assert heart.is_lost


def test_a_listener_trusts_beats_and_not_clocks(study, store) -> None:
    trial, listener = study.ask(), Listener(0.1)
    store.storage.set_trial_system_attr(trial._trial_id, WORKER, "elsewhere||#1")
    for beat in range(4):
        store.storage.set_trial_system_attr(trial._trial_id, BEAT, beat)
        assert not listener.is_stale(study.trials[0])
        time.sleep(0.06)
    for _ in range(2):
        time.sleep(0.06)
        assert not listener.is_stale(study.trials[0]), "one silence counts for half the grace at most"
    time.sleep(0.06)
    assert listener.is_stale(study.trials[0])


def test_a_listener_gives_a_worker_time_after_the_database_was_away(study, store) -> None:
    trial, listener = study.ask(), Listener(0.2)
    store.storage.set_trial_system_attr(trial._trial_id, WORKER, "elsewhere||#1")
    assert not listener.is_stale(study.trials[0])
    time.sleep(0.4)  # nobody could beat or look
    assert not listener.is_stale(study.trials[0])
    assert not listener.is_stale(study.trials[0])


def test_only_processes_of_this_place_can_be_seen_to_be_gone() -> None:
    assert not is_gone(worker_name())
    assert is_gone(f"{place()}#999999999")
    assert not is_gone("another machine#999999999")
    assert not is_gone("")


# --- checkpoints ------------------------------------------------------------------------------------------------------


def test_a_checkpoint_brings_the_folder_back(store, tmp_path) -> None:
    folder, other = tmp_path / "run", tmp_path / "other"
    folder.mkdir()
    checkpoint = Checkpoint(store.blobs, "run/u/0/0", 0, folder)
    (folder / "run.json").write_text(json.dumps({"seed": 0}))
    for n in range(3):
        with open(folder / "calls.jsonl", "a") as file:
            file.write(f"line {n}\nhalf a l")
        checkpoint.save()
    assert not Checkpoint(store.blobs, "run/u/0/1", 0, other).restore()
    again = Checkpoint(store.blobs, "run/u/0/0", 1, other)
    assert again.restore()
    assert (other / "calls.jsonl").read_text() == (folder / "calls.jsonl").read_text()
    assert (other / "run.json").read_text() == (folder / "run.json").read_text()


def test_a_checkpoint_never_holds_a_record_without_its_calls(store, tmp_path) -> None:
    folder, other = tmp_path / "run", tmp_path / "other"
    folder.mkdir()

    def write(number: int) -> None:
        for name in ("calls.jsonl", "history.jsonl"):  # in this order, as a run does
            with open(folder / name, "a") as file:
                file.write(f"{number}\n")

    class Slow:
        """Takes so long to store a file that the run goes on meanwhile."""

        def put(self, name: str, body: bytes) -> None:
            store.blobs.put(name, body)
            write(2)

    write(1)
    Checkpoint(Slow(), "p", 0, folder).save()
    assert Checkpoint(store.blobs, "p", 1, other).restore()
    history = (other / "history.jsonl").read_text().splitlines()
    assert history == ["1"]
    assert set(history) <= set((other / "calls.jsonl").read_text().splitlines())


def test_an_attempt_that_was_taken_for_dead_spoils_nothing(store, tmp_path) -> None:
    old, new, last = (tmp_path / name for name in ("old", "new", "last"))
    first = Checkpoint(store.blobs, "p", 0, old)
    old.mkdir()
    (old / "calls.jsonl").write_text("one\n")
    first.save()
    second = Checkpoint(store.blobs, "p", 1, new)
    second.restore()
    (new / "calls.jsonl").write_text("one\ntwo\n")
    second.save()
    (old / "calls.jsonl").write_text("one\nanother two\n")
    first.save()
    Checkpoint(store.blobs, "p", 2, last).restore()
    assert (last / "calls.jsonl").read_text() == "one\ntwo\n"
    store.blobs.remove_all("p/")
    assert store.blobs.names("p/") == []


def test_what_does_not_belong_to_a_search_is_left_alone(study, queue) -> None:
    study.tell(study.ask(), 1.0)
    assert queue.trials() == []
    assert optuna.load_study(study_name=study.study_name, storage=study._storage).trials[0].value == 1.0
