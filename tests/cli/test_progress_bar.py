"""The progress of a run: in a script, and what it does to what others print."""

import io
import logging
import subprocess
import sys

import pytest
from rich.console import Console
from waiting import PATIENCE

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.core.history import Record
from dspy_dlpo.progress import ProgressBar
from dspy_dlpo.progress.pace import Pace, in_words
from dspy_dlpo.progress.streams import WholeLines, whole_lines
from dspy_dlpo.simulation import simulated_lm, simulated_task


def shown(**options):
    text = io.StringIO()
    return text, ProgressBar(console=Console(file=text), **options)


def record(step, spent, kind="step", **more):
    return Record(kind, step, 0.0, {}, {}, spent={"metric_calls": float(spent)}, **more)


def compiled(bar, budget=None):
    task, lm = simulated_task("object_counting", n_train=20, n_val=20), simulated_lm(0)
    optimizer = DLPOTeleprompter(
        task.metric, task_model=lm, prompt_model=lm, budget=budget or Budget(metric_calls=100), on_record=bar
    )
    return optimizer.compile(task.program, trainset=task.trainset, valset=task.valset).detailed_results


def test_a_script_needs_to_say_no_more_than_on_record():
    out = sys.stdout
    text, bar = shown(budget=Budget(metric_calls=100))
    result = compiled(bar)
    lines = text.getvalue().splitlines()
    assert lines[0].startswith("start ")
    assert lines[-1].startswith("end ")
    assert lines[-1].endswith(result.ended)
    assert f"{result.spent['metric_calls']}/100 runs" in lines[-1]
    assert sum(" score " in line for line in lines) == 1 + sum(
        r.accepted or r.kind == "growth" for r in result.history if r.kind not in ("prune", "start")
    )
    assert sys.stdout is out, "standard output is given back"


def test_it_ends_where_the_run_fails():
    def metric(gold, pred, trace=None):
        raise KeyError("broken")

    out, (_, bar) = sys.stdout, shown(budget=50)
    task, lm = simulated_task("object_counting", n_train=20, n_val=20), simulated_lm(0)
    optimizer = DLPOTeleprompter(metric, task_model=lm, prompt_model=lm, on_record=bar)
    with bar, pytest.raises(Exception, match="broken"):
        optimizer.compile(task.program, trainset=task.trainset)
    assert sys.stdout is out


def test_the_same_bar_shows_a_second_run():
    text, bar = shown(budget=100)
    compiled(bar)
    compiled(bar)
    assert text.getvalue().count("start ") == 2
    assert text.getvalue().count("end ") == 2


@pytest.mark.parametrize("budget", [Budget(lm_calls=60), Budget(tokens=20_000), Budget(seconds=2.0)])
def test_other_budgets_than_program_runs_are_shown(budget):
    text, bar = shown(budget=budget)
    compiled(bar, budget)
    assert "runs" in text.getvalue()


def test_a_budget_that_is_none_is_refused():
    with pytest.raises(TypeError, match="is no budget"):
        ProgressBar(True)
    with pytest.raises(ValueError, match="is no preset"):
        ProgressBar("lite")


def test_the_time_left_is_told_only_when_it_can_be():
    pace = Pace(Budget(metric_calls=100), now=0.0)
    pace.add({"metric_calls": 10.0}, 10.0, fresh=True)
    assert pace.left(10.0) is None
    pace.add({"metric_calls": 20.0}, 20.0, fresh=False)
    pace.add({"metric_calls": 50.0}, 50.0, fresh=False)
    assert pace.left(50.0) == pytest.approx(50.0)
    assert pace.left(80.0) == pytest.approx(20.0), "it counts down between records"
    assert pace.left(200.0) is None, "nothing is claimed of a step that takes longer"


def test_the_pace_of_a_run_that_goes_on_is_that_of_now():
    pace = Pace(Budget(metric_calls=100), now=0.0)
    for spent, now in ((50, 1.0), (55, 6.0), (60, 11.0)):
        pace.add({"metric_calls": float(spent)}, now, fresh=False)
    assert pace.left(11.0) == pytest.approx(40.0)


def test_the_nearest_limit_is_the_share():
    pace = Pace(Budget(metric_calls=100, usd=1.0), now=0.0)
    pace.add({"metric_calls": 10.0, "usd": 0.5}, 1.0, fresh=True)
    assert (pace.nearest, pace.share) == ("usd", 0.5)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(10, "<1 min left"), (100, "~2 min left"), (3600 + 300, "~1 h 05 min left")],
)
def test_the_time_left_is_told_in_minutes(seconds, words):
    assert in_words(seconds) == words


def test_whole_lines_pass_and_redrawn_ones_do_not():
    lines = []
    stream = WholeLines(io.StringIO(), lines.append)
    for text in ("one\n", "tw", "o\nthree", "\r 50%|#####     |", "\r100%|##########|", "\n", "four\r\n", "\n"):
        stream.write(text)
    stream.end()
    assert lines == ["one", "two", "threefour", ""]


def test_a_replacement_made_inside_stays():
    out, mine = sys.stdout, io.StringIO()
    try:
        with whole_lines():
            sys.stdout = mine
        assert sys.stdout is mine
    finally:
        sys.stdout = out


def test_log_lines_go_the_same_way_and_handlers_are_given_back():
    lines, handler = [], logging.StreamHandler(sys.stderr)
    logger = logging.getLogger("a.program")
    logger.addHandler(handler)
    try:
        stream = handler.stream
        with whole_lines(lambda line, meant_for: lines.append(line)):
            logger.warning("a word")
        assert lines == ["a word"]
        assert handler.stream is stream
    finally:
        logger.removeHandler(handler)


def test_a_record_that_is_not_worth_telling_is_no_line():
    text, bar = shown(budget=100)
    with bar:
        bar(record(0, 10, "start", score=0.5))
        bar(record(1, 20, score=0.4, accepted=False))
        bar(record(2, 30, score=0.6, base=0.5, accepted=True))
        bar(record(3, 40, "prune", score=0.6, accepted=True))
    assert [line.split()[0] for line in text.getvalue().splitlines()] == ["start", "step"]


def test_what_a_prompt_holds_is_no_markup():
    text, bar = shown(budget=100, edits=True)
    with bar:
        bar(Record("step", 1, 0.0, {"p": "Be[bold]."}, {"p": "Be [red]not[/red]."}, score=0.1, accepted=True))
    assert "+ Be [red]not[/red]." in text.getvalue()


def test_an_ended_script_leaves_the_cursor_where_it_was(tmp_path):
    script = "from dspy_dlpo.progress import ProgressBar\nbar = ProgressBar(10)\nbar.__enter__()\nprint('said')\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr, done.returncode) == ("said\n", "", 0)
