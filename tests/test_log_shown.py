"""`compile` shows a line a step through the package's log, where the user has not decided otherwise."""

import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE

SCRIPT = """
import logging, random, sys
import dspy
from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.progress import ProgressBar
from dspy_dlpo.simulation import simulated_lm, simulated_task
settings = {}
task = simulated_task("object_counting", n_train=20, n_val=20)
{before}
state = random.getstate()
with dspy.context(lm=simulated_lm()):
    optimizer = DLPOTeleprompter(task.metric, budget=Budget(metric_calls=300), **settings)
    better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
assert random.getstate() == state or "on_record" in settings, "also where a run imports what it needs"
print(better.detailed_results.verdict)
logger = logging.getLogger("dspy_dlpo")
print(len(logger.handlers), logger.level)
"""


def shown(before: str = "") -> tuple[list[str], list[str]]:
    """The lines on standard output and on standard error."""
    command = [sys.executable, "-c", SCRIPT.replace("{before}", before)]
    path = str(Path(__file__).parent.parent)
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env={"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_a_line_for_each_step_is_shown_by_default_and_nothing_is_left_behind():
    (verdict, after), lines = shown()
    assert after == "0 0"
    assert all(line.startswith("dspy_dlpo: ") for line in lines)
    assert lines[0].startswith("dspy_dlpo: start 0: 0.")
    assert lines[0].endswith("; 16 runs")
    steps = [line for line in lines if line.startswith("dspy_dlpo: step ")]
    assert steps
    assert all("kept; " in line for line in steps)
    assert any(" -> " in line for line in steps), "scores before and after"
    assert lines[-1].endswith(f"; {verdict}")


@pytest.mark.parametrize(
    "before",
    [
        "settings['verbose'] = False",
        *(
            pytest.param(before, marks=pytest.mark.slow)
            for before in (
                "logging.getLogger('dspy_dlpo').setLevel(logging.WARNING)",
                "logging.getLogger('dspy_dlpo').addHandler(logging.NullHandler())",
                "logging.disable(logging.INFO)",
            )
        ),
    ],
)
def test_nothing_is_shown_to_those_who_do_not_want_it(before):
    assert shown(before)[1] == []


@pytest.mark.slow
def test_handlers_of_ones_own_see_each_line_once():
    _, lines = shown("logging.basicConfig(level=logging.INFO, format='mine: %(message)s')")
    assert [line for line in lines if "start 0" in line] == [line for line in lines if line.startswith("mine: start 0")]
    assert len([line for line in lines if "start 0" in line]) == 1


@pytest.mark.slow
def test_a_progress_bar_is_enough():
    _, lines = shown("settings['on_record'] = ProgressBar(300)")
    assert not [line for line in lines if line.startswith("dspy_dlpo: ")]
    assert lines[0].startswith("start ")
