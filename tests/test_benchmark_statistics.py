"""The benchmark's statistics on rows whose answers are known."""

import random

import pytest

from evaluations import statistics


def row(task, arm, seed, test, **more):
    return {"task": task, "arm": arm, "seed": seed, "test": test, "train": [1.0], **{"runs": 600, **more}}


def rows_of(arm, chance, seeds=8, questions=60, tasks=("a", "b")):
    rng = random.Random(arm)
    return [
        row(task, arm, seed, [float(rng.random() < chance) for _ in range(questions)])
        for task in tasks
        for seed in range(seeds)
    ]


def test_a_real_difference_has_an_interval_above_zero():
    found = statistics.difference(rows_of("x", 0.8), rows_of("y", 0.5))
    assert found.low > 0
    assert 0.2 < found.mean < 0.4
    assert found.p < 0.01
    assert found.record == (2, 0, 0)


@pytest.mark.slow
def test_no_difference_is_seldom_claimed():
    claims = 0
    for number in range(40):
        first, second = rows_of(f"x{number}", 0.6, questions=20), rows_of(f"y{number}", 0.6, questions=20)
        found = statistics.difference(first, second)
        claims += found.low > 0 or found.high < 0
    assert claims <= 5


def test_arms_are_compared_only_on_what_both_have_run():
    first = [row("a", "x", 0, [1, 1]), row("a", "x", 1, [0, 0]), row("b", "x", 0, [0, 0])]
    second = [row("a", "y", 0, [0, 1])]
    found = statistics.difference(first, second)
    assert found.tasks == {"a": 0.5}
    assert statistics.difference(first, []) is None


def test_holm_corrects_the_least_most_and_keeps_the_order():
    corrected = statistics.holm({"a": 0.01, "b": 0.04, "c": 0.03})
    assert corrected == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert statistics.holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}


def test_every_task_weighs_the_same():
    rows = [row("a", "x", seed, [1.0]) for seed in range(9)] + [row("b", "x", 0, [0.0])]
    assert statistics.mean_score(rows) == 0.5


def test_ranks_are_means_over_tasks_and_ties_share():
    rows = [row("a", "x", 0, [1]), row("a", "y", 0, [0]), row("b", "x", 0, [1]), row("b", "y", 0, [1])]
    assert statistics.ranks(rows, ["x", "y"]) == {"x": 1.25, "y": 1.75}


def test_gaps_and_spread():
    rows = [row("a", "x", seed, [score], shifted=[0.5]) for seed, score in enumerate((0.6, 0.8))]
    assert statistics.gap(rows) == pytest.approx(0.3)
    assert statistics.gap(rows, "test", "shifted") == pytest.approx(0.2)
    assert statistics.spread(rows) == pytest.approx(0.1414, abs=1e-3)
