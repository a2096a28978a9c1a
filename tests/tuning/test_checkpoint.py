"""Run directories that workers leave behind when they die at any moment, and what the next one makes of them."""

import json
import logging
from pathlib import Path

import dspy
import pytest
from searcher import search, small_task

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.core.events import Recorded, Sent, Started, What, event_to_json
from dspy_dlpo.core.history import Record
from dspy_dlpo.core.opening import check_run
from dspy_dlpo.simulation import simulated_lm
from dspy_dlpo.tuning.checkpoint import Checkpoint

EVENTS, SETTINGS = "events.jsonl", "run.json"


class Killed(Exception):
    """The worker died."""


class Dying:
    """Blobs of a worker that dies at its n-th write."""

    def __init__(self, blobs, writes: int) -> None:
        self._blobs, self.writes = blobs, writes

    def put(self, name: str, body: bytes) -> None:
        if self.writes == 0:
            raise Killed
        self.writes -= 1
        self._blobs.put(name, body)

    def __getattr__(self, name: str):
        return getattr(self._blobs, name)


def write_run(folder: Path, records: int, seed: int = 0) -> None:
    """A run directory with so many records, as a run leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS).write_text(json.dumps({"seed": seed, "identity": 4}))
    steps = [Recorded(Record("step", n, 0.0, {}, {})) for n in range(records)]
    log = [Started({"metric_calls": 60}), *steps]
    (folder / EVENTS).write_text("".join(f"{event_to_json(event)}\n" for event in log))


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_checkpoint_brings_the_folder_back(store, tmp_path) -> None:
    folder, other = tmp_path / "run", tmp_path / "other"
    checkpoint = Checkpoint(store.blobs, "run/u/0/0", 0, folder)
    write_run(folder, 2)
    for n in range(3):
        with open(folder / EVENTS, "a") as file:
            file.write(event_to_json(Sent(What.RUN, n)) + "\n")
        checkpoint.save()
    assert not Checkpoint(store.blobs, "run/u/0/1", 0, other).restore()
    assert Checkpoint(store.blobs, "run/u/0/0", 1, other).restore()
    assert contents(other) == contents(folder)


@pytest.mark.parametrize("writes", range(7))
def test_a_worker_that_dies_between_two_files_leaves_what_can_be_gone_on_with(writes, store, tmp_path) -> None:
    """At any write: of the first attempt, or of the second, which had more to store than the first."""
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    blobs = Dying(store.blobs, writes)
    calls = 0
    try:
        write_run(first, 5)
        Checkpoint(blobs, "p", 0, first).save()
        calls = 5
        checkpoint = Checkpoint(blobs, "p", 1, second)
        assert checkpoint.restore()
        write_run(second, 8)
        checkpoint.save()
        calls = 8
    except Killed:
        pass
    Checkpoint(store.blobs, "p", 2, third).restore()
    third.mkdir(exist_ok=True)
    check_run(third)
    kept = (third / EVENTS).read_text().splitlines() if (third / EVENTS).exists() else []
    assert len(kept) >= calls, "what was stored whole is never lost to what was stored in part"


@pytest.mark.parametrize("damage", ["no settings", "cut settings", "settings of no run", "a broken line"])
def test_what_cannot_be_gone_on_with_is_set_aside(damage, store, tmp_path, caplog) -> None:
    folder, other, last = tmp_path / "run", tmp_path / "other", tmp_path / "last"
    write_run(folder, 3)
    if damage == "no settings":
        (folder / SETTINGS).unlink()
    elif damage == "a broken line":
        (folder / EVENTS).write_text('{"event": "Resumed"}\nno JSON\n{"event": "Resumed"}\n')
    else:
        (folder / SETTINGS).write_text("{}" if damage == "settings of no run" else '{"seed": ')
    Checkpoint(store.blobs, "p", 0, folder).save()
    with caplog.at_level(logging.WARNING):
        again = Checkpoint(store.blobs, "p", 1, other)
        assert not again.restore()
    assert "p/000 cannot be gone on with" in caplog.text
    assert contents(other) == {}
    caplog.clear()
    write_run(other, 1)
    again.save()
    assert Checkpoint(store.blobs, "p", 2, last).restore()
    assert contents(last) == contents(other), "a longer one that was set aside does not come back"
    assert caplog.text == ""


def test_a_log_that_is_begun_anew_is_stored_anew(store, tmp_path) -> None:
    folder, other = tmp_path / "run", tmp_path / "other"
    write_run(folder, 4)
    checkpoint = Checkpoint(store.blobs, "p", 0, folder)
    checkpoint.save()
    write_run(tmp_path / "new", 2)
    (tmp_path / "new" / EVENTS).rename(folder / "draft")
    (folder / "draft").replace(folder / EVENTS)  # as a run does in a directory in which nothing was scored
    checkpoint.save()
    with open(folder / EVENTS, "a") as file:
        file.write(event_to_json(Recorded(Record("trial", 2, 0.5, {}, {}))) + "\n")
    checkpoint.save()
    assert Checkpoint(store.blobs, "p", 1, other).restore()
    assert contents(other) == contents(folder)


def test_an_attempt_that_was_taken_for_dead_spoils_nothing(store, tmp_path) -> None:
    old, new, last = (tmp_path / name for name in ("old", "new", "last"))
    first = Checkpoint(store.blobs, "p", 0, old)
    write_run(old, 1)
    first.save()
    second = Checkpoint(store.blobs, "p", 1, new)
    second.restore()
    write_run(new, 2)
    second.save()
    write_run(old, 2, seed=1)
    first.save()
    Checkpoint(store.blobs, "p", 2, last).restore()
    assert contents(last) == contents(new), "of equals the later"
    store.blobs.remove_all("p/")
    assert store.blobs.names("p/") == []


def test_a_checkpoint_of_another_run_is_set_aside_and_the_trial_begins_anew(tmp_path, caplog) -> None:
    """The task was changed between two attempts."""
    storage = f"sqlite:///{tmp_path}/study.db"
    stored = tmp_path / "stored"
    with dspy.context(lm=simulated_lm()):
        task = small_task()
        DLPOTeleprompter(task.metric, budget=Budget(metric_calls=60), seed=5, log_dir=stored).compile(
            task.program, trainset=task.trainset, valset=task.valset
        )
        with search(storage, 2, pruning="none") as working:
            trial = working._opened.study.get_trials()[0]
            prefix = f"run/{working._opened.uid}/{trial.number}/0"
            Checkpoint(working._store.blobs, prefix, 999, stored).save()
            with caplog.at_level(logging.WARNING):
                working.work()
            states = [each.state.name for each in working._opened.study.get_trials()]
    assert states == ["COMPLETE", "COMPLETE"]
    assert "holds another run" in caplog.text
