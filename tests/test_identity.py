"""A run directory is gone on with only where program, models, data and metric are the same in content."""

import asyncio
import functools
import json
import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace

import dspy
import numpy as np
import pytest
from pydantic import BaseModel

from dspy_dlpo import Budget, DLPOTeleprompter, ResumeError
from dspy_dlpo.core.thresholds import THRESHOLDS
from dspy_dlpo.host.content import ContentHasher
from dspy_dlpo.run.fingerprint import fingerprint
from dspy_dlpo.run.settings import check_data
from dspy_dlpo.simulation import simulated_lm, simulated_task

LIMIT = 0.5


def digests(value):
    hasher = ContentHasher()
    return hasher.digest(value, "value"), hasher.used_globals(), hasher.unknown


def image(letter):
    return dspy.Image(f"data:image/png;base64,{letter * 40}")


class Page(BaseModel):
    title: str
    picture: dspy.Image


@dataclass
class Order:
    items: list
    note: str = ""


class Judge:
    def __init__(self, limit):
        self.limit, self.calls, self.log, self.lock = limit, 0, [], threading.Lock()

    def __call__(self, gold, pred, trace=None):
        self.calls += 1
        self.log.append(pred)
        self._note(pred)
        return float(self.limit < 1)

    def _note(self, pred):
        self.last = pred

    def at_least(self, gold, pred, trace=None):
        return float(self.limit < 1)


def enclosing(limit):
    def metric(gold, pred, trace=None):
        return float(limit < 1)

    return metric


def with_default(limit):
    def metric(gold, pred, trace=None, limit=limit):
        return 1.0

    return metric


def wrapped(times):
    def outer(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return function(*args, **kwargs) * times

        return inner

    return outer(with_default(1))


def scored(limit, gold, pred, trace=None):
    return 1.0


def array(value):
    found = np.zeros(5000)
    found[2500] = value
    return found


def knot(value):
    found = [value]
    found.append({"self": found})
    return found


MAKERS = {
    "image": image,
    "image in a pydantic object": lambda x: Page(title="t", picture=image(str(x))),
    "image in a list in an example": lambda x: dspy.Example(pages=[{"a": image(str(x))}]).with_inputs("pages"),
    "sound": lambda x: dspy.Audio(data=f"AAAA{x}", audio_format="wav"),
    "file": lambda x: dspy.File(file_data=f"data:application/pdf;base64,AAAA{x}"),
    "array with a long middle": array,
    "array of another type": lambda x: np.zeros(3, dtype="int32" if x == 1 else "int64"),
    "array of objects": lambda x: np.array([{"a": x}, None], dtype=object),
    "dataclass": lambda x: Order([x]),
    "bytes": lambda x: bytes([x]),
    "set": lambda x: {"a", "b", x},
    "cycle": knot,
    "partial": lambda x: functools.partial(scored, x),
    "partial by keyword": lambda x: functools.partial(scored, limit=x),
    "bound method": lambda x: Judge(x).at_least,
    "callable object": Judge,
    "closure": enclosing,
    "closure in a closure": lambda x: enclosing(enclosing(x)),
    "closure that holds a model": lambda x: enclosing(dspy.LM("openai/any", temperature=x / 10)),
    "default argument": with_default,
    "wrapper": wrapped,
    "function of C": lambda x: [str.strip, str.lower][x - 1],
    "bound function of C": lambda x: str(x).startswith,
    "class": lambda x: [Judge, Order][x - 1],
    "module": lambda x: dspy.evaluate.SemanticF1(threshold=x / 10),
    "program": lambda x: dspy.Predict(dspy.Signature("a -> b", f"Do {x}.")),
    "type": lambda x: list[[int, str][x - 1]],
    "model": lambda x: dspy.LM("openai/any", max_tokens=x),
}


@pytest.mark.parametrize("name", MAKERS)
def test_content_is_told_apart_and_known_again(name):
    make = MAKERS[name]
    assert digests(make(1)) == digests(make(1))
    assert digests(make(1)) != digests(make(2))
    assert not digests(make(1))[2]


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_tables_are_told_apart(name):
    library = pytest.importorskip(name)
    tables = [library.DataFrame({"a": [*range(500), x], "b": ["x"] * 501}) for x in (1, 1, 2)]
    columns = [library.Series([*"ab", x]) for x in "ccd"]
    for same, again, other in (tables, columns):
        assert digests(same) == digests(again) != digests(other)


def test_lambdas_on_one_line_are_told_apart():
    first, second = (lambda gold, pred: 1.0), (lambda gold, pred: 0.0)
    assert digests(first)[0] != digests(second)[0]


def test_what_a_function_reads_from_its_module_counts(monkeypatch):
    def metric(gold, pred, trace=None):
        return float(helper(pred) > 0)

    before = digests(metric)
    monkeypatch.setitem(globals(), "LIMIT", 0.9)
    after = digests(metric)
    assert before[0] == after[0]
    assert before[1] != after[1]
    assert sorted(before[1]) == ["test_identity.LIMIT", "test_identity.helper"]


def helper(pred):
    return LIMIT


LOG: list = []


def test_what_a_metric_keeps_for_itself_does_not_count():
    count = {"calls": 0}

    def metric(gold, pred, trace=None):
        count["calls"] += 1
        LOG.append(pred)
        return 1.0

    judge = Judge(0)
    before = digests(metric), digests(judge), digests(judge.at_least)
    metric(1, 2)
    judge(1, 2)
    assert (digests(metric), digests(judge)) == before[:2]
    LOG.clear()


def test_what_has_no_content_is_named():
    unknown = digests(
        {"file": sys.__stdout__, "draws": np.random.default_rng(0), "lock": threading.Lock(), "text": "x"}
    )[2]
    assert unknown == {"value.file": "_io.TextIOWrapper", "value.draws": "numpy.random._generator.Generator"}


def test_what_a_client_keeps_of_its_event_loop_tells_no_run_apart():
    async def client():
        lock = asyncio.Lock()
        await lock.acquire()
        loop = asyncio.get_running_loop()
        return {"loop": loop, "lock": lock, "pending": loop.create_future(), "ready": asyncio.Event()}

    one, other = asyncio.run(client()), asyncio.run(client())
    assert digests(one) == digests(other)
    assert digests(one)[2] == {}


def test_much_data_in_a_metric_takes_little_time():
    began = time.monotonic()
    assert digests(enclosing({str(i): i for i in range(100_000)})) != digests(enclosing({}))
    assert digests(enclosing({i: [i, str(i)] for i in range(100_000)})) != digests(enclosing({}))
    assert time.monotonic() - began < 30


def test_functions_that_call_one_another_end():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    assert digests(even) != digests(odd)
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    assert digests(nested)[2] == {"value": "builtins.list"}


APART = """
import sys
sys.path[:0] = sys.argv[1:]
import test_identity
print([test_identity.digests(make(1)) for name, make in test_identity.MAKERS.items()])
"""


def test_the_same_content_has_the_same_name_in_every_process(request):
    said = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", APART, str(request.path.parent), str(request.path.parent.parent)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        said.append(subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout)
    assert said[0] == said[1] != ""


TASK = simulated_task("object_counting", n_train=12, n_val=8)


class Pair(dspy.Module):
    def __init__(self, k=1, lm=None):
        super().__init__()
        self.k, self.solve = k, dspy.Predict(dspy.Signature("question -> answer", "Count."))
        self.solve.lm = lm

    def forward(self, question):
        return self.solve(question=question)


def told(metric=TASK.metric, program=TASK.program, **settings):
    models = {"prompt_model": dspy.LM("openai/any"), "task_model": dspy.LM("openai/any"), **settings}
    optimizer = DLPOTeleprompter(metric, **models)
    data = check_data(optimizer.settings, TASK.trainset, TASK.valset)
    return json.loads(json.dumps(fingerprint(optimizer.settings, program, data, models["prompt_model"]), default=str))


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 100},
        {"top_p": 0.5},
        {"api_base": "http://127.0.0.1:1/v1"},
        {"reasoning_effort": "low"},
        {"model_type": "responses"},
        {"temperature": 0.5},
        {"extra_body": {"top_k": 3}},
    ],
)
@pytest.mark.parametrize("where", ["prompt_model", "task_model", "program"])
def test_another_option_of_a_model_is_another_run(options, where):
    lm = dspy.LM("openai/any", **options)
    if where == "program":
        assert told(program=Pair(lm=lm)) != told(program=Pair(lm=dspy.LM("openai/any")))
    else:
        assert told(**{where: lm}) != told()


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": "sk-aaaaaaaaaaaaaaaaaaaa"},
        {"num_retries": 9},
        {"cache": False},
        {"timeout": 3},
        {"extra_headers": {"Authorization": "Bearer aaaaaaaaaaaa1"}},
    ],
)
def test_keys_and_what_changes_no_answer_are_left_out(options):
    found = told(prompt_model=dspy.LM("openai/any", **options))
    plain = told(prompt_model=dspy.LM("openai/any", **({"extra_headers": {}} if "extra_headers" in options else {})))
    assert found == plain
    assert "aaaaaaa" not in json.dumps(found)


def test_the_password_in_an_address_is_left_out():
    found = told(prompt_model=dspy.LM("openai/any", api_base="https://me:pass-word@host.org/v1?key=abc"))
    assert found["prompt_model"] == "openai/any, api_base=https://host.org/v1"


def test_what_a_program_holds_counts():
    assert told(program=Pair(1)) == told(program=Pair(1))
    first, second = told(program=Pair(1))["program"]["state"], told(program=Pair(2))["program"]["state"]
    assert set(first) == {"k"}
    assert first != second


def test_a_run_is_not_gone_on_with_when_a_closure_encloses_something_else(tmp_path, caplog):
    lm = simulated_lm(0)

    def run(strip, log_dir=tmp_path / "run"):
        def metric(gold, pred, trace=None):
            return float(gold.answer == strip(pred.answer))

        optimizer = DLPOTeleprompter(metric, budget=Budget(40), log_dir=log_dir, task_model=lm, prompt_model=lm)
        return optimizer.compile(TASK.program, trainset=TASK.trainset, valset=TASK.valset)

    run(str.strip)
    run(str.strip)
    assert "cannot be compared" not in caplog.text
    with pytest.raises(ResumeError, match="metric was"):
        run(str.lower)


def test_what_cannot_be_hashed_is_told_in_one_warning(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "dspy_dlpo")
    told(metric=functools.partial(scored, {"connection": sys.__stdout__, "more": iter([1])}))
    said = [record.getMessage() for record in caplog.records if "cannot be compared" in record.getMessage()]
    assert len(said) == 1
    assert "_io.TextIOWrapper" in said[0]
    assert "pass another log_dir" in said[0]


def test_a_directory_of_an_earlier_version_is_refused_in_words(tmp_path):
    lm, folder = simulated_lm(0), tmp_path / "run"
    optimizer = DLPOTeleprompter(TASK.metric, budget=Budget(40), log_dir=folder, task_model=lm, prompt_model=lm)
    optimizer.compile(TASK.program, trainset=TASK.trainset, valset=TASK.valset)
    stored = json.loads((folder / "run.json").read_text())
    stored["identity"] = 3
    (folder / "run.json").write_text(json.dumps(stored))
    with pytest.raises(
        ResumeError,
        match=r"told data, programs and metrics apart, or wrote what happened, in another way.*another directory",
    ):
        optimizer.compile(TASK.program, trainset=TASK.trainset, valset=TASK.valset)


def test_a_run_under_other_thresholds_is_another_run(tmp_path, monkeypatch):
    lm, folder = simulated_lm(0), tmp_path / "run"
    optimizer = DLPOTeleprompter(TASK.metric, budget=Budget(40), log_dir=folder, task_model=lm, prompt_model=lm)
    optimizer.compile(TASK.program, trainset=TASK.trainset, valset=TASK.valset)
    monkeypatch.setattr("dspy_dlpo.run.fingerprint.THRESHOLDS", replace(THRESHOLDS, stalled=4))
    with pytest.raises(ResumeError, match=r"thresholds.stalled was 3, now 4"):
        optimizer.compile(TASK.program, trainset=TASK.trainset, valset=TASK.valset)
