import json
import signal
import socket
import subprocess
import sys

import dspy
import pytest
from click.testing import CliRunner
from waiting import PATIENCE

from dspy_dlpo.cli import main


def run(*arguments):
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.few(1)
@pytest.mark.parametrize("task", ["object_counting", "support_desk"])
def test_the_demo_tells_the_whole_story(task, tmp_path):
    done = run("demo", "--task", task, "--budget", "400", "--log-dir", str(tmp_path / "run"))
    assert done.exit_code == 0, done.output
    for said in (
        "What is optimized",
        "The language model is simulated",
        "     + ",  # an accepted edit
        "Verdict",
        "Held-out test",
        "95% interval",
        "Instructions of",
        "runs of the program",
        "writer:",
        f"Run directory  {tmp_path / 'run'}",
        f"Next  dlpo report {tmp_path / 'run'} --open",
        "These figures come from a simulated model",
        "--task-model openai/gpt-4o-mini --prompt-model openai/gpt-4o",
    ):
        assert said in done.output
    assert (tmp_path / "run" / "events.jsonl").exists()


def test_the_demo_reads_questions_from_a_file(tmp_path):
    words = ["a car", "two lamps", "a stove", "three chairs"]
    rows = [
        {
            "question": f"I have {words[i % 4]}, and {words[(i + 1 + i // 4) % 4]}. How many objects do I have?",
            "answer": str([1, 2, 1, 3][i % 4] + [1, 2, 1, 3][(i + 1 + i // 4) % 4]),
            "split": ("train", "val", "test")[i % 3],
            "task": "object_counting",
        }
        for i in range(60)
    ]
    path = tmp_path / "bbh.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    done = run("demo", "--data", str(path), "--budget", "100", "--log-dir", str(tmp_path / "run"))
    assert done.exit_code == 0, done.output
    assert "20 examples)" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--task", "chess"), "no task 'chess'. Pass one of"),
        (("--budget", "0"), "0 is not in the range x>=1. See dlpo demo --help."),
        (("--data", "nowhere.jsonl"), "does not exist"),
    ],
)
def test_misuse_is_one_error_line_without_traceback(arguments, said):
    done = run("demo", *arguments)
    assert done.exit_code != 0
    assert said in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_serve_refuses_to_listen_to_the_world():
    done = run("serve", "--host", "0.0.0.0")
    assert done.exit_code != 0
    assert "can be reached from other machines" in done.output


def test_a_port_that_is_taken_is_a_failure_like_any_other():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "dspy_dlpo.cli", "serve", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1, "uvicorn's own 3 would be taken for a run without a gain"
    assert "cannot be listened on. Pass another port" in done.stderr


def test_serve_answers_on_loopback():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "dspy_dlpo.cli", "serve", "--port", port]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert any("running" in line for line in server.stderr)
            lm = dspy.LM("openai/sim", api_base=f"http://127.0.0.1:{port}/v1", api_key="none", cache=False)
            with dspy.context(lm=lm):
                answer = dspy.Predict("question -> answer")(question="I have a car. How many objects do I have?").answer
            assert answer
        finally:
            server.terminate()


def test_serve_tells_its_address_in_json_once_it_answers():
    command = [sys.executable, "-m", "dspy_dlpo.cli", "serve", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            told = json.loads(server.stdout.readline())
            assert told["simulated"]
            lm = dspy.LM("openai/sim", api_base=told["url"], api_key="none", cache=False, num_retries=0)
            assert lm("Hello.")
            server.send_signal(signal.SIGINT)
            assert server.wait(PATIENCE) == 0
            assert server.stdout.read() == ""
        finally:
            server.kill()


def test_the_same_demo_in_its_directory_goes_on_and_another_is_refused(tmp_path):
    arguments = ("demo", "--budget", "60", "--log-dir", str(tmp_path / "run"))
    first = run(*arguments)
    assert first.exit_code == 0
    again = run(*arguments)
    assert again.exit_code == 0
    assert again.output.split("Verdict")[1].split("Spent")[0] == first.output.split("Verdict")[1].split("Spent")[0]
    other = run(*arguments, "--seed", "1")
    assert other.exit_code != 0
    assert "holds another run" in other.output


MODULE = """
from dspy_dlpo import Task
from dspy_dlpo.simulation import simulated_task

def task():
    found = simulated_task("object_counting", n_train=20, n_val=20)
    return Task(found.program, found.metric, found.trainset, found.valset)

ready = task()
number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "my_tasks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield "my_tasks"
    sys.modules.pop("my_tasks", None)


@pytest.mark.parametrize("name", ["task", "ready"])
def test_the_price_of_a_task_is_told_as_a_table(module, name):
    models = ("--task-model", "openai/gpt-4o-mini", "--prompt-model", "openai/gpt-4o")
    done = run("estimate", f"{module}:{name}", "--budget", "400", *models)
    assert done.exit_code == 0, done.output
    assert "to 400 runs of the program" in done.output
    assert "US dollars" in done.output
    assert "unknown" not in done.output


def test_the_price_of_a_task_is_told_as_json(module):
    models = ("--task-model", "openai/no-such", "--prompt-model", "openai/gpt-4o")
    done = run("estimate", f"{module}:task", "--json", *models)
    told = json.loads(done.stdout)
    assert told["metric_calls"]["high"] == 600
    assert told["usd"] is None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("my_tasks", "is no path of a task. Pass MODULE:NAME"),
        ("my_tasks:nothing", "Name a Task of that module"),
        ("nowhere_at_all:task", "Run from the directory that holds the module"),
        ("my_tasks:number", "is of type int. Name a dspy_dlpo.Task"),
        ("my_tasks:task", "No language model is configured"),
    ],
)
def test_a_task_that_cannot_be_used_is_one_error_line(module, path, said):
    done = run("estimate", path)
    assert done.exit_code != 0
    assert said in " ".join(done.output.split())
    assert "Traceback" not in done.output
