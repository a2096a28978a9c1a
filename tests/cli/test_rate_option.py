"""``--rate``: what models may be asked in a minute, on the command line."""

import functools
import json

import pytest
from click.testing import CliRunner
from clocks import FakeClock

from dspy_dlpo import Rate
from dspy_dlpo.cli import main
from dspy_dlpo.cli.rates import shared_rates
from dspy_dlpo.host.pacing import Pacing
from dspy_dlpo.run import claim, wiring

SIX_SECONDS = ("--rate", "10rpm")


@pytest.fixture
def run(here, monkeypatch):
    monkeypatch.syspath_prepend(str(here))

    def call(*arguments):
        return CliRunner().invoke(main, [str(each) for each in arguments])

    return call


def seconds(done):
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    return told["seconds"], told["calls"]


def test_the_estimate_tells_the_time_that_it_leaves(run):
    told, calls = seconds(run("estimate", "my_module:task", "--json", *SIX_SECONDS))
    assert told == {"low": pytest.approx(6 * calls["low"]), "high": pytest.approx(6 * calls["high"])}
    assert seconds(run("estimate", "my_module:task", "--json"))[0] is None
    assert "minutes at these rates" in run("estimate", "my_module:task", "--rate", "10rpm,1_000_000tpm").stdout


def test_a_model_has_its_own(run):
    told, _ = seconds(run("estimate", "my_module:task", "--json", "--rate", "other/model:8b=1rpm"))
    assert told == {"low": 0.0, "high": 0.0}, "no model of the run has that name"
    assert "'other/model:8b'" in run("estimate", "my_module:task", "--rate", "other/model:8b=1rpm").stdout


def test_a_run_and_its_final_test_wait_for_their_turn(run, monkeypatch):
    clocks = {module: FakeClock() for module in (wiring, claim)}
    for module, clock in clocks.items():
        monkeypatch.setattr(module, "Pacing", functools.partial(Pacing, clock=clock))
    done = run("compile", "my_module:task", "--budget", "60", "--log-dir", "run", "--json", *SIX_SECONDS)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    calls = sum(told["spent"][role]["calls"] for role in ("task", "writer"))
    assert clocks[wiring].time == pytest.approx(6 * (calls - 1))
    assert told["testset"]["examples"] == 30
    assert clocks[claim].time >= 6 * 29, "as many calls of the final test, or twice as many if the prompts differ"


def test_processes_of_a_search_share_a_rate(run):
    def price(*more):
        arguments = ("tune", "my_module:task", "--trials", "2", "--price", "--json", "--budget-per-trial", "60")
        done = run(*arguments, *SIX_SECONDS, *more)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["estimates"][0]["seconds"]["high"]

    assert price("--workers", "4") == pytest.approx(4 * price())
    assert shared_rates({"a": Rate(requests=8, tokens=100)}, 4) == {"a": Rate(requests=2, tokens=25)}
    assert shared_rates(None, 4) is None


WRITE = "Write 500rpm for requests a minute"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["500"], WRITE),
        (["fast"], WRITE),
        (["500rpm,"], WRITE),
        (["500rpm,600rpm"], WRITE),
        (["=500rpm"], WRITE),
        (["1.2.3rpm"], WRITE),
        (["0rpm"], "must be a number of above 0"),
        (["500rpm", "a=500rpm"], "goes with no other"),
        (["a=500rpm", "a=30000tpm"], "twice for the same model"),
        (["500rpm", "600rpm"], "twice for the same model"),
    ],
)
def test_what_is_no_rate_is_told_before_anything_is_loaded(given, said):
    options = [part for each in given for part in ("--rate", each)]
    done = CliRunner().invoke(main, ["compile", "no_such_module:task", *options])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
