"""What a run of the program costs is told by runs that were paid for in full, and by no other."""

import pytest

from dspy_dlpo.core.events import RunDone, Started
from dspy_dlpo.core.roles import Failure, Row
from dspy_dlpo.core.run_costs import cost_difference, costs_of_runs, mean_cost
from dspy_dlpo.core.state import fold
from dspy_dlpo.core.tally import Tally

PAID = {"calls": 1, "input_tokens": 10, "output_tokens": 2, "usd": 0.5}


def costs(*runs):
    """The costs of runs on validation examples, of one and the same prompts."""
    return costs_of_runs(fold([Started({}), *runs]), "val").get("key", {})


def run(example=0, rollout=0, which="val", failure=Failure.NONE, judge=None, **spent):
    row = Row(example, None if failure else 1.0, failure=failure)
    return RunDone(which, "key", rollout, row, {"task": Tally(**spent), "metric": judge or Tally()})


def test_a_run_costs_what_the_models_of_the_program_were_paid() -> None:
    judged = run(**PAID, judge=Tally(calls=1, usd=9.0))
    assert costs(judged, run(1, **{**PAID, "usd": 0.7})) == {0: 0.5, 1: 0.7}
    assert costs(run(**PAID), run(rollout=1, **{**PAID, "usd": 0.7})) == {0: pytest.approx(0.6)}
    assert costs(run(failure=Failure.PROGRAM, **PAID)) == {0: 0.5}, "a reply that cannot be read is paid for too"
    assert costs(run(**{**PAID, "usd": 0.0})) == {0: 0.0}, "a price of 0 is known"


@pytest.mark.parametrize(
    "other",
    [
        {"calls": 1, "cache_hits": 1},
        {**PAID, "calls": 2, "cache_hits": 1},
        {**PAID, "unpriced": 1},
        {**PAID, "unreported": 1},
        {"calls": 0},
        {"calls": 1, "output_tokens": 0},
        {**PAID, "which": "train"},
        {**PAID, "failure": Failure.TRANSPORT},
    ],
    ids=["cached", "cached in part", "no price", "no usage", "nothing heard", "no tokens", "other set", "lost"],
)
def test_what_was_not_paid_for_in_full_is_not_free_but_unknown(other) -> None:
    assert costs(run(**other)) == {}
    assert costs(run(**other), run(1, **PAID)) == {1: 0.5}


def test_a_mean_needs_half_of_the_examples() -> None:
    assert mean_cost({0: 1.0, 1: 3.0, 9: 100.0}, range(4)) == 2.0
    assert mean_cost({0: 1.0, 9: 100.0}, range(4)) is None
    assert mean_cost({}, []) is None
    assert cost_difference({0: 1.0, 1: 3.0, 2: 5.0}, {1: 2.0, 2: 2.0, 3: 0.0}, range(4)) == 2.0
    assert cost_difference({0: 1.0, 1: 3.0}, {1: 2.0, 2: 2.0}, range(4)) is None
