"""The table of the suite for small models, from rows made by hand."""

import json
import math

import pytest
from click.testing import CliRunner

pytest.importorskip("datasets")

from evaluations.__main__ import main
from evaluations.report.local import (
    difference_over_tasks,
    false_claims,
    local_figures,
    local_sentences,
    local_table,
    share_reached,
    with_headroom,
)

HEADROOM = {
    "local/triage": {"task": "local/triage", "start": 0.3, "reference": 0.8, "model": "m"},
    "local/refunds": {"task": "local/refunds", "start": 0.4, "reference": 0.55, "model": "m"},
    "local/polarity": {"task": "local/polarity", "start": 0.5, "reference": 0.6, "model": "m"},
    "local/triage shuffled": {"task": "local/triage shuffled", "start": 0.3, "reference": 0.5, "model": "m"},
}


def row(task, arm, right, seed=0, claimed=False, **more):
    """Of ten test questions so many answered right."""
    ours = {"claimed": claimed, "judged_share": 0.5} if arm == "default" else {"claimed": None, "judged_share": None}
    told = {"task": f"local/{task}", "arm": arm, "seed": seed, "runs": 300, "task_model": "m", "prompt_model": "m"}
    return {**told, "test": [1] * right + [0] * (10 - right), "minutes": 12.0, **ours, **more}


ROWS = [
    *(row(task, "start prompt", 3) for task in ("triage", "refunds", "polarity", "triage shuffled")),
    *(row("triage", arm, right) for arm, right in (("default", 7), ("GEPA", 5))),
    *(row("triage", arm, right, seed=1) for arm, right in (("default", 7), ("GEPA", 5))),
    *(row("refunds", arm, right) for arm, right in (("default", 4), ("GEPA", 4))),
    *(row("polarity", "default", right, seed, claimed=True) for seed, right in enumerate((3, 5))),
    row("polarity", "default", 2, seed=2),
    row("triage shuffled", "default", 6, claimed=True),
]


def test_a_task_with_shuffled_answers_has_no_headroom():
    assert with_headroom(HEADROOM) == ["local/triage", "local/refunds"]


def test_the_difference_weighs_tasks_alike():
    mean, low, high, count = difference_over_tasks(ROWS, with_headroom(HEADROOM))
    assert (mean, count) == (pytest.approx(0.1), 2)
    assert low <= mean <= high
    assert difference_over_tasks(ROWS, ["local/polarity"]) is None


def test_the_share_of_the_references_gain_is_that_of_sums():
    assert share_reached(ROWS, HEADROOM, "default") == pytest.approx((0.4 + 0.1) / 0.65)
    assert share_reached(ROWS, HEADROOM, "GEPA") == pytest.approx((0.2 + 0.1) / 0.65)
    assert math.isnan(share_reached(ROWS, HEADROOM, "COPRO"))


def test_a_claim_is_false_where_the_test_contradicts_it_or_answers_are_shuffled():
    false, claims = false_claims(ROWS, with_headroom(HEADROOM))
    assert [(each["task"], each["seed"]) for each in false] == [("local/polarity", 0), ("local/triage shuffled", 0)]
    assert len(claims) == 3


def test_a_task_whose_headroom_is_unknown_counts_among_none():
    unknown = {task: told for task, told in HEADROOM.items() if task != "local/polarity"}
    assert "claimed a gain in 3 of 4 runs; 2 of" in local_sentences(ROWS, HEADROOM)[-1]
    assert "claimed a gain in 1 of 1 runs; 1 of" in local_sentences(ROWS, unknown)[-1]
    shuffled = {task: told for task, told in unknown.items() if task != "local/triage shuffled"}
    assert local_sentences(ROWS, shuffled)[-1] == local_sentences(ROWS, unknown)[-1], "every claim of it is false"


def test_the_table_has_a_line_for_each_task():
    lines = {line[0]: line[1:] for line in local_table(ROWS, HEADROOM).rows}
    assert list(lines) == ["refunds", "triage", "polarity (no help expected)", "triage shuffled"]
    assert lines["triage"] == ("0.300", "0.800", "0.300", "0.700", "0.500", "+0.200 (+0.050 .. +0.400)", "0.500", "12")
    assert lines["triage shuffled"][4:6] == ("", "")


def test_the_command_prints_table_and_sentences(tmp_path):
    text = "".join(json.dumps({**each, "key": str(i)}) + "\n" for i, each in enumerate(ROWS))
    (tmp_path / "rows.jsonl").write_text(text)
    (tmp_path / "headroom.jsonl").write_text("".join(json.dumps(each) + "\n" for each in HEADROOM.values()))
    said = CliRunner().invoke(main, ["report-local", "--rows", str(tmp_path)])
    assert said.exit_code == 0
    assert said.output == local_figures(tmp_path)
    assert "Over the 2 tasks on which the reference gains 0.15 or more, DLPO less GEPA: +0.100" in said.output
    assert "DLPO 77%, GEPA 46%" in said.output
    assert "claimed a gain in 3 of 4 runs; 2 of these claims are false" in said.output
    assert local_figures(tmp_path / "none") == ""
