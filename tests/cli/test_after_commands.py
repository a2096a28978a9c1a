"""``dlpo diff`` and ``dlpo apply``: what a run changed as a patch, in a saved program, and taken back."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import dspy
import pytest
from click.testing import CliRunner
from pydantic import BaseModel, Field
from shell import dlpo, environment

from dspy_dlpo import DLPOResult, History, load_program, text_paths
from dspy_dlpo.cli import main
from dspy_dlpo.cli.diff import patch
from dspy_dlpo.core.result import Comparison

START = "Answer the question.\nBe brief."
BEST = "Answer the question.\n\tUse digits: 3, not three.\nBe brief: [bold] and :smile: stay.\u2028So does this."


def result(start, best, **more):
    return DLPOResult("+5.0 points on valset", start, best, Comparison(), History(()), {"metric_calls": 7}, **more)


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


def outcome(*arguments):
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


class Two(dspy.Module):
    """A program of two predictors, one of them inside a module."""

    def __init__(self):
        super().__init__()
        self.first = dspy.Predict(dspy.Signature("question -> facts", START))
        self.second = dspy.ChainOfThought(dspy.Signature("facts -> answer", "Décide."))


def instructions(path):
    return {name: each.signature.instructions for name, each in load_program(Two(), path).named_predictors()}


@pytest.fixture
def saved(tmp_path):
    """A saved program with a demo, and a run that improved its first predictor."""
    program = Two()
    program.first.demos = [dspy.Example(question="2+2?", facts="4", share=0.1)]
    program.save(tmp_path / "live.json")
    start = {name: each.signature.instructions for name, each in program.named_predictors()}
    result(start, {**start, "first": "Use digits.\n\nBe brief."}).save(tmp_path / "run.json")
    return tmp_path / "run.json", tmp_path / "live.json"


# --- diff -------------------------------------------------------------------------------------------------------------


def test_the_patch_makes_the_best_instructions_of_the_start(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    before, after = {"solve": START, "lst[0]": "As it was."}, {"solve": BEST, "lst[0]": "As it was."}
    (tmp_path / "solve.txt").write_text(START + "\n", encoding="utf-8")
    found = patch(before, after)
    assert "lst[0]" not in found
    command = ["git", "apply", "--whitespace=nowarn"]
    outside = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    done = subprocess.run(command, input=found.encode(), cwd=tmp_path, capture_output=True, env=outside)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "solve.txt").read_text(encoding="utf-8") == BEST + "\n"


def test_the_patch_of_a_run_is_printed_as_it_is(tmp_path):
    result({"solve": START}, {"solve": BEST}).save(tmp_path / "run.json")
    done = run("diff", tmp_path / "run.json")
    assert done.exit_code == 0
    assert done.stdout == patch({"solve": START}, {"solve": BEST})
    assert done.stdout.startswith("--- a/solve.txt\n+++ b/solve.txt\n@@ -1,2 +1,3 @@\n")
    found = outcome("diff", tmp_path / "run.json")
    assert (found["patch"], found["changed"], found["best_prompts"]) == (done.stdout, ["solve"], {"solve": BEST})


def test_a_run_that_kept_the_start_has_an_empty_patch(tmp_path):
    result({"solve": START}, {"solve": START}).save(tmp_path / "run.json")
    done = run("diff", tmp_path / "run.json")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "kept your instructions" in done.stderr
    assert outcome("diff", tmp_path / "run.json")["changed"] == []


def test_the_patch_of_a_run_that_did_not_come_to_its_end_says_so_beside_it(tmp_path):
    result({"solve": START}, {"solve": BEST}, complete=False).save(tmp_path / "run.json")
    done = run("diff", tmp_path / "run.json")
    assert "Not the end of it: +5.0 points on valset" in done.stderr
    assert done.stdout == patch({"solve": START}, {"solve": BEST})
    assert outcome("diff", tmp_path / "run.json")["complete"] is False


@pytest.mark.slow
def test_a_patch_has_colours_on_terminals_alone(tmp_path):
    result({"solve": START}, {"solve": BEST}).save(tmp_path / "run.json")
    path = str(tmp_path / "run.json")
    assert "\x1b" not in dlpo("diff", path).stdout
    assert "\x1b[32m+\tUse digits" in dlpo("diff", path, env=environment(FORCE_COLOR="1")).stdout


# --- apply ------------------------------------------------------------------------------------------------------------


def test_apply_writes_the_best_and_revert_the_file_of_before(saved):
    path, live = saved
    before = live.read_bytes()
    done = outcome("apply", path, live)
    assert (done["wrote"], done["changed"], done["overwritten"]) == ("best", ["first"], [])
    assert instructions(live) == {"first": "Use digits.\n\nBe brief.", "second.predict": "Décide."}
    program = Two()
    program.load(live)
    assert program.first.demos[0]["share"] == 0.1, "what is no instruction stays"
    assert outcome("apply", path, live, "--revert")["wrote"] == "start"
    assert live.read_bytes() == before


def test_applied_twice_is_applied_once(saved):
    path, live = saved
    run("apply", path, live)
    stamp, content = live.stat().st_mtime_ns, live.read_bytes()
    again = run("apply", path, live)
    assert "already: nothing was written" in again.stdout
    assert (live.stat().st_mtime_ns, live.read_bytes()) == (stamp, content)
    assert outcome("apply", path, live)["changed"] == []


def edit_by_hand(live):
    program = Two()
    program.first.signature = program.first.signature.with_instructions("By hand.")
    program.save(live)
    return live.read_bytes()


@pytest.mark.parametrize("revert", [[], ["--revert"]])
def test_what_somebody_has_edited_since_is_not_overwritten_without_force(saved, revert):
    path, live = saved
    edited = edit_by_hand(live)
    done = run("apply", path, live, *revert)
    assert done.exit_code == 1
    assert "the instructions of first are neither the run's start nor its best" in done.stderr
    assert "--force" in done.stderr
    assert live.read_bytes() == edited
    forced = outcome("apply", path, live, "--force", *revert)
    assert forced["overwritten"] == forced["changed"] == ["first"]
    assert instructions(live)["first"] == (START if revert else "Use digits.\n\nBe brief.")


def test_a_program_that_is_a_predictor_itself(tmp_path):
    program = dspy.Predict(dspy.Signature("question -> answer", START))
    program.save(tmp_path / "live.json")
    result({"self": START}, {"self": "Use digits."}).save(tmp_path / "run.json")
    assert outcome("apply", tmp_path / "run.json", tmp_path / "live.json")["changed"] == ["self"]
    program.load(tmp_path / "live.json")
    assert program.signature.instructions == "Use digits."


def test_a_link_stays_one_and_the_mode_stays(saved, tmp_path):
    path, live = saved
    live.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(live)
    assert outcome("apply", path, link)["changed"] == ["first"]
    assert link.is_symlink()
    assert live.stat().st_mode & 0o777 == 0o640
    assert instructions(live)["first"].startswith("Use digits")


def test_a_file_that_cannot_be_written_stays_as_it_was(saved, monkeypatch):
    path, live = saved
    before = live.read_bytes()

    def replace(*arguments):
        raise PermissionError("no")

    monkeypatch.setattr(os, "replace", replace)
    done = run("apply", path, live)
    assert done.exit_code == 1
    assert "live.json cannot be written: no." in done.stderr
    assert live.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ("no JSON", "cannot be read"),
        ("[]", "holds no program"),
        ('{"metadata": {"dependency_versions": {}}, "other": {}}', "has no predictor 'first'; it holds other."),
    ],
)
def test_what_is_no_program_of_that_shape_is_a_line_with_the_way_out(saved, content, said):
    path, live = saved
    if content is None:
        live.unlink()
    else:
        live.write_text(content)
    done = run("apply", path, live)
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Pass" in done.stderr
    assert content is None or live.read_text() == content


# --- a saved program knows its run ------------------------------------------------------------------------------------


def test_an_applied_program_knows_its_run_and_a_reverted_one_none(saved, tmp_path):
    _, live = saved
    start = instructions(live)
    found = result(start, {**start, "first": "Use digits."}, log_dir=str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    found.save(tmp_path / "run" / "result.json")
    outcome("apply", tmp_path / "run", live)
    assert json.loads(live.read_text())["metadata"]["dspy_dlpo"]["run"] == "run"
    assert outcome("diff", live)["best_prompts"]["first"] == "Use digits."
    outcome("apply", live, live, "--revert")
    assert instructions(live) == start
    done = run("diff", live)
    assert done.exit_code == 1
    assert "does not say of what run it is. Pass" in done.stderr


def test_a_program_with_a_reviewed_result_knows_that_result_and_not_the_run_before(saved, tmp_path):
    _, live = saved
    start = instructions(live)
    (tmp_path / "run").mkdir()
    found = result(start, {**start, "first": "Use digits."}, log_dir=str(tmp_path / "run"))
    found.save(tmp_path / "run" / "result.json")
    reviewed = tmp_path / "run" / "reviewed.json"
    result(start, {**start, "first": "Use digits, please."}, log_dir=str(tmp_path / "run")).save(reviewed)
    outcome("apply", reviewed, live)
    assert outcome("diff", live)["best_prompts"]["first"] == "Use digits, please."
    live.write_text(live.read_text().replace("please.", "now."))
    outcome("apply", live, live, "--force")
    assert outcome("diff", live)["best_prompts"]["first"] == "Use digits, please."


# --- more than instructions -------------------------------------------------------------------------------------------


def look_up(number: int) -> str:
    """Looks a number up."""
    return str(number)


MODULE = """
import dspy
from dspy_dlpo import Task
from test_after_commands import Bill, Two, look_up

fields = Task(Two(), None, [])
tools = Task(dspy.ReActV2("question -> answer", tools=[look_up]), None, [])
listed = Task(dspy.ReAct("question -> answer", tools=[look_up]), None, [])
nested = Task(dspy.Predict(Bill), None, [])
"""


class Part(BaseModel):
    amount: str = Field(description="The amount.")


class Bill(dspy.Signature):
    """Read it."""

    text: str = dspy.InputField()
    parts: list[Part] = dspy.OutputField(desc="All parts.")


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    (tmp_path / "own_tasks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_tasks", raising=False)
    return tmp_path


FIELDS = ("instructions", "fields")


def test_descriptions_of_fields_need_the_program_to_find_their_place(saved, tasks):
    from dspy_dlpo.host.parameters import read_prompts

    _, live = saved
    before = live.read_bytes()
    start = read_prompts(Two(), FIELDS)
    best = {**start, "first": start["first"].replace("## Field `facts`", "## Field `facts`\nIn digits.")}
    result(start, best, parameters=FIELDS).save("fields.json")
    refused = run("apply", "fields.json", live)
    assert refused.exit_code == 2
    assert "Pass --task MODULE:TASK" in refused.stderr
    assert live.read_bytes() == before
    assert outcome("apply", "fields.json", live, "--task", "own_tasks:fields")["changed"] == ["first"]
    program = load_program(Two(), live)
    assert program.first.signature.fields["facts"].json_schema_extra["desc"] == "In digits."
    assert program.first.signature.instructions == START
    assert program.first.demos
    assert outcome("apply", "fields.json", live, "--task", "own_tasks:fields")["changed"] == []
    outcome("apply", "fields.json", live, "--task", "own_tasks:fields", "--revert")
    assert live.read_bytes() == before


def test_descriptions_of_tools_are_written_and_taken_back(tasks):
    fresh = lambda: dspy.ReActV2("question -> answer", tools=[look_up])  # noqa: E731
    fresh().save("live.json")
    start, best = ({"react": f"## Tool `look_up`\nLooks a number up.{more}"} for more in ("", " Ask twice."))
    result(start, best, parameters=("tools",)).save("tools.json")
    for option, said in (((), "Looks a number up. Ask twice."), (("--revert",), "Looks a number up.")):
        assert outcome("apply", "tools.json", "live.json", "--task", "own_tasks:tools", *option)["changed"] == ["react"]
        assert load_program(fresh(), "live.json").tools["look_up"].desc == said


@pytest.mark.parametrize(
    ("name", "path", "fresh"),
    [
        ("nested", "self.parts[].amount", lambda: dspy.Predict(Bill)),
        ("listed", "react.tools.look_up", lambda: dspy.ReAct("question -> answer", tools=[look_up])),
    ],
)
def test_texts_that_dspy_itself_saves_are_shown_written_and_taken_back(tasks, name, path, fresh):
    from dspy_dlpo.host.parameters import read_prompts

    fresh().save("live.json")
    before, old = Path("live.json").read_bytes(), text_paths(fresh())
    start = read_prompts(fresh(), (path,))
    best = {each: f"{text}\nIn digits." for each, text in start.items()}
    result(start, best, parameters=(path,)).save("run.json")
    assert "+In digits." in run("diff", "run.json").output
    for _ in range(2):
        outcome("apply", "run.json", "live.json", "--task", f"own_tasks:{name}")
        program = fresh()
        program.load("live.json")
        texts = text_paths(program)
        assert {each for each in texts if texts[each] != old[each]} >= {path}
        assert texts[path].split() == [*old[path].split(), "In", "digits."]
    outcome("apply", "run.json", "live.json", "--task", f"own_tasks:{name}", "--revert")
    assert Path("live.json").read_bytes() == before


def test_the_task_of_another_program_is_refused(saved, tasks):
    path, live = saved
    done = run("apply", path, live, "--task", "own_tasks:tools")
    assert done.exit_code == 1
    assert "has no predictor 'react'" in done.stderr
