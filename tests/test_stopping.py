"""Other ends than the budget: each gives a result, and a directory that can be gone on with."""

import os
import signal
import subprocess
import sys
import threading

import dspy
import pytest
from test_resume import compiled as compiled_small
from test_resume import story
from waiting import PATIENCE

from dspy_dlpo import DLPOTeleprompter, Interrupted, Stopping
from dspy_dlpo.simulation import engine_of, simulated_lm, simulated_task


def compiled(log_dir, **settings):
    """A run long enough to be stopped in its middle."""
    return compiled_small(log_dir, **{"calls": 500, **settings})


def test_a_target_that_is_reached_on_enough_examples_ends_the_run(tmp_path):
    result, *_ = compiled(tmp_path, calls=2000, stopping=Stopping(target=0.6))
    assert result.ended == "the target of 0.6 is reached"
    last = [record for record in result.history if record.kind != "prune" and record.score is not None][-1]
    assert last.score >= 0.6
    assert len([x for record in result.history if record.kind in ("start", "growth") for x in record.batch]) == 40
    assert result.spent["metric_calls"] < 1200


def test_patience_ends_a_run_that_gains_nothing(tmp_path):
    result, *_ = compiled(tmp_path, calls=2000, noise=0.3, stopping=Stopping(patience=2))
    assert result.ended == "2 steps in a row gained nothing"
    assert not any(record.gained for record in result.history.steps()[-2:])


def steps_before_the_end(result):
    """All records but the last of the steps: an early selection was paid for, so the budget ends a little earlier."""
    return [record for record in story(result) if record["kind"] != "prune"][:-1]


def assert_went_on(again, whole):
    """A run that was stopped and gone on with took the decisions of one that never was."""
    steps = steps_before_the_end(again)
    assert len(steps) >= 4
    assert steps == steps_before_the_end(whole)[: len(steps)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["default", "named"])
def test_a_stop_file_ends_the_run_and_the_run_goes_on_without_it(tmp_path, kind):
    file = tmp_path / "run" / "stop" if kind == "default" else tmp_path / "enough"
    stopping = Stopping() if kind == "default" else Stopping(stop_file=file)

    def stop(record):
        if record.index == 2:
            file.touch()

    result, *_ = compiled(tmp_path / "run", stopping=stopping, on_record=stop)
    assert "asks for it" in result.ended
    assert len(result.history) == 3
    assert result.comparison.start is not None, "the best so far is chosen on valset"
    with pytest.raises(ValueError, match=r"stop_file=.*exists.*Delete it first"):
        compiled(tmp_path / "run", stopping=stopping)
    file.unlink()
    again, *_ = compiled(tmp_path / "run", stopping=stopping)
    whole, *_ = compiled(tmp_path / "undisturbed")
    assert_went_on(again, whole)
    assert again.ended == whole.ended


def press(times, after):
    """An `on_record` that presses Ctrl-C at a record."""

    def on_record(record):
        if record.index == after:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    return on_record


def test_the_first_ctrl_c_selects_and_returns_and_the_run_can_be_gone_on_with(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    result, *_ = compiled(tmp_path / "run", on_record=press(1, after=3))
    assert result.ended == "interrupted by Ctrl-C"
    assert len(result.history) == 4
    assert result.comparison.start is not None
    assert signal.getsignal(signal.SIGINT) is before
    again, *_ = compiled(tmp_path / "run")
    assert_went_on(again, compiled(tmp_path / "undisturbed")[0])


def test_ctrl_c_during_judging_loses_nothing_of_the_step(tmp_path):
    seen = []

    def metric(gold, pred, trace=None):
        seen.append(1)
        if len(seen) == 75:
            os.kill(os.getpid(), signal.SIGINT)
        return float(gold.answer == pred.answer)

    result, *_ = compiled(tmp_path / "run", metric=metric)
    assert result.ended == "interrupted by Ctrl-C"
    seen.extend([1] * 1000)
    again, *_ = compiled(tmp_path / "run", metric=metric)
    whole, *_ = compiled(tmp_path / "undisturbed", metric=metric)
    assert_went_on(again, whole)


def test_the_second_ctrl_c_raises_at_once_with_the_best_so_far(tmp_path):
    with pytest.raises(Interrupted, match=r"goes on from here") as caught:
        compiled(tmp_path / "run", on_record=press(2, after=3))
    result, program = caught.value.result, caught.value.program
    assert isinstance(caught.value, KeyboardInterrupt)
    assert result.verdict.startswith("not compared on valset, so no gain can be claimed")
    assert program.solve.signature.instructions == result.best_prompts["solve"]
    assert (tmp_path / "run" / "result.json").exists()
    again, *_ = compiled(tmp_path / "run")
    whole, *_ = compiled(tmp_path / "undisturbed")
    assert story(again) == story(whole)


def test_the_second_ctrl_c_does_not_wait_for_a_call_that_hangs():
    script = """
import logging, os, signal, sys, threading, time
import dspy
sys.path.insert(0, sys.argv[1])
from scripted import scripted_lm, fields
from dspy_dlpo import DLPOTeleprompter
called, noticed = threading.Event(), threading.Event()
def slow(system, user):
    called.set()
    time.sleep(600)
class Notice(logging.Handler):
    def emit(self, record):
        noticed.set()
logging.getLogger("dspy_dlpo.run.interrupt").addHandler(Notice())
lm = scripted_lm(slow)
train = [dspy.Example(question=str(i), answer="1").with_inputs("question") for i in range(20)]
def press():
    for event in (called, noticed):
        event.wait()
        os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=press, daemon=True).start()
try:
    with dspy.context(lm=lm):
        DLPOTeleprompter(lambda g, p, t=None: 1.0).compile(dspy.Predict("question -> answer"), trainset=train)
except KeyboardInterrupt:
    print("stopped")
"""
    folder = os.path.join(os.path.dirname(__file__), "host")
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == "stopped\n", done.stderr


def test_a_run_on_another_thread_leaves_ctrl_c_alone():
    task, lm = simulated_task("object_counting", n_train=12, n_val=8), simulated_lm(0)
    handlers, found = [], []

    def watch(record):
        handlers.append(signal.getsignal(signal.SIGINT))

    def work():
        optimizer = DLPOTeleprompter(task.metric, task_model=lm, prompt_model=lm, on_record=watch)
        found.append(optimizer.compile(task.program, trainset=task.trainset, valset=task.valset))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found
    assert set(handlers) == {before}


def test_a_handler_of_the_users_own_stays():
    task, lm, handlers = simulated_task("object_counting", n_train=12, n_val=8), simulated_lm(0), []
    before = signal.getsignal(signal.SIGINT)
    mine = lambda number, frame: None  # noqa: E731
    signal.signal(signal.SIGINT, mine)
    try:
        with dspy.context(lm=lm):
            DLPOTeleprompter(
                task.metric, on_record=lambda record: handlers.append(signal.getsignal(signal.SIGINT))
            ).compile(task.program, trainset=task.trainset)
    finally:
        signal.signal(signal.SIGINT, before)
    assert set(handlers) == {mine}
    assert engine_of(lm).counts.calls > 0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"patience": 0}, "patience=0"),
        ({"target": float("nan")}, "target=nan"),
        ({"target": "high"}, "target='high'"),
        ({"stop_file": 3}, "stop_file=3"),
        ({"max_steps": 0}, "max_steps=0"),
    ],
)
def test_an_illegal_end_is_refused(values, said):
    with pytest.raises((ValueError, TypeError)) as caught:
        Stopping(**values)
    assert said in str(caught.value)
