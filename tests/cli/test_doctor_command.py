"""``dlpo doctor``: each thing that can be wrong is found, and told with the way out."""

import http.server
import json
import threading

import pytest
from packaging.requirements import Requirement
from scripted import engine, fields, scripted_lm
from shell import Terminal, dlpo, environment
from waiting import PATIENCE

from dspy_dlpo.cli.checks.installation import fault
from dspy_dlpo.cli.checks.models import check_prompt_model

REAL = """
import os
import dspy
from my_module import *

SECRET = "sk-geheim-0123456789abcdef"
dspy.configure(lm=dspy.LM("openai/sim", api_base=os.environ["ADDRESS"], api_key=SECRET, num_retries=0))

class Two(dspy.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = (dspy.Predict("question -> answer") for _ in range(3))

many = Task(Two(), known.metric, *sets)
two = Task(known.program, known.metric, known.trainset[:30], known.trainset[20:40])
unmarked = Task(known.program, known.metric, [dspy.Example(question="one", answer="1")] * 30)
wrong = Task(dspy.Module(), known.metric, known.trainset)
lost = Task(known.program, lambda gold, pred, trace=None: None, *sets)
"""


@pytest.fixture
def real(here):
    (here / "real.py").write_text(REAL)
    return here


def findings(*arguments, **more):
    done = dlpo("doctor", *arguments, f"--patience={PATIENCE}", "--json", env=environment(**more))
    assert "geheim" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def said(found, level):
    return [f"{each['about']}: {each['said']}" for each in found if each["level"] == level]


def test_all_is_well_with_a_simulated_model(here):
    done = dlpo("doctor", "my_module:task")
    assert done.returncode == 0, done.stdout
    for line in (
        "1 predictor: solve",
        "a critique in the form asked for",
        "writes edits",  # in the first form or another: each time the request meets another luck
        "simulated, so free",
        "a score of",
    ):
        assert line in done.stdout
    assert done.stdout.rstrip().endswith("0 failed")


@pytest.mark.slow
def test_a_model_behind_an_address_is_asked_no_more_than_is_told(real, address):
    code, found = findings("real:task", ADDRESS=address)
    assert code == 0, found
    told = said(found, "ok")
    assert any("task model openai/sim: 1 call of" in each for each in told)
    # A critique, and edits: in a second form where the reply to the first cannot be used.
    forms = 1 + any("not in the form asked for first" in each for each in said(found, "warning"))
    assert any(f"prompt model openai/sim: {1 + forms} calls of" in each for each in told)
    assert any("metric: gives the first example a score" in each for each in told)


@pytest.mark.parametrize(("reply", "calls"), [("ADD: Be brief.", 2), ("Nothing should be changed.", 3)])
def test_a_writer_is_asked_again_only_if_its_edits_cannot_be_read(reply, calls):
    def answer(system, user):
        if "[[ ## critique ## ]]" in system:
            return fields(critique="A rule is lacking.")
        return reply if "ADD:" in user else "Given the fields question, produce the fields answer. Be brief."

    lm = scripted_lm(answer)
    found = list(check_prompt_model(lm))
    assert len(engine(lm).asked) == calls
    assert any("not in the form asked for first" in each.said for each in found) == (calls == 3)


@pytest.mark.slow
def test_offline_calls_no_model(real):
    code, found = findings("real:task", "--offline", ADDRESS="http://127.0.0.1:1/v1")
    assert code == 0
    assert any("not called" in each for each in said(found, "ok"))


@pytest.mark.slow
def test_a_wrong_port_is_told(real):
    code, found = findings("real:task", ADDRESS="http://127.0.0.1:1/v1")
    assert code == 1
    [failure] = [each for each in found if each["level"] == "fail"]
    assert "refused" in failure["said"].lower()
    assert "api_base" in failure["way_out"]


@pytest.mark.slow
def test_patience_that_is_no_time_is_refused(here):
    done = dlpo("doctor", "--offline", "--patience=0")
    assert done.returncode == 2
    assert "--patience" in done.stderr


class Refusing(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        told = "Incorrect API key provided: " + self.headers["Authorization"].split()[-1]
        body = json.dumps({"error": {"message": told, "code": "invalid_api_key"}}).encode()
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def test_a_wrong_key_is_told_without_the_key(real):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code, found = findings("real:task", ADDRESS=f"http://127.0.0.1:{server.server_port}/v1")
        server.shutdown()
    assert code == 1
    [failure] = [each for each in found if each["level"] == "fail"]
    assert "key" in failure["way_out"]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("name", "level", "expected"),
    [
        ("two", "warning", "valset: 10 examples are too few to tell"),
        ("two", "warning", "data: 10 of the 20 valset examples have inputs that are in the trainset too"),
        ("two", "warning", "testset: none"),
        ("unmarked", "fail", "does not say which fields are inputs"),
        ("wrong", "fail", "program: "),
        ("nothing", "fail", "task real:nothing: "),
    ],
)
def test_what_is_wrong_with_a_task_is_told(real, name, level, expected):
    code, found = findings(f"real:{name}", "--offline", ADDRESS="http://127.0.0.1:1/v1")
    assert any(expected in each for each in said(found, level)), found
    assert code == (1 if level == "fail" else 0)


@pytest.mark.slow
def test_a_metric_that_gives_no_score_and_a_program_that_takes_many_calls_are_told(real, address):
    code, found = findings("real:lost", ADDRESS=address)
    assert code == 1
    assert any("metric: The metric returned None" in each for each in said(found, "fail"))
    code, found = findings("real:many", ADDRESS=address)
    assert any("may take more than 2 calls" in each for each in said(found, "warning"))


@pytest.mark.slow
def test_a_module_that_cannot_be_imported_is_told_with_its_place(here):
    (here / "bad.py").write_text("import dspy\n1 / 0\n")
    code, found = findings("bad:task")
    assert code == 1
    assert "ZeroDivisionError: division by zero (bad.py, line 2)" in said(found, "fail")[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        ("postgresql://me:geheim@127.0.0.1:1/x", "cannot be reached"),
        ("sqlite:////no/where/at/all.db", "does not exist"),
        ("grpc://127.0.0.1:1", "no URL of a database"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_told_without_its_password(here, storage, expected):
    code, found = findings("--offline", DLPO_STORAGE=storage)
    assert code == 1
    assert expected in said(found, "fail")[0]


@pytest.mark.slow
def test_a_storage_that_can_be_reached_is_not_made(here):
    code, found = findings("--offline", DLPO_STORAGE="sqlite:///new.db")
    assert code == 0
    assert any("can be reached" in each for each in said(found, "ok"))
    assert not (here / "new.db").exists()


def test_packages_that_are_missing_or_too_old_are_named():
    assert fault(Requirement("no-such-package-at-all")) == "no-such-package-at-all is missing"
    assert fault(Requirement("click>=1000")).endswith("is not >=1000")
    assert fault(Requirement("click>=8")) == ""


@pytest.mark.slow
def test_a_terminal_is_asked_before_a_model_is_called(here):
    (here / "paid.py").write_text("import dspy\nfrom my_module import *\ndspy.configure(lm=dspy.LM('openai/none'))\n")
    terminal = Terminal("doctor", "paid:task")
    terminal.read_until("[Y/n]")
    assert "at most 2 times in each role" in terminal.shown
    terminal.type("n\n")
    assert terminal.end() == 0
    assert "not called" in terminal.shown
