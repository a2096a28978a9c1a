"""What scripts and coding agents rely on: JSON from every command, its keys on the page, and stable exit codes."""

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from shell import dlpo

from dspy_dlpo import DLPOResult, History
from dspy_dlpo.appraisal.agreement import Agreement
from dspy_dlpo.appraisal.judge_report import JudgeReport
from dspy_dlpo.cli import main
from dspy_dlpo.cli.compile import _end
from dspy_dlpo.cli.failing import EXIT_CODES
from dspy_dlpo.cli.outcome import Outcome
from dspy_dlpo.core.result import Comparison

PAGE = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text(encoding="utf-8")
NOTHING = DLPOResult("kept", {"self": "a"}, {"self": "b"}, Comparison(), History(()), {"metric_calls": 0})


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


def section(name):
    """What the page says of a command."""
    return re.search(rf"^## dlpo {name}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]


def check_keys(name, found):
    for key in found:
        assert f"`{key}`" in section(name), f"the page does not say what {key!r} of dlpo {name} is"


@pytest.mark.parametrize("name", list(main.commands))
def test_every_command_has_json_and_the_page_says_what_it_holds(name):
    options = {opt for each in main.commands[name].params if isinstance(each, click.Option) for opt in each.opts}
    assert "--json" in options
    assert "`--json`" in section(name)


def test_the_keys_of_a_runs_outcome_are_on_the_page():
    check_keys("compile", Outcome(NOTHING).to_dict())


def test_the_keys_of_judge_are_on_the_page():
    found = JudgeReport(((1.0, 1.0),), Agreement(1, 1.0, None, None, 0.0, 0.0), 0.0, None)
    check_keys("judge", {**found.to_dict(), "simulated": True})


def test_the_keys_of_estimate_are_on_the_page(here):
    check_keys("estimate", json.loads(dlpo("estimate", "my_module:task", "--json").stdout))


def test_the_keys_of_doctor_are_on_the_page():
    [first, *_] = json.loads(run("doctor", "--offline", "--json").stdout)
    check_keys("doctor", first)


@pytest.mark.parametrize("name", ["report", "diff", "apply"])
def test_the_keys_of_what_comes_after_are_on_the_page(here, name):
    if name == "report":
        pytest.importorskip("jinja2")
    live = {"signature": {"instructions": "a"}, "metadata": {"dependency_versions": {}}}
    (here / "live.json").write_text(json.dumps(live))
    NOTHING.save(here / "run.json")
    done = run(name, "run.json", *(["live.json"] if name == "apply" else []), "--json")
    assert done.exit_code == 0, done.output
    check_keys(name, json.loads(done.stdout))


def test_exit_codes_are_those_that_scripts_rely_on():
    assert list(EXIT_CODES) == [0, 1, 2, 3, 130]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--version",), 0),
        (("report", "nowhere", "--json"), 1),
        (("diff", "nowhere", "--json"), 1),
        (("apply", "nowhere", "nowhere.json", "--json"), 1),
        (("estimate", "nowhere:task", "--json"), 1),
        (("diff",), 2),
        (("apply", "nowhere", "--reverse"), 2),
    ],
)
def test_what_fails_has_its_exit_code_and_nothing_on_standard_output(arguments, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == code
    assert (done.stdout == "") == bool(code)


def test_a_gain_that_is_required_and_not_there_ends_with_3():
    with click.Context(main), pytest.raises(click.exceptions.Exit) as ended:
        _end(Outcome(NOTHING), True, "runs/x")
    assert ended.value.exit_code == 3
