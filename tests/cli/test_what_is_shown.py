"""What commands show alike: the estimate at any width, and the command that comes next."""

import sys
from pathlib import Path

import pytest
from rich.console import Console

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.cli import showing
from dspy_dlpo.simulation import simulated_lm, simulated_task

LONG = "anthropic/claude-sonnet-4-20250514"


@pytest.fixture
def estimate():
    task = simulated_task("object_counting")
    model = simulated_lm()
    model.model = LONG
    optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=600), task_model=model, prompt_model=model)
    return optimizer.estimate(task.program, trainset=task.trainset, valset=task.valset)


def shown(monkeypatch, capsys, width, estimate):
    monkeypatch.setattr(showing, "console", Console(highlight=False, soft_wrap=True, width=width))
    showing.show_estimate(estimate)
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [50, 80, 200])
def test_the_estimate_names_models_and_numbers_whole_at_any_width(width, monkeypatch, capsys, estimate):
    out = shown(monkeypatch, capsys, width, estimate)
    assert out.count(LONG) == 2
    assert max(map(len, out.splitlines())) <= width
    for number in ("600", "US", "unknown", "prompt", "total"):
        assert number in out


def test_a_wide_terminal_has_the_models_in_the_table(monkeypatch, capsys, estimate):
    assert f"task model: {LONG}" not in shown(monkeypatch, capsys, 200, estimate)
    assert f"task model: {LONG}" in shown(monkeypatch, capsys, 80, estimate)


@pytest.fixture
def installed(tmp_path):
    """A directory with a dlpo command."""
    command = tmp_path / "bin" / "dlpo"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    return command


def next_command(monkeypatch, capsys, called: Path, on_path: Path, log_dir: str) -> str:
    monkeypatch.setattr(sys, "argv", [str(called), "demo"])
    monkeypatch.setenv("PATH", str(on_path))
    showing.show_next(log_dir)
    return capsys.readouterr().out.strip()


def test_the_next_command_can_be_copied_where_dlpo_is_not_on_the_path(monkeypatch, capsys, installed, tmp_path):
    said = next_command(monkeypatch, capsys, installed, tmp_path, "runs/my run")
    assert said == f"Next  {installed} report 'runs/my run' --open"


def test_the_next_command_is_short_where_dlpo_is_on_the_path(monkeypatch, capsys, installed):
    assert next_command(monkeypatch, capsys, installed, installed.parent, "runs/a") == "Next  dlpo report runs/a --open"


def test_the_next_command_installs_first_what_a_report_needs(monkeypatch, capsys, installed):
    monkeypatch.setattr(showing, "_FOR_REPORTS", ("jinja2", "no_such_library"))
    said = next_command(monkeypatch, capsys, installed, installed.parent, "runs/a")
    assert said == 'Next  pip install "dspy-dlpo[report]", then dlpo report runs/a --open'
