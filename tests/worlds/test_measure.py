"""The measure on worlds, on numbers made by hand."""

import json

import pytest

from evaluations.worlds.figures import by_arm, claims, figures
from evaluations.worlds.frozen import generator_hash
from evaluations.worlds.ledger import add, next_worlds
from evaluations.worlds.measure import normalized, share_won, summary
from evaluations.worlds.report import by_trait, claims_told, missed, table
from evaluations.worlds.techniques import ARMS, TECHNIQUES, technique_figures, technique_table


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
    assert spread.p == pytest.approx(1 / 4000), "no resample reached 0"
    assert summary([-1.0, 1.0] * 50).p > 0.5
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
    found = figures(rows, ["a", "b"])
    assert (found["worlds"], found["left_out"]) == (2, 1)
    assert {arm: own["share"] for arm, own in found["arms"].items()} == {"a": 0.75, "b": 0.5}
    assert found["arms"]["b"]["less"][0] == 0.25
    assert found["arms"]["b"]["won"] == 0.75
    assert "less" not in found["arms"]["a"]
    text = table(found)
    assert "2 worlds; 1 more" in text
    assert "| a | 0.750 |" in text
    assert "| b | 0.500 |" in text
    assert "75%" in text
    assert "| 120 | 7 | 1,200 | 0.250 | 0 |" in text
    assert figures(rows[:1], ["a", "b"])["worlds"] == 0
    assert "No world that all arms have run" in table(figures(rows[:1], ["a", "b"]))


def ran_by(ours, gepa, words=100):
    """Figures of two arms on ten worlds with these shares of the gain."""
    rows = [
        row(arm, world, 0.2 + 0.6 * share) for arm, share in (("default", ours), ("GEPA", gepa)) for world in range(10)
    ]
    return figures(
        [{**each, "words": words if each["arm"] == "default" else 100} for each in rows], ["default", "GEPA"]
    )


def test_what_was_set_out_to_be_shown_and_is_not_is_told():
    assert missed({"600": ran_by(0.9, 0.5)}) == []
    assert missed({"300": ran_by(0.52, 0.5)}) == []
    [close] = missed({"600": ran_by(0.52, 0.5)})
    assert close.startswith("ahead of GEPA by 0.05 at 600 runs")
    behind = missed({"600": ran_by(0.4, 0.5, words=200)})
    assert [each.split(" at 600")[0] for each in behind] == [
        "ahead of GEPA by 0.05",
        "ahead of GEPA in 65 of 100 worlds",
        "prompts no longer than GEPA's",
    ]
    assert missed({"400": ran_by(0.6, 0.5), "2000": ran_by(0.9, 0.7)})[-1].endswith("0.600 and 0.700")


def test_techniques_are_compared_alone_and_in_company():
    shares = dict.fromkeys(ARMS, 0.5) | {
        "only dropout (TDO)": 0.7,
        "with momentum (TMnt)": 0.2,
        "without decay (TLRD)": 0.4,
    }
    found = technique_figures(
        [row(arm, world, 0.2 + 0.6 * share) for arm, share in shares.items() for world in range(9)]
    )
    assert (found["worlds"], found["shipped"], found["bare"]) == (9, 0.5, 0.5)
    assert found["pairs"]["alone, dropout (TDO)"][0] == pytest.approx(0.2)
    assert found["pairs"]["in company, momentum (TMnt)"][0] == pytest.approx(-0.3)
    assert found["pairs"]["in company, decay (TLRD)"][0] == pytest.approx(0.1)
    assert found["pairs"]["alone, dropout (TDO)"][3] == pytest.approx(14 / 4000, abs=1e-3), "corrected for fourteen"
    lines = technique_table(found).splitlines()
    assert len(lines) == 2 + len(TECHNIQUES)
    assert "| dropout (TDO) | +0.200 (" in lines[4]


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
    assert claims(rows, "a") == {"claims": {"false": [1, 2], "true": [1, 2]}}
    assert claims(rows, "b") == {}
    told = claims_told(figures(rows, ["a"]))
    assert "in 1 of 2 runs in which nothing was truly gained, and in 1 of 2 in which 0.1 or more was" in told


def test_a_hundred_is_used_once(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    assert next_worlds(ledger) == range(1000, 1100)
    report = add(ledger, next_worlds(ledger), {"300": {"worlds": 90}})
    assert next_worlds(ledger) == range(1100, 1200)
    [line] = map(json.loads, ledger.read_text().splitlines())
    assert line == report
    assert (line["from"], line["to"], line["generator"]) == (1000, 1100, generator_hash())
    assert line["results"]["300"]["worlds"] == 90
