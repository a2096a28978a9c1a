"""The measure on worlds, on numbers made by hand."""

import pytest

from evaluations.worlds.measure import normalized, share_won, summary
from evaluations.worlds.run import by_arm, table


def test_the_share_of_the_possible_gain():
    assert normalized(0.7, 0.5, 0.9) == pytest.approx(0.5)
    assert normalized(0.9, 0.5, 0.9) == pytest.approx(1.0)
    assert normalized(0.3, 0.5, 0.9) == pytest.approx(-0.5)
    assert normalized(0.55, 0.5, 0.59) is None


def test_the_interval_is_over_worlds():
    same = summary([0.4] * 10)
    assert (same.mean, same.low, same.high, same.worlds) == (pytest.approx(0.4),) * 3 + (10,)
    spread = summary([0.0, 1.0] * 50)
    assert spread.mean == 0.5
    # Standard error 0.05.
    assert spread.low == pytest.approx(0.402, abs=0.02)
    assert spread.high == pytest.approx(0.598, abs=0.02)
    with pytest.raises(ValueError, match="one world at least"):
        summary([])


def test_ties_count_half():
    first = {1: 0.8, 2: 0.50, 3: 0.2, 4: 0.9}
    second = {1: 0.7, 2: 0.51, 3: 0.4, 5: 0.1}
    assert share_won(first, second) == pytest.approx(0.5)
    assert share_won({1: 0.52}, {1: 0.50}) == 1
    assert share_won({1: 0.5}, {2: 0.5}) is None


def row(arm, world, score, start=0.2, best=0.8):
    return {"arm": arm, "world": world, "score": score, "start": start, "best": best, "failure": ""}


def test_the_table_compares_on_worlds_that_all_arms_have_run():
    rows = [row("a", 1, 0.8), row("a", 2, 0.5), row("a", 3, 0.5), row("b", 1, 0.5), row("b", 2, 0.5)]
    rows += [row(arm, 4, 0.85, 0.8, 0.88) for arm in ("a", "b")]
    assert by_arm(rows)["a"] == {1: pytest.approx(1.0), 2: pytest.approx(0.5), 3: pytest.approx(0.5)}
    text = table(rows, ["a", "b"])
    assert "2 worlds; 1 more" in text
    assert "| a | 0.750 |" in text
    assert "| b | 0.500 |" in text
    assert "75%" in text
