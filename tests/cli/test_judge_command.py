"""``dlpo judge`` as a user types it."""

import json
import re

import pytest
from click.testing import CliRunner
from shell import dlpo

from dspy_dlpo.cli import judge as command
from dspy_dlpo.cli import main

LABELS = [
    {"example": {"question": f"made up {i}", "answer": "1"}, "output": {"answer": str(i % 2)}, "score": i % 4 > 0}
    for i in range(12)
]


@pytest.fixture
def module(here):
    """Tasks whose metrics are plain; one model that costs money stands beside."""
    with open(here / "my_module.py", "a") as file:
        file.write(
            "\nJUDGE = dspy.LM('openai/gpt-4o')\n"
            "def helper():\n"
            "    return JUDGE\n"
            "def asks(gold, pred, trace=None):\n"
            "    return 0.0 if helper() is None else 1.0\n"
            "paid = Task(known.program, asks, *sets)\n"
        )
    (here / "labels.jsonl").write_text("\n".join(map(json.dumps, LABELS)))
    return here


def test_it_tells_the_price_and_then_of_the_metric(module):
    done = dlpo("judge", "my_module:task", "--examples", "12")
    assert done.returncode == 0, done.stderr
    for said in ("12 runs of the program", "24 calls of the metric", "12 outputs, each scored twice", "noise: none"):
        assert said in done.stdout
    assert "A simulated model took part" in done.stdout
    assert done.stdout.index("Estimate") < done.stdout.index("outputs, each")


@pytest.mark.slow
def test_labels_are_scored_and_too_little_agreement_ends_with_3(module):
    arguments = ("judge", "my_module:task", "--labels", "labels.jsonl", "--json")
    done = dlpo(*arguments, "--min-agreement", "0.6")
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    assert told["human"]["outputs"] == 12
    assert told["human"]["same"] == pytest.approx(9 / 12)
    assert told["agreement"] == pytest.approx(0.5)
    assert told["spent"] == {} or "task" not in told["spent"], "the program does not run"
    assert told["simulated"] is True
    assert dlpo(*arguments, "--min-agreement", "0.4").returncode == 0


@pytest.mark.slow
def test_quiet_prints_the_report_alone(module):
    done = dlpo("judge", "my_module:task", "--examples", "4", "--quiet")
    assert done.stdout.startswith("4 outputs, each scored twice")
    assert "Estimate" not in done.stdout


@pytest.mark.few(1)
@pytest.mark.parametrize("arguments", [("--labels", "nowhere.jsonl"), ("--examples", "1")])
def test_misuse_is_told_in_a_line(module, arguments):
    done = dlpo("judge", "my_module:task", *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_it_asks_before_a_model_that_the_metric_names_is_paid(module, monkeypatch):
    monkeypatch.setattr(command, "can_ask", lambda: True)
    monkeypatch.syspath_prepend(str(module))
    refused = CliRunner().invoke(main, ["judge", "my_module:paid", "--examples", "4"], input="n\n")
    assert refused.exit_code == 130
    assert "nothing was spent" in refused.output
    assert "outputs, each" not in refused.output
    asked = "what 8 calls of the metric cost?"
    assert asked in refused.output
    for name, options in (("paid", ["--yes"]), ("task", [])):
        done = CliRunner().invoke(main, ["judge", f"my_module:{name}", "--examples", "4", *options])
        assert done.exit_code == 0, done.output
        assert asked not in done.output, name


@pytest.mark.slow
def test_what_it_says_of_noise_goes_into_the_verdict_of_a_run(here):
    with open(here / "my_module.py", "a") as file:
        file.write(
            "\nimport random\n"
            "draws = random.Random(0)\n"
            "def dice(gold, pred, trace=None):\n"
            "    return 0.4 * known.metric(gold, pred) + 0.6 * draws.random()\n"
            "diced = Task(known.program, dice, *sets[:2])\n"
        )
    told = dlpo("judge", "my_module:diced", "--examples", "20")
    command = re.search(r"dlpo (compile my_module:diced --metric-noise 0\.\d+)  \(", told.stdout)
    assert command, told.stdout
    run = ("--budget", "120", "--log-dir", "run", "--json")
    done = dlpo(*command[1].split(), *run)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert 0.05 < found["gain_by_noise"] < 0.2
    assert found["within_noise"] == (0 < found["valset"]["difference"] <= found["gain_by_noise"])
    assert ("within the metric's noise" in found["verdict"]) == found["within_noise"]
    assert "--metric-noise" not in dlpo("judge", "my_module:diced", "--examples", "4", "--quiet").stdout
