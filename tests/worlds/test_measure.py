"""The measure on worlds, on numbers made by hand."""

import json

import pytest

from evaluations.worlds.frozen import generator_hash
from evaluations.worlds.ledger import add, next_worlds
from evaluations.worlds.measure import normalized, share_won, summary
from evaluations.worlds.report import by_arm, by_trait, claims, figures, table


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
    spent = {"words": 100, "demo_words": 20, "prompt_calls": 7, "tokens": [[9, 9], [1000, 200]], "usd_spent": 0.25}
    return {"arm": arm, "world": world, "score": score, "start": start, "best": best, "failure": "", **spent}


def test_the_table_compares_on_worlds_that_all_arms_have_run():
    rows = [row("a", 1, 0.8), row("a", 2, 0.5), row("a", 3, 0.5), row("b", 1, 0.5), row("b", 2, 0.5)]
    rows += [row(arm, 4, 0.85, 0.8, 0.88) for arm in ("a", "b")]
    assert by_arm(rows)["a"] == {1: pytest.approx(1.0), 2: pytest.approx(0.5), 3: pytest.approx(0.5)}
    text = table(rows, ["a", "b"])
    assert "2 worlds; 1 more" in text
    assert "| a | 0.750 |" in text
    assert "| b | 0.500 |" in text
    assert "75%" in text
    assert "| 120 | 7 | 1,200 | 0.250 | 0 |" in text
    kept = figures(rows, ["a", "b"])
    assert kept["worlds"] == 2
    assert kept["share"] == {"a": 0.75, "b": 0.5}
    assert kept["a less"]["b"][0] == 0.25


def test_the_difference_is_told_by_what_was_drawn():
    rows = [row(arm, world, 0.5 + 0.1 * (arm == "a")) for arm in "ab" for world in range(9)]
    lines = by_trait(rows, ("a", "b")).splitlines()
    told = {line.split(" | ")[0].removeprefix("| "): line for line in lines[2:]}
    assert {"rules", "mode", "reader: noise", "writer: skill", "predictors"} <= told.keys()
    assert all("+0.167" in line for line in told.values())
    assert told["rules"].count("(3)") == 3, "a number is told by thirds"


def test_claims_are_held_against_the_truth():
    def ran(world, score, claimed, held_out=60):
        return {**row("a", world, score), "claimed": claimed, "held_out": held_out}

    rows = [ran(1, 0.2, True), ran(2, 0.1, False), ran(3, 0.4, True), ran(4, 0.3, False), ran(5, 0.2, True, 20)]
    text = claims(rows, "a")
    assert "(4 runs)" in text
    assert "nothing was truly gained: 1 of 2" in text
    assert "0.1 or more was: 1 of 2" in text


def test_a_hundred_is_used_once(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    assert next_worlds(ledger) == range(1000, 1100)
    add(ledger, next_worlds(ledger), ["a", "b"], {"300": {"worlds": 90}})
    assert next_worlds(ledger) == range(1100, 1200)
    [line] = map(json.loads, ledger.read_text().splitlines())
    assert (line["from"], line["to"], line["generator"]) == (1000, 1100, generator_hash())
    assert line["results"]["300"]["worlds"] == 90
