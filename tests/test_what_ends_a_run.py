"""Whatever ends a run, the user is told: the table of docs/promises.md, cell by cell, in a small scripted world.

A number that is even wants one rule, an odd one another; the writer finds first the one, then the other.
"""

import errno
import logging
import os
import re
import signal
import sys
import threading
from pathlib import Path

import dspy
import pytest
from click.testing import CliRunner
from dspy.lm15 import AuthError
from event_logs import events
from scripted import fields, scripted_lm
from waiting import PATIENCE

from dspy_dlpo import (
    Budget,
    Controller,
    ControllerError,
    DLPOError,
    DLPOResult,
    DLPOTeleprompter,
    EndedBy,
    Interrupted,
    MetricError,
    ModelError,
    ProgramError,
    RunDirectoryError,
    Stopping,
)
from dspy_dlpo.cli import main

PAGE = Path(__file__).parent.parent / "docs" / "promises.md"
DEAD = AuthError("invalid key")
RULES = ("Double an even number.", "Add one to an odd number.")


class World:
    """Task model and writer in one, and what happens at a call of one of them.

    Args:
        at: Calls after which it happens, by role: ``task`` or ``prompt``.
        happens: Called then; what it raises, the model raises.
        fatal: The lowest number that finds the task model dead.
    """

    def __init__(self, happens=lambda: None, *, fatal: int = sys.maxsize, **at: int) -> None:
        self.calls = {"task": 0, "prompt": 0}
        self.at, self.happens, self.fatal = at, happens, fatal
        self.lm = scripted_lm(self.reply, name="scripted/world")

    def reply(self, system: str, user: str) -> str:
        role = "task" if "[[ ## question ## ]]" in system else "prompt"
        self.calls[role] += 1
        if self.at.get(role, sys.maxsize) < self.calls[role]:
            said = self.happens()
            if said is not None:
                return said
        if role == "task":
            number = int(re.findall(r"number (\d+)", user)[-1])
            if number >= self.fatal:
                raise DEAD
            known = RULES[number % 2] in system
            return fields(answer=str((number * 2, number + 1)[number % 2] if known else -1))
        rule = next((rule for rule in RULES if rule not in user), "Be brief.")
        return f"CRITIQUE: A rule for these numbers is missing.\nADD: {rule}"


def examples(start: int) -> list[dspy.Example]:
    answers = [(n, (n * 2, n + 1)[n % 2]) for n in range(start, start + 32)]
    return [dspy.Example(question=f"number {n}", answer=str(a)).with_inputs("question") for n, a in answers]


TRAIN, VAL = examples(0), examples(100)


def metric(gold, pred, trace=None):
    return float(gold.answer == pred.answer)


def percent(gold, pred, trace=None):
    return 100 * metric(gold, pred)


class Misspelt(dspy.Module):
    """Its code names a field that does not exist."""

    def __init__(self):
        super().__init__()
        self.solve = dspy.Predict("question -> answer")

    def forward(self, question):
        return dspy.Prediction(answer=self.solve(question=question).anwser)


class Wild(Controller):
    """Chooses what no step can work with."""

    def choose(self, plan, ctx):
        return {} if ctx.index < 2 else {"batch_size": -1.0}


def program() -> dspy.Module:
    return dspy.Predict(dspy.Signature("question -> answer", "Say a number."))


def raises(error):
    def happens():
        raise error

    return happens


def press(times: int):
    """Press Ctrl-C, and again once the first was noticed; once, whichever of several threads comes first."""
    noticed, first = threading.Event(), threading.Lock()

    class Notice(logging.Handler):
        def emit(self, record):
            noticed.set()

    def happens():
        if first.acquire(blocking=False):
            logging.getLogger("dspy_dlpo.run.interrupt").addHandler(notice)
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
                assert noticed.wait(PATIENCE)
            logging.getLogger("dspy_dlpo.run.interrupt").removeHandler(notice)

    notice = Notice()
    return happens


def compiled(world, folder, *, student=None, metric=metric, calls=400, **settings):
    optimizer = DLPOTeleprompter(metric, budget=Budget(metric_calls=calls), log_dir=folder, num_threads=2, **settings)
    with dspy.context(lm=world.lm):
        return optimizer.compile(student or program(), trainset=TRAIN, valset=VAL).detailed_results


def scenario(name, folder, monkeypatch):
    """The world and the further arguments of a row of the table."""
    if name == "its own end":
        return World(), {}
    if name == "a stop file":
        return World(lambda: Path(folder, "stop").touch(), prompt=2), {}
    if name == "Ctrl-C":
        return World(press(1), prompt=2), {}
    if name == "Ctrl-C again":
        return World(press(2), prompt=2), {}
    if name == "a dead model, something found":
        return World(raises(DEAD), prompt=2), {}
    if name == "a dead model, nothing found":
        return World(raises(DEAD), prompt=0), {}
    if name == "a model that dies before the choice":
        return World(fatal=100), {}
    if name == "no usable reply":
        return World(lambda: "I cannot help with that.", prompt=0), {}
    if name == "a metric that fails in mid-run":
        return World(), {"metric": percent}
    if name == "a program that cannot run":
        return World(), {"student": Misspelt()}
    if name == "a controller's illegal choice":
        return World(), {"controller": Wild()}
    if name == "a full disk":
        fill_the_disk(monkeypatch, after=12)
        return World(), {}
    assert name == "a budget too small for one step"
    return World(), {"calls": 20}


def fill_the_disk(monkeypatch, after: int) -> None:
    written, fsync = [], os.fsync

    def full(file):
        written.append(file)
        if len(written) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(file)

    monkeypatch.setattr(os, "fsync", full)


def table() -> dict[str, list[str]]:
    """The rows of the page, by what ends the run."""
    section = PAGE.read_text(encoding="utf-8").partition("<!-- what ends a run -->")[2].partition("<!-- end -->")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.strip().splitlines()[2:]]
    return {row[0]: row[1:] for row in cells}


TOLD = table()
# An option of the constructor alone.
NOT_ON_THE_COMMAND_LINE = {"a controller's illegal choice"}


@pytest.mark.few(5)
@pytest.mark.parametrize("name", TOLD)
def test_what_compile_gives_is_what_the_page_says(name, tmp_path, monkeypatch, caplog):
    exception, warning, said, by, _, directory = TOLD[name]
    folder = tmp_path / "run"
    world, options = scenario(name, folder, monkeypatch)
    result, error = None, None
    with caplog.at_level(logging.WARNING, logger="dspy_dlpo"):
        try:
            result = compiled(world, folder, **options)
        except (DLPOError, Interrupted, ValueError) as raised:
            error, result = raised, getattr(raised, "result", None)
    assert (type(error).__name__ if error else "none") == exception.partition(" ")[0]
    assert ("with the result" in exception) == (error is not None and result is not None)
    if warning == "none":
        assert not [record for record in caplog.records if "early" in record.message]
    else:
        assert warning.strip('"') in caplog.text
    if said == "none":
        assert result is None
    else:
        assert all(part.strip('"') in result.verdict for part in said.split(", and ")), result.verdict
        assert result.ended_by is EndedBy(by.partition(" ")[0])
        assert result.ended in str(error) or error is None or isinstance(error, Interrupted)
    monkeypatch.undo()
    check_directory(directory, folder, result, options)


def check_directory(directory, folder, result, options):
    if result is not None:
        assert DLPOResult.load(folder).ended_by is result.ended_by
    if directory == "not made":
        assert not folder.exists()
        return
    again_options = {key: value for key, value in options.items() if key != "controller"}
    if directory == "ended; a raised budget goes on":
        world = World()
        assert compiled(world, folder, **again_options).verdict == result.verdict
        assert world.calls == {"task": 0, "prompt": 0}
        return
    if directory == "begun anew":  # nothing in it was worth its money
        assert compiled(World(), folder).complete
        return
    paid = len(events(folder, "RunDone"))
    (folder / "stop").unlink(missing_ok=True)
    world = World()
    # The same call ends in the same way, at little further cost.
    if directory.startswith("the same call ends alike") or "controller" in options:
        try:
            again = compiled(world, folder, **options)
        except DLPOError as error:
            again = error.result
        assert again.ended_by is result.ended_by
        assert world.calls["task"] <= 8
        return
    again = compiled(world, folder)
    assert again.complete
    assert world.calls["task"] <= again.spent["metric_calls"] - paid + 2, "what was paid for is not asked for again"
    assert again.best_prompts != again.start_prompts


@pytest.mark.few(5)
@pytest.mark.parametrize("name", [name for name in TOLD if name not in NOT_ON_THE_COMMAND_LINE])
def test_the_exit_code_is_what_the_page_says(name, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    world, options = scenario(name, folder, monkeypatch)
    scored = f"from {__name__} import *\nfrom dspy_dlpo import Task\n"
    student = "Misspelt()" if "student" in options else "program()"
    scored += f"task = Task({student}, {options.get('metric', metric).__name__}, TRAIN, VAL)\n"
    (tmp_path / "of_the_page.py").write_text(scored)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "of_the_page", raising=False)
    arguments = ["compile", "of_the_page:task", "--log-dir", str(folder), "--budget", str(options.get("calls", 400))]
    with dspy.context(lm=world.lm):
        done = CliRunner().invoke(main, [*arguments, "--quiet", "--yes", "--threads", "2"])
    assert done.exit_code == int(TOLD[name][4]), done.output
    assert "Traceback" not in done.output


# --- what has no row of its own ---------------------------------------------------------------------------------------


def test_ten_failed_steps_in_a_row_tell_their_causes(tmp_path):
    """Also where earlier ones were usable: the run ends for good, and says why."""
    world = World(lambda: "I cannot help with that.", prompt=2)
    result = compiled(world, tmp_path)
    assert result.ended_by is EndedBy.IDLE
    why = r"\d times the writer's reply is unusable: (neither edits nor a prompt|no edit could be read)"
    assert re.fullmatch(rf"10 steps in a row came to nothing: {why}(; {why})?", result.ended)
    assert all(record.fault for record in result.history.steps()[1:])
    assert result.best_prompts != result.start_prompts


def test_a_run_that_gave_up_for_want_of_usable_replies_tries_anew(tmp_path):
    for _ in range(2):
        world = World(lambda: "I cannot help with that.", prompt=0)
        with pytest.raises(ModelError, match=r"gave nothing usable in \d\d steps: \d\d times the writer's reply"):
            compiled(world, tmp_path)
        assert world.calls["prompt"] >= 20, "ten critiques and ten replies at least, each time"
    assert compiled(World(), tmp_path).complete


def test_the_least_budget_that_is_named_is_enough(tmp_path):
    for limits in ({"metric_calls": 20}, {"lm_calls": 5}, {"tokens": 50}):
        optimizer = DLPOTeleprompter(metric, budget=Budget(**limits))
        world = World()
        with dspy.context(lm=world.lm), pytest.raises(ValueError, match="is too small to try one step") as told:
            optimizer.compile(program(), trainset=TRAIN, valset=VAL)
        assert world.calls == {"task": 0, "prompt": 0}
        name, least = re.search(r"Pass at least (\w+)=(\d+)", str(told.value)).groups()
        with dspy.context(lm=World().lm):
            enough = DLPOTeleprompter(metric, budget=Budget(**{name: int(least)}), num_threads=1)
            result = enough.compile(program(), trainset=TRAIN, valset=VAL).detailed_results
        if name != "tokens":  # of which the program's needs are only estimated
            assert result.history.steps(), "a step was tried"


def test_a_broken_program_goes_on_where_that_is_asked_for(tmp_path):
    result = compiled(World(), tmp_path, student=Misspelt(), stopping=Stopping(broken_program=False, max_steps=2))
    made = result.spent["metric_calls"]
    assert f"({made} of {made} runs raised AttributeError at test_what_ends_a_run.py, line " in result.verdict


@pytest.mark.parametrize("limits", [{"max_steps": 5}, {"patience": 5}])
@pytest.mark.parametrize(
    ("critic", "why"), [(True, "the critic gave no usable"), (False, "the writer's reply is unus")]
)
def test_steps_of_which_none_had_a_usable_reply_are_a_failure_however_the_run_ended(limits, critic, why):
    with pytest.raises(ModelError, match=rf"gave nothing usable in \d steps: \d times {why}"):
        compiled(World(lambda: "", prompt=0), None, stopping=Stopping(**limits), critic=critic)


def test_replies_of_the_task_model_that_cannot_be_read_are_counted_in_the_verdict():
    result = compiled(World(lambda: "no field at all", task=0), None, calls=100)
    made = result.spent["metric_calls"]
    assert f"({made} of {made} runs raised AdapterParseError)" in result.verdict


def test_what_was_found_before_a_ctrl_c_is_not_lost_when_the_run_goes_on(tmp_path):
    for at in (2, 3, 4):
        folder = tmp_path / str(at)
        stopped = compiled(World(press(1), prompt=at), folder, calls=120)
        again = compiled(World(), folder, calls=120)
        assert "nothing better was found" not in again.verdict
        assert again.best_prompts != again.start_prompts or stopped.best_prompts == stopped.start_prompts


class Sometimes(Misspelt):
    """Fails on a part of the examples only."""

    def forward(self, question):
        answered = self.solve(question=question)
        return {}["missing"] if question.endswith("7") else answered


def test_mistakes_on_some_examples_are_counted_in_the_verdict(tmp_path):
    result = compiled(World(), tmp_path, student=Sometimes())
    assert re.search(r"\(\d+ of \d+ runs raised KeyError at test_what_ends_a_run.py, line \d+\)", result.verdict)
    again = compiled(World(), tmp_path, student=Sometimes())
    assert again.verdict == result.verdict


class Unreadable(Misspelt):
    """Fails on what the model answered, which instructions may mend."""

    def forward(self, question):
        return dspy.Prediction(answer=str(int(self.solve(question=question).answer.replace("-1", "none"))))


def test_what_a_reply_brings_about_is_no_mistake_of_the_program(tmp_path):
    result = compiled(World(), tmp_path, student=Unreadable())
    assert result.best_prompts != result.start_prompts, "int('none') raised on every example, and a rule mended it"


class Wants(dspy.Adapter):
    """An adapter that reads replies with a mistake of its own."""

    def __call__(self, lm, lm_kwargs, signature, demos, inputs):
        found = dspy.ChatAdapter()(lm, lm_kwargs, signature, demos, inputs)
        return self.parse(found)

    def parse(self, found):
        return [{"answer": each["answer"] if each["answer"] != "-1" else each["missing"]} for each in found]


def test_a_mistake_in_reading_a_reply_is_the_prompts_doing(tmp_path):
    with dspy.context(adapter=Wants()):
        result = compiled(World(), tmp_path)
    assert result.best_prompts != result.start_prompts


def test_errors_are_what_the_docstring_of_compile_promises():
    promised = re.findall(r"^ +(\w+(?:Error|ed)): ", DLPOTeleprompter.compile.__doc__, re.MULTILINE)
    for kind in (ProgramError, ControllerError, MetricError, ModelError, RunDirectoryError, Interrupted):
        assert kind.__name__ in promised
