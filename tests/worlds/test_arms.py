"""Every arm runs on a world unchanged, and the command goes on where it stopped."""

import json

import pytest
from click.testing import CliRunner

pytest.importorskip("datasets")
pytest.importorskip("math_verify")

from evaluations.__main__ import main
from evaluations.arms import arms, ours
from evaluations.cell import Cell, measure
from evaluations.grid import Rows
from evaluations.tasks import bench_task
from evaluations.worlds import draw, generator_hash, writer
from evaluations.worlds.bench import with_validation
from evaluations.worlds.run import cells, run, stored

SLOW = pytest.mark.slow
QUICK = ("default", "GEPA", "start prompt")
# What the most expensive of the peers needs for one round; ours and GEPA do with less.
SMALL, ENOUGH = 120, 300
# One step; and without validation examples, with three steps.
SHORT, LONG = 9, 6


def marked(names):
    return [pytest.param(name, marks=() if name in QUICK else SLOW) for name in names]


PEERS = sorted(set(arms()) - set(ours.arms()))


@pytest.mark.few(1)  # of GEPA in the test of the command; the others with `make test-all`
@pytest.mark.parametrize(
    ("arm", "seed"), [("default", SHORT), ("default", LONG), ("paper settings", LONG), *((arm, LONG) for arm in PEERS)]
)
def test_every_arm_returns_a_program(arm, seed):
    if arm == "TextGrad":
        pytest.importorskip("textgrad")
    runs = SMALL if arm in QUICK else ENOUGH
    row = measure(Cell(f"world/{seed}", arm, 0, runs))
    assert not row["failure"]
    assert not row["was_cut"]
    assert set(row["prompts"]) == {step.name for step in draw(seed).task.steps}
    assert len(row["test"]) == 200
    assert row["runs_made"] <= runs + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("seed", [SHORT, LONG])
def test_a_search_keeps_within_the_runs_of_one_run(seed):
    row = measure(Cell(f"world/{seed}", ours.SEARCHED, 0, ENOUGH))
    assert not row["failure"]
    assert not row["was_cut"]
    assert ENOUGH / 2 < row["runs_made"] <= ENOUGH


def test_a_cell_is_the_same_twice():
    rows = [measure(Cell("world/9", "default", 0, SMALL)) for _ in range(2)]
    assert rows[0]["prompts"] == rows[1]["prompts"]
    assert rows[0]["expected"] == rows[1]["expected"]
    assert rows[0]["tokens"] == rows[1]["tokens"]


def test_the_start_scores_what_the_world_says():
    row = measure(Cell("world/9", "start prompt", 0, SMALL))
    assert row["expected"] == draw(9).start_score


def test_those_who_need_validation_examples_get_the_training_ones():
    task = bench_task("world/6", 0)
    assert not task.valset
    assert with_validation(task).valset == task.trainset
    assert with_validation(bench_task("world/9", 0)).valset == bench_task("world/9", 0).valset


def test_a_world_takes_no_other_models():
    with pytest.raises(ValueError, match="brings its own models"):
        measure(Cell("world/9", "default", 0, SMALL, task_model="openai/any"))
    with pytest.raises(ValueError, match="is no world"):
        bench_task("world/x", 0)


def test_the_page_is_printed():
    shown = CliRunner().invoke(main, ["worlds", "--seed", "9"])
    assert shown.exit_code == 0
    assert "# World 9" in shown.output
    assert generator_hash() in shown.output


@pytest.mark.slow
def test_worlds_run_goes_on_where_it_stopped(tmp_path):
    command = ["worlds-run", "--from", "9", "--runs", "60", "--arm", "start prompt", "--arm", "GEPA"]
    out = ["--out", str(tmp_path)]
    first = CliRunner().invoke(main, [*command, "--to", "10", *out])
    assert first.exit_code == 0, first.output
    assert first.output.count("world/9") == 2
    second = CliRunner().invoke(main, [*command, "--to", "11", *out])
    assert "world/9" not in second.output
    assert second.output.count("world/10") == 2
    assert "2 worlds" in second.output
    assert "| start prompt | 0.000 |" in second.output
    assert "held out" not in second.output, "neither arm is ours"
    rows = Rows(tmp_path / "peers").read()
    assert {row["generator"] for row in rows} == {generator_hash()}
    assert json.dumps(rows)


def test_rows_of_ours_count_until_the_optimizer_changes(tmp_path, monkeypatch):
    [cell] = cells([9], ["default"], 40)
    [row] = run([cell], tmp_path)
    assert [each["key"] for each in stored(tmp_path)] == [cell.key] == [row["key"]]
    assert list(run([cell], tmp_path)) == []
    monkeypatch.setattr("evaluations.worlds.run.optimizer_hash", lambda: "another" * 10)
    assert stored(tmp_path) == []


@pytest.mark.slow
def test_processes_share_the_cells(tmp_path):
    wanted = cells(range(9, 12), ["start prompt"], 40)
    assert {row["world"] for row in run(wanted, tmp_path, jobs=2)} == {9, 10, 11}
    assert list(run(wanted, tmp_path, jobs=2)) == []


@pytest.mark.slow
def test_a_report_on_a_fresh_hundred_is_kept_in_the_ledger(tmp_path, monkeypatch):
    monkeypatch.setattr("evaluations.worlds.ledger.SIZE", 2)
    ledger = tmp_path / "ledger.jsonl"
    arms = ["--arm", "default", "--arm", "start prompt"]
    shown = CliRunner().invoke(
        main, ["worlds-fresh", "--runs", "60", *arms, "--out", str(tmp_path / "rows"), "--ledger", str(ledger)]
    )
    assert shown.exit_code == 0, shown.output
    [kept] = map(json.loads, ledger.read_text().splitlines())
    assert kept == json.loads((tmp_path / "report.json").read_text())
    assert (kept["from"], kept["to"]) == (1000, 1002)
    assert set(kept["results"]["60"]["arms"]) == {"default", "start prompt"}


def test_an_arm_that_is_none_is_told():
    shown = CliRunner().invoke(main, ["worlds-run", "--to", "1", "--arm", "nobody"])
    assert shown.exit_code != 0
    assert "'nobody' is no arm" in shown.output


SHOWN = {
    "default": ("current", "failures"),
    "paper settings": ("current", "failures"),
    "GEPA": ("current", "failures"),
    "TextGrad": ("current", "failures", "named"),
    "COPRO": ("current",),
    "MIPROv2 (zero-shot)": ("current", "others", "named"),
    "InferRules": ("others",),
    "SIMBA": ("failures",),
}


@pytest.mark.parametrize("arm", marked(SHOWN))
def test_what_an_optimizer_shows_is_understood(arm, monkeypatch):
    """The writer finds in each one's requests what these give; a change of their texts shows here first."""
    seen = []
    for name in ("brief", "brief_for"):
        original = getattr(writer, name)
        monkeypatch.setattr(writer, name, lambda *args, original=original: seen.append(original(*args)) or seen[-1])
    measure(Cell("world/9", arm, 0, SMALL if arm in QUICK else ENOUGH))
    assert all(any(getattr(each, what) for each in seen) for what in SHOWN[arm])
    start = draw(9).start_prompts["step1"]
    if "current" in SHOWN[arm]:
        assert any(each.current.startswith(start) for each in seen)
    assert not any("[[ ##" in each.current or "(...)" in each.current for each in seen)
