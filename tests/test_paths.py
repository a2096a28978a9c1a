"""Paths are expanded and made absolute once; nothing else of the process is changed or read."""

import os
import random
import threading
from pathlib import Path

import dspy
import numpy as np
import pytest
from click.testing import CliRunner

from dspy_dlpo import Budget, DLPOResult, DLPOTeleprompter, Stopping
from dspy_dlpo.cli import main
from dspy_dlpo.core.storage import read_history
from dspy_dlpo.simulation import simulated_lm, simulated_task
from dspy_dlpo.tuning.address import read_address

TASK = simulated_task("object_counting", n_train=12, n_val=8)


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def compiled(program=TASK.program, **settings):
    lm = simulated_lm(0)
    optimizer = DLPOTeleprompter(TASK.metric, budget=Budget(40), task_model=lm, prompt_model=lm, **settings)
    return optimizer.compile(program, trainset=TASK.trainset, valset=TASK.valset).detailed_results


def test_the_home_directory_is_expanded(home):
    result = compiled(log_dir="~/runs/first")
    assert result.log_dir == str(home / "runs" / "first")
    assert os.listdir() == []
    assert len(read_history("~/runs/first")) == len(result.history)
    assert DLPOResult.load("~/runs/first").verdict == result.verdict
    result.save("~/result.json")
    assert (home / "result.json").is_file()


def test_a_program_that_changes_the_working_directory_changes_nothing_else(home, monkeypatch):
    (home / "elsewhere").mkdir()

    class Wanderer(dspy.Module):
        def __init__(self):
            super().__init__()
            self.solve = dspy.Predict(dspy.Signature("question -> answer", "Count."))

        def forward(self, question):
            os.chdir(home / "elsewhere")
            return self.solve(question=question)

    here = Path.cwd()
    result = compiled(Wanderer(), log_dir="runs/first", stopping=Stopping(stop_file="halt"))
    assert os.listdir(home / "elsewhere") == []
    assert result.log_dir == str(here / "runs" / "first")
    monkeypatch.chdir(here)
    assert compiled(Wanderer(), log_dir="runs/first").verdict == result.verdict


def test_a_stop_file_is_expanded(home):
    assert Stopping(stop_file="~/halt").stop_file == str(home / "halt")
    (home / "halt").write_text("")
    with pytest.raises(ValueError, match="exists, so the run would end at once"):
        compiled(stopping=Stopping(stop_file="~/halt"))


@pytest.mark.parametrize("path", [3, b"runs", ["runs"]])
def test_what_is_no_path_is_told(path):
    for make in (lambda: DLPOTeleprompter(TASK.metric, log_dir=path), lambda: Stopping(stop_file=path)):
        with pytest.raises(TypeError, match="is no path"):
            make()


def test_an_empty_path_is_told():
    with pytest.raises(ValueError, match="log_dir='' is empty"):
        DLPOTeleprompter(TASK.metric, log_dir="")


def test_a_home_of_nobody_is_told():
    with pytest.raises(ValueError, match="cannot be expanded"):
        DLPOTeleprompter(TASK.metric, log_dir="~nobody-of-that-name/runs")


def test_paths_of_commands_are_expanded(home):
    compiled(log_dir=home / "run")
    done = CliRunner().invoke(main, ["report", "~/run", "--output=~/page.html"])
    assert done.exit_code == 0, done.output
    assert (home / "page.html").is_file()


def test_the_file_of_a_search_is_expanded(home):
    assert read_address("~/study.db").url.database == str(home / "study.db")
    assert read_address("study.db").url.database == str(Path.cwd() / "study.db")


@pytest.mark.parametrize("threads", [1, 4])
def test_the_global_random_is_neither_read_nor_changed(threads, tmp_path):
    def state():
        return random.getstate(), str(np.random.get_state())

    found = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        before = state()
        found.append(compiled(num_threads=threads, log_dir=tmp_path / str(seed)))
        assert state() == before
    assert found[0].best_prompts == found[1].best_prompts
    assert found[0].history.steps()


def test_the_draws_of_another_thread_go_on_undisturbed():
    """No state is put back while a run goes on: another thread's draws would come twice."""
    random.seed(3)
    wanted = [random.Random(3)]
    expected = [wanted[0].random() for _ in range(20_000)]
    drawn, ended = [], threading.Event()

    def draw():
        while not ended.is_set() and len(drawn) < 20_000:
            drawn.append(random.random())

    thread = threading.Thread(target=draw)
    thread.start()
    compiled(num_threads=2)
    ended.set()
    thread.join()
    assert drawn == expected[: len(drawn)]
