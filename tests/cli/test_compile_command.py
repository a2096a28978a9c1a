"""``dlpo compile`` as a user types it."""

import json
import os
import re
import subprocess
import sys

import pytest
from shell import COMMAND, INTERRUPT, Terminal, dlpo, environment
from waiting import PATIENCE

from dspy_dlpo import DLPOResult
from dspy_dlpo.simulation import simulated_task

COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3|4|9|10)\d(?:;\d+)*m")


def test_a_run_is_told_line_by_line_and_leaves_program_and_directory(here):
    done = dlpo("compile", "my_module:task", "--budget", "400", "--log-dir", "run")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for said in ("Estimate", "Verdict", "Valset", "Held-out test", "95% interval", "     + ", "writer:", "simulated"):
        assert said in done.stdout
    assert "critic:" not in done.stdout, "none is asked unless that is wished"
    assert done.stdout.rstrip().endswith("dlpo report run --open")
    progress = re.findall(r"^(start|step|trial|growth|end) .* runs +\d:\d\d  (.*)$", done.stdout, re.MULTILINE)
    assert progress[0][0] == "start"
    assert progress[-1][0] == "end"
    assert len(progress) < 30
    assert "\x1b" not in done.stdout
    program = simulated_task("object_counting").program
    program.load(str(here / "run" / "program.json"))
    assert (
        program.solve.signature.instructions != simulated_task("object_counting").program.solve.signature.instructions
    )
    assert (here / "run" / "events.jsonl").exists()
    assert DLPOResult.load(here / "run" / "program.json").verdict in done.stdout, "the program knows its run"


@pytest.mark.slow
def test_the_same_command_goes_on_and_pays_for_nothing_twice(here):
    arguments = ("compile", "my_module:task", "--budget", "150", "--log-dir", "run", "--json")
    first = json.loads(dlpo(*arguments).stdout)
    stamp = (here / "run" / "test.json").stat().st_mtime_ns
    again = json.loads(dlpo(*arguments).stdout)
    assert (here / "run" / "test.json").stat().st_mtime_ns == stamp
    for name in ("best_prompts", "valset", "testset", "verdict"):
        assert again[name] == first[name]
    assert again["spent"]["metric_calls"] == first["spent"]["metric_calls"] <= 150
    assert again["spent"]["task"]["calls"] == first["spent"]["task"]["calls"]
    other = dlpo(*arguments, "--seed", "1")
    assert other.returncode == 1
    assert "holds another run" in other.stderr


def test_json_is_alone_on_standard_output_though_the_program_prints(here):
    done = dlpo("compile", "my_module:noisy", "--budget", "60", "--json", "--output", "better.json")
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert told["simulated"]
    assert told["program"] == "better.json"
    assert (here / "better.json").exists()
    assert "noise of the program" in done.stderr
    assert "noise below Python" in done.stderr
    assert "start " in done.stderr
    assert "it/s" not in done.stderr, "a bar of DSPy is left out"


@pytest.mark.slow
def test_quiet_prints_the_outcome_only(here):
    done = dlpo("compile", "my_module:noisy", "--budget", "60", "--quiet")
    assert done.returncode == 0, done.stderr
    verdict, program = done.stdout.splitlines()
    assert "gain" in verdict or "points" in verdict
    assert os.path.exists(program)
    assert program.startswith(os.path.join("runs", "my_module-noisy-"))


@pytest.mark.slow
def test_a_gain_that_is_required_and_not_there_is_an_exit_code(here):
    arguments = ("compile", "my_module:lonely", "--budget", "30", "--quiet", "--require-gain")
    assert dlpo(*arguments).returncode == 3


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("compil",), 2, "no command 'compil'. Did you mean 'compile'?"),
        (("compile",), 2, "Missing argument 'MODULE:TASK'"),
        (("compile", "my_module:task", "--bugdet", "3"), 2, "--budget"),
        (("compile", "my_module:task", "--budget", "0"), 2, "x>=1"),
        (("compile", "my_module:task", "--max-usd", "0"), 2, "x>0"),
        (("compile", "my_module:task", "--output", "no/where.json"), 2, "no directory that exists"),
        (("compile", "my_module:task", "--output", "program.txt"), 2, "does not end in .json"),
        (("compile", "my_modul:task"), 1, "Did you mean my_module:task?"),
        (("compile", "my_module:tsk"), 1, "Did you mean my_module:task?"),
        (("compile", "my_module:crash"), 1, "unexpected error: KeyError: 'missing' (my_module.py, line"),
        (("compile", "my_module:broken", "--budget", "60"), 1, "KeyError on its first example: 'no such label'"),
        (("compile", "my_module:hundred", "--budget", "80"), 1, "score_range"),
        (("compile", "my_module:task", "--max-usd", "1"), 1, "the price of"),
    ],
)
def test_a_mistake_is_a_line_with_the_way_out_and_an_exit_code(here, arguments, code, said):
    done = dlpo(*arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [("--debug", "compile", "my_module:crash"), ("compile", "my_module:crash", "--debug")]
)
def test_debug_shows_the_traceback_before_and_after_the_command(here, arguments):
    done = dlpo(*arguments)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert 'return {}["missing"]' in done.stderr
    assert "run again with --debug" not in done.stderr


@pytest.mark.slow
def test_another_score_range_can_be_told(here):
    done = dlpo("compile", "my_module:hundred", "--budget", "60", "--score-range", "0", "100")
    assert done.returncode == 0, done.stderr
    assert "points" not in done.stdout


@pytest.mark.slow
def test_a_terminal_sees_a_bar_in_colour(here):
    terminal = Terminal("compile", "my_module:task", "--budget", "120", env=environment(LATENCY="0.01"))
    assert terminal.end() == 0, terminal.shown
    assert "\x1b[2K" in terminal.shown, "a line is drawn anew"
    assert re.search(r"score 0\.\d\d  .*\d+/120 runs", terminal.shown)
    assert COLOUR.search(terminal.shown)
    assert terminal.shown.rindex("\x1b[?25h") > terminal.shown.rindex("\x1b[?25l"), "the cursor is back"
    assert "Spend" not in terminal.shown, "a simulated model is free"


@pytest.mark.slow
def test_no_color_takes_the_colours_and_dumb_terminals_have_no_bar(here):
    plain = Terminal("compile", "my_module:task", "--budget", "60", env=environment(NO_COLOR="1"))
    assert plain.end() == 0
    assert not COLOUR.search(plain.shown)
    dumb = Terminal("compile", "my_module:task", "--budget", "60", env=environment(TERM="dumb"))
    assert dumb.end() == 0
    assert "\x1b" not in dumb.shown
    assert "start " in dumb.shown
    forced = dlpo("compile", "my_module:task", "--budget", "60", env=environment(FORCE_COLOR="1"))
    assert COLOUR.search(forced.stdout)
    assert "\x1b[2K" not in forced.stdout, "a pipe has no bar"


PAID = """
import dspy
from my_module import *

dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_key="none-at-all"))
"""


def test_a_terminal_is_asked_before_money_is_spent(here):
    (here / "paid.py").write_text(PAID)
    terminal = Terminal("compile", "paid:task", "--budget", "60")
    terminal.read_until("[y/N]")
    assert re.search(r"Spend about \$[\d.]+ to \$[\d.]+\?", terminal.shown)
    terminal.type("n\n")
    assert terminal.end() == 130
    assert "nothing was spent" in terminal.shown
    assert not (here / "runs").exists()


def interrupted(times):
    env = environment(LATENCY="0.05", PYTHONUNBUFFERED="1")
    command = [*COMMAND, "compile", "my_module:task", "--budget", "400", "--threads", "4", "--log-dir", "run"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    for line in process.stdout:
        if line.startswith("step"):
            break
    noticed = ""
    for _ in range(times):
        process.send_signal(INTERRUPT)
        if not noticed:  # one that comes too soon would be taken for the first
            noticed = process.stderr.readline()
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, noticed + err


@pytest.mark.slow
def test_the_first_ctrl_c_ends_with_the_best_so_far(here):
    code, out, err = interrupted(1)
    assert code == 130, err
    assert "Verdict" in out
    assert "interrupted by Ctrl-C" in out
    assert "the same command with --log-dir run goes on" in err
    assert "Traceback" not in err
    assert (here / "run" / "program.json").exists()
    env = environment(LATENCY="0.05")
    again = dlpo("compile", "my_module:task", "--budget", "400", "--threads", "4", "--log-dir", "run", env=env)
    assert again.returncode == 0
    assert "interrupted" not in again.stdout


@pytest.mark.slow
def test_the_second_ctrl_c_ends_at_once_and_still_writes_the_program(here):
    code, out, err = interrupted(2)
    assert code == 130, err
    assert "Traceback" not in err
    assert "not compared on valset" in out
    assert (here / "run" / "program.json").exists()


DYING = """
import dspy
from my_module import *

class Dying(dspy.Module):
    def __init__(self):
        super().__init__()
        self.solve = known.program.solve

    def forward(self, question):
        if question in {each.question for each in sets[2]}:
            raise dspy.utils.exceptions.LMAuthError("no key", model="none")
        return self.solve(question=question)

task = Task(Dying(), known.metric, *sets)
"""


@pytest.mark.slow
def test_a_final_test_that_fails_keeps_what_was_found(here):
    (here / "dying.py").write_text(DYING)
    done = dlpo("compile", "dying:task", "--budget", "60", "--log-dir", "run")
    assert done.returncode == 1, done.stdout
    assert "Verdict" in done.stdout
    assert "the final test failed. The program is written" in done.stderr
    assert (here / "run" / "program.json").exists()


def test_new_directories_do_not_meet(here):
    from dspy_dlpo.cli.compile import _new_directory

    first = _new_directory("my_module:task")
    os.makedirs(first)
    second = _new_directory("my_module:task")
    assert first != second
    assert second.startswith(os.path.join("runs", "my_module-task-"))


LATE = """
import dspy
from my_module import *

class Late(dspy.Module):
    def __init__(self):
        super().__init__()
        self.solve = known.program.solve

    def forward(self, question):
        from beside import cleaned
        return self.solve(question=cleaned(question))

task = Task(Late(), known.metric, *sets)
"""


@pytest.mark.slow
def test_a_program_may_import_from_the_working_directory_as_it_runs(here):
    (here / "late.py").write_text(LATE)
    (here / "beside.py").write_text("def cleaned(text):\n    return text.strip()\n")
    command = [
        os.path.join(os.path.dirname(sys.executable), "dlpo"),
        "compile",
        "late:task",
        "--budget",
        "60",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment())
    assert json.loads(done.stdout)["testset"]["start"] > 0


@pytest.mark.slow
def test_an_aim_in_words_belongs_to_the_run(here):
    arguments = ("compile", "my_module:task", "--budget", "60", "--log-dir", "run", "--quiet")
    done = dlpo(*arguments, "--aim", "Clerks read the answers.")
    assert done.returncode == 0, done.stderr
    kept = json.loads((here / "run" / "run.json").read_text())["settings"]
    assert kept["aim"] == {"objective": "Clerks read the answers."}
    other = dlpo(*arguments)
    assert other.returncode == 1
    assert "settings.aim" in other.stderr


@pytest.mark.slow
def test_an_aim_that_is_too_long_costs_nothing(here):
    for command in ("compile", "estimate"):
        done = dlpo(command, "my_module:task", "--aim", "word " * 301)
        assert done.returncode == 1
        assert "300 words" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (here / "runs").exists()


@pytest.mark.slow
def test_a_preferred_finalist_needs_what_it_is_preferred_by(here):
    arguments = ("compile", "my_module:task", "--budget", "60", "--json", "--log-dir", "run", "--prefer")
    refused = dlpo(*arguments, "cheapest")
    assert refused.returncode == 1
    assert "prefer='cheapest' cannot be told: the price of 'simulated/" in refused.stderr
    assert not (here / "run").exists()
    done = dlpo(*arguments, "shortest")
    assert done.returncode == 0, done.stderr
    assert "prefer='shortest'" in (here / "run" / "run.json").read_text()
    assert {"words", "usd", "returned"} <= set(json.loads(done.stdout)["front"][0])
