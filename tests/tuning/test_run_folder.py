"""Run directories that workers leave behind when they die at any moment, and what the next one makes of them."""

import json
import logging
from pathlib import Path

import dspy
import pytest
from searcher import search, small_task

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.core.events import Recorded, Sent, Started, What, event_to_json
from dspy_dlpo.core.handover import RunFolder
from dspy_dlpo.core.history import Record
from dspy_dlpo.core.storage import RunDirectory
from dspy_dlpo.simulation import simulated_lm

EVENTS, SETTINGS = "events.jsonl", "run.json"


def write_run(folder: Path, records: int, seed: int = 0) -> None:
    """A run directory with so many records, as a run leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS).write_text(json.dumps({"seed": seed, "identity": 4}))
    log = [Started({"metric_calls": 60}), *(Recorded(Record("step", n, 0.0, {}, {})) for n in range(records))]
    (folder / EVENTS).write_text("".join(f"{event_to_json(event)}\n" for event in log))


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def restored(root: Path, attempt: str) -> Path:
    folder = RunFolder(root, attempt)
    folder.restore()
    return folder.path


def test_the_attempt_that_came_furthest_is_gone_on_with(tmp_path) -> None:
    for name, records in (("0", 2), ("3", 5), ("7", 4)):
        write_run(tmp_path / name, records)
    (tmp_path / "0" / ".lock").touch()
    assert contents(restored(tmp_path, "9")) == contents(tmp_path / "3")
    assert contents(restored(tmp_path / "another", "9")) == {}


def test_an_attempt_that_was_taken_for_dead_spoils_nothing(tmp_path) -> None:
    write_run(tmp_path / "0", 3)
    living = RunDirectory(tmp_path / "0")
    second = restored(tmp_path, "1")
    living.append(Sent(What.RUN, 1))
    RunDirectory(second).close()
    assert len((second / EVENTS).read_text().splitlines()) == 4
    living.close()


@pytest.mark.parametrize("damage", ["no settings", "cut settings", "settings of no run", "a broken line"])
def test_what_cannot_be_gone_on_with_is_set_aside(damage, tmp_path, caplog) -> None:
    folder, sent = tmp_path / "0", event_to_json(Sent(What.RUN, 1))
    write_run(folder, 3)
    if damage == "no settings":
        (folder / SETTINGS).unlink()
    elif damage == "a broken line":
        (folder / EVENTS).write_text(f"{sent}\nno JSON\n{sent}\n")
    else:
        (folder / SETTINGS).write_text("{}" if damage == "settings of no run" else '{"seed": ')
    with caplog.at_level(logging.WARNING):
        assert contents(restored(tmp_path, "1")) == {}
    assert "cannot be gone on with" in caplog.text
    caplog.clear()
    write_run(tmp_path / "1", 1)
    assert contents(restored(tmp_path, "2")) == contents(tmp_path / "1"), "what was set aside does not come back"
    assert caplog.text == ""


def test_a_directory_of_another_run_is_set_aside_and_the_trial_begins_anew(tmp_path, caplog) -> None:
    """The task was changed between two attempts."""
    with dspy.context(lm=simulated_lm()), search(f"sqlite:///{tmp_path}/study.db", 2, pruning="none") as working:
        task, attempt = small_task(), working._attempt

        def changed(trial, slot):
            other = working._folder(slot) / "0" / "before"
            DLPOTeleprompter(task.metric, budget=Budget(metric_calls=60), seed=5, log_dir=other).compile(
                task.program, trainset=task.trainset, valset=task.valset
            )
            return attempt(trial, slot)

        working._attempt = changed
        with caplog.at_level(logging.WARNING):
            working.work()
        assert [each.state.name for each in working.study.get_trials()] == ["COMPLETE", "COMPLETE"]
    assert "holds another run" in caplog.text
