"""``dlpo tune`` and ``dlpo dashboard`` as a user types them."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner
from waiting import PATIENCE

from dspy_dlpo.cli import main

MODULE = """
import dspy
from dspy_dlpo import Task
from dspy_dlpo.simulation import simulated_lm, simulated_task

dspy.configure(lm=simulated_lm())
known = simulated_task("object_counting")
task = Task(known.program, known.metric, known.trainset[:30], known.valset[:20], known.testset[:40])
bad = Task(known.program, known.metric, known.trainset)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "my_tasks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dlpo(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "dspy_dlpo.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)


@pytest.mark.slow
def test_two_workers_make_one_search_and_one_claim(here) -> None:
    done = dlpo("tune", "my_tasks:task", "--trials", "4", "--budget-per-trial", "60", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert sorted(re.findall(r"trial +(\d+)", done.stdout)[:4]) == ["0", "1", "2", "3"]
    assert done.stdout.count("Verdict") == 1
    assert "at most 360 runs of the program" in done.stdout.replace("\n", " ")
    assert "DLPOTeleprompter(metric, " in done.stdout
    again = dlpo("tune", "my_tasks:task", "--trials", "4", "--budget-per-trial", "60", "--json")
    assert again.returncode == 0, again.stderr
    found = json.loads(again.stdout[again.stdout.index("{") :])
    assert found["trials"]["complete"] + found["trials"]["pruned"] == 4


def test_the_price_spends_nothing(here) -> None:
    done = dlpo("tune", "my_tasks:task", "--trials", "4", "--price")
    assert done.returncode == 0, done.stderr
    assert "2,400" not in done.stdout
    assert "at most 2,520 runs" in done.stdout
    assert not (here / "dlpo-tuning.db").exists()


def test_the_price_is_told_as_json_alone(here) -> None:
    done = dlpo("tune", "my_tasks:task", "--trials", "4", "--price", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"trials", "runs", "test_runs", "usd", "estimates"}
    assert (found["trials"], found["runs"]) == (4, 2520)
    assert len(found["estimates"]) == 1


@pytest.mark.slow
def test_the_dashboard_tells_its_address_in_one_line_of_json(here) -> None:
    command = [sys.executable, "-m", "dspy_dlpo.cli", "dashboard", "--storage", "new.db", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as serving:
        try:
            told = json.loads(serving.stdout.readline())
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/dashboard", told["url"])
            assert told["storage"] == "sqlite:///new.db"
            serving.send_signal(signal.SIGINT)
            assert serving.wait(PATIENCE) == 0
            assert serving.stdout.read() == ""
        finally:
            serving.kill()


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("my_tasks:bad",), "no testset"),
        (("my_tasks:none",), "Name a Task"),
        (("my_tasks:task", "--storage", "postgresql://me:geheim@host/x"), "DLPO_STORAGE"),
        (("my_tasks:task", "--trials", "1"), "at least 2"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_the_way_out(here, arguments, said) -> None:
    done = dlpo("tune", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "geheim" not in done.stderr + done.stdout


@pytest.mark.slow
def test_the_dashboard_serves_the_study_until_ctrl_c(here) -> None:
    assert dlpo("tune", "my_tasks:task", "--trials", "2", "--budget-per-trial", "60").returncode == 0
    environment = {**os.environ, "DLPO_STORAGE": "sqlite:///dlpo-tuning.db", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "dspy_dlpo.cli", "dashboard", "--port", "0"]
    serving = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert serving.stdout.readline() == "showing sqlite:///dlpo-tuning.db\n"
        port = int(re.search(r"127\.0\.0\.1:(\d+)", serving.stdout.readline()).group(1))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", "/api/studies")
        assert b"dlpo-tuning" in connection.getresponse().read()
        connection.close()
        serving.send_signal(signal.SIGINT)
        _, errors = serving.communicate(timeout=PATIENCE)
    finally:
        serving.kill()
        serving.wait()
    assert serving.returncode == 0, errors
    assert "Traceback" not in errors


def test_the_help_names_all_commands() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    for name in ("demo", "estimate", "tune", "dashboard", "serve"):
        assert f"\n  {name} " in shown
