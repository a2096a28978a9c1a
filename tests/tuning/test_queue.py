"""Slots, retries and poison, on real storages, with the states that dead processes leave behind."""

import time

import optuna
import pytest
from optuna.trial import TrialState
from waiting import wait_until

from dspy_dlpo.tuning.heart import BEAT, WORKER, Heart, Listener
from dspy_dlpo.tuning.place import is_gone, place, worker_name
from dspy_dlpo.tuning.queue import DUPLICATE, ERROR, RELEASED, SLOT, Pulse, Queue

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
        wait_until(lambda: study.trials[0].system_attrs.get(BEAT, 0) > 2, "a third beat")
    assert "OSError" in caplog.text


def test_a_heart_notices_that_its_trial_was_taken_away(study, store) -> None:
    trial = study.ask()
    with Heart(store.storage, trial, 0.02) as heart:
        study.tell(trial, state=TrialState.FAIL)
        wait_until(lambda: heart.is_lost, "the next beat")


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when it is told to."""

    class Clock:
        now = 0.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr("dspy_dlpo.tuning.heart.time", clock)
    return clock


def test_a_listener_trusts_beats_and_not_clocks(study, store, clock) -> None:
    trial, listener = study.ask(), Listener(10.0)
    store.storage.set_trial_system_attr(trial._trial_id, WORKER, "elsewhere||#1")
    for beat in range(4):
        store.storage.set_trial_system_attr(trial._trial_id, BEAT, beat)
        assert not listener.is_stale(study.trials[0])
        clock.now += 60.0
    for _ in range(2):
        clock.now += 60.0
        assert not listener.is_stale(study.trials[0]), "one silence counts for half the grace at most"
    clock.now += 0.1
    assert listener.is_stale(study.trials[0])


def test_a_listener_gives_a_worker_time_after_the_database_was_away(study, store, clock) -> None:
    trial, listener = study.ask(), Listener(10.0)
    store.storage.set_trial_system_attr(trial._trial_id, WORKER, "elsewhere||#1")
    assert not listener.is_stale(study.trials[0])
    clock.now += 600.0  # nobody could beat or look
    assert not listener.is_stale(study.trials[0])
    assert not listener.is_stale(study.trials[0])


def test_only_processes_of_this_place_can_be_seen_to_be_gone() -> None:
    assert not is_gone(worker_name())
    assert is_gone(f"{place()}#999999999")
    assert not is_gone("another machine#999999999")
    assert not is_gone("")


def test_a_slot_that_is_queued_again_between_two_looks_is_not_done(study, queue, monkeypatch) -> None:
    queue.add([0], {})
    released = queue.take(1)
    looks = []

    def look():
        trials = [each for each in study.get_trials(deepcopy=False) if SLOT in each.user_attrs]
        if not looks:  # another worker queues it again right after this one has looked
            study._storage.set_trial_system_attr(released._trial_id, RELEASED, True)
            study.tell(released, state=TrialState.FAIL)
            trials = [each for each in study.get_trials() if SLOT in each.user_attrs]
            study.enqueue_trial({}, user_attrs={SLOT: 0})
        looks.append(trials)
        return trials

    monkeypatch.setattr(queue, "trials", look)
    assert queue.take(1) is not None
    assert queue.poisoned(1) == {}


def test_what_does_not_belong_to_a_search_is_left_alone(study, queue) -> None:
    study.tell(study.ask(), 1.0)
    assert queue.trials() == []
    assert optuna.load_study(study_name=study.study_name, storage=study._storage).trials[0].value == 1.0
