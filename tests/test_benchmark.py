"""The benchmark: what arms ask is counted, caps hold, grids resume, data do not leak, reports are made."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import dspy
import pytest
from click.testing import CliRunner
from optuna.trial import TrialState

pytest.importorskip("datasets")
pytest.importorskip("matplotlib")
pytest.importorskip("math_verify")

from waiting import PATIENCE, wait_until

from dspy_dlpo.simulation import engine_of, simulated_lm
from evaluations import data
from evaluations.__main__ import main
from evaluations.arms import ABLATION, CONTROLLER, MAIN, SEARCH, arms
from evaluations.cell import Cell, measure
from evaluations.gauge import CapReached, Gauge, GaugedLM
from evaluations.grid import Planner, Rows
from evaluations.report import write_report
from evaluations.suites import SUITES, cells_of
from evaluations.tasks import bench_task, real_names

ROOT = Path(__file__).parent.parent
LOCAL = ROOT.parent / "shared" / "data"


# --- the gauge ---


def test_a_gauge_counts_what_the_engine_counts_copies_included():
    lm, gauge = simulated_lm(0), Gauge(price=(1.0, 2.0))
    gauged = GaugedLM(lm, gauge)
    for i, asked in enumerate((gauged, gauged.copy(temperature=1.0), gauged.copy())):
        with dspy.context(lm=asked):
            dspy.Predict("question -> answer")(question=f"I have {i} cars. How many objects do I have?")
    counts = engine_of(lm).counts
    assert (gauge.calls, gauge.input_tokens, gauge.output_tokens) == (3, counts.input_tokens, counts.output_tokens)
    assert gauge.usd == pytest.approx((counts.input_tokens + 2 * counts.output_tokens) / 1e6)


def test_a_cap_on_calls_stops_at_the_next():
    gauged = GaugedLM(simulated_lm(0), Gauge(most_calls=2))
    with dspy.context(lm=gauged):
        predict = dspy.Predict("question -> answer")
        for i in range(2):
            predict(question=str(i))
        with pytest.raises(CapReached):
            predict(question="3")
    assert gauged.gauge.calls == 2
    assert gauged.gauge.was_cut


# --- arms ---


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("arm", MAIN)
def test_every_arm_ends_at_or_under_its_cap_counted_at_the_engine(arm):
    if arm == "TextGrad":
        pytest.importorskip("textgrad")
    row = measure(Cell("object_counting", arm, seed=3, runs=200))
    assert row["failure"] == ""
    assert not row["was_cut"]
    assert row["runs_made"] <= 200
    assert len(row["test"]) == 150
    assert set(row["test"]) <= {0.0, 1.0}
    assert row["prompts"]["solve"]


@pytest.mark.few(1)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("arm", ["default", "GEPA", "COPRO"])
def test_two_predictors_are_capped_by_runs_of_the_program(arm):
    row = measure(Cell("support_desk", arm, seed=3, runs=150))
    assert row["failure"] == ""
    assert row["runs_made"] <= 150


def test_a_cell_is_the_same_twice():
    first, second = (measure(Cell("object_counting", "default", seed=1, runs=100)) for _ in range(2))
    for name in ("seconds", "date"):
        first.pop(name), second.pop(name)
    assert first == second


def test_no_arm_sees_the_questions_that_it_is_scored_on():
    task = bench_task("object_counting", 0)
    asked = [{example.question for example in part} for part in (task.trainset, task.valset, task.testset)]
    assert not asked[2] & (asked[0] | asked[1])


def test_an_unknown_arm_or_task_is_refused():
    with pytest.raises(ValueError, match="is no arm"):
        measure(Cell("object_counting", "magic", 0, 10))
    with pytest.raises(ValueError, match="is no task"):
        measure(Cell("chess", "default", 0, 10))


def test_every_technique_has_an_arm_alone_and_one_that_tells_what_it_adds_to_the_others():
    for name in ("TLR", "TLRD", "TDO", "TSA", "TMnt", "TCL", "TRegu"):
        assert any(arm.startswith("only") and f"({name})" in arm for arm in ABLATION)
        assert any(arm.startswith(("with ", "without ")) and f"({name})" in arm for arm in ABLATION)
    assert set(MAIN) | set(ABLATION) | set(CONTROLLER) | set(SEARCH) == set(arms())
    assert set(ABLATION) & set(CONTROLLER) == {"default"}


# --- suites ---


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_has_each_cell_once(suite):
    cells = cells_of(suite, seeds=2, budgets=(600, 2000), task_model="a/b", prompt_model="c/d")
    keys = [cell.key for cell in cells]
    assert len(keys) == len(set(keys)) > 0


def test_the_papers_suite_has_all_its_data_sets_and_needs_models():
    tasks = {cell.task for cell in cells_of("paper", seeds=1, budgets=(600,), task_model="a/b", prompt_model="c/d")}
    assert tasks == set(real_names())
    assert sum(task.startswith("bbh/") for task in tasks) == 27
    with pytest.raises(ValueError, match="--task-model"):
        cells_of("paper", seeds=1, budgets=(600,))


# --- the grid ---


def command(*arguments):
    return [sys.executable, "-m", "evaluations", "run", "--task", "object_counting", *arguments]


@pytest.mark.slow
def test_a_grid_that_is_killed_goes_on_and_repeats_no_finished_cell(tmp_path):
    arguments = command("--suite", "quick", "--seeds", "2", "--budget", "300", "--jobs", "2", "--out", str(tmp_path))
    with subprocess.Popen(arguments, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL) as child:
        wait_until(lambda: Rows(tmp_path).count() >= 3, "three cells")
        os.killpg(child.pid, signal.SIGKILL)
    before = {row["key"]: row["date"] for row in Rows(tmp_path).read()}
    assert 3 <= len(before) < 12
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert "12 of 12 cells finished" in done.stdout, done.stdout + done.stderr
    lines = [json.loads(line) for path in tmp_path.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert len(lines) == 12, "no cell was run twice"
    after = {row["key"]: row["date"] for row in lines}
    assert {key: after[key] for key in before} == before
    again = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert "12 cells, 12 finished" in again.stdout


@pytest.mark.slow
def test_one_worker_that_is_killed_loses_nothing(tmp_path):
    arguments = command("--suite", "quick", "--seeds", "2", "--budget", "300", "--jobs", "2", "--out", str(tmp_path))
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        wait_until(lambda: Rows(tmp_path).count() >= 2, "two cells")
        worker = next(int(path.stem.rpartition("-")[2]) for path in tmp_path.glob("*.jsonl"))
        os.kill(worker, signal.SIGKILL)
        out, _ = child.communicate(timeout=PATIENCE)
    assert "12 of 12 cells finished" in out
    assert len(Rows(tmp_path).keys()) == 12


@pytest.mark.slow
def test_a_cell_whose_worker_was_killed_as_it_took_it_is_queued_again(tmp_path, monkeypatch):
    cell = Cell("object_counting", "default", 0, 100)
    planner = Planner(f"sqlite:///{tmp_path}/grid.db", "grid", [cell])
    planner.plan()
    with pytest.warns(UserWarning, match="Heartbeat"):
        planner.study.ask()  # killed here: it has left no name
    planner.plan()
    states = [trial.state for trial in planner.study.get_trials()]
    assert states == [TrialState.RUNNING], "a worker has a moment to put its name there"
    monkeypatch.setattr("evaluations.grid.NAMELESS", 0)
    planner.plan()
    lost, queued = planner.study.get_trials()
    assert (lost.state, queued.state) == (TrialState.FAIL, TrialState.WAITING)
    assert queued.user_attrs["key"] == cell.key


def test_rows_are_gathered_into_one_file_each_cell_once(tmp_path):
    for name, keys in (("a", "xy"), ("b", "yz")):
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(json.dumps({"key": key}) + "\n" for key in keys) + '{"key": "cu'
        )
    path = Rows(tmp_path).gather("rows.jsonl")
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["x", "y", "z"]
    assert list(tmp_path.glob("*.jsonl")) == [path]


# --- data ---


def rows(count, **more):
    return [{"question": f"q{i}", "answer": str(i), "split": "train", **more} for i in range(count)]


def test_a_split_leaks_no_question():
    given = [*rows(300), *({**row, "question": f" Q{i} ", "split": "test"} for i, row in enumerate(rows(20)))]
    given += [{**row, "question": f"test {i}", "split": "test"} for i, row in enumerate(rows(100))]
    train, val, test = data.split("gsm8k", given, seed=0, sizes=(50, 50, 120))
    asked = [{" ".join(row["question"].split()).casefold() for row in part} for part in (train, val, test)]
    assert not asked[0] & asked[1]
    assert not asked[0] & asked[2]
    assert not asked[1] & asked[2]
    assert len(test) == 120


def test_translations_of_one_problem_stay_together():
    given = [
        {"question": f"{language} {i}", "answer": str(i), "split": "test", "problem": str(i)}
        for i in range(60)
        for language in ("de", "en", "fr")
    ]
    parts = data.split("mgsm", given, seed=0, sizes=(20, 30, 100))
    problems = [{row["problem"] for row in part} for part in parts]
    assert not problems[0] & problems[1]
    assert not problems[0] & problems[2]
    assert not problems[1] & problems[2]
    assert [len(part) for part in parts] == [20, 30, 100]


def test_the_papers_split_is_taken_where_it_is_known():
    given = [{**row, "dlpo_split": ("train", "val", "test")[i % 3]} for i, row in enumerate(rows(90))]
    parts = data.split("biggsm", given, seed=0, sizes=(10, 10, 30))
    assert [{row["dlpo_split"] for row in part} for part in parts] == [{"train"}, {"val"}, {"test"}]


@pytest.mark.parametrize(("name", "part", "count"), [("bbh", "snarks", 250), ("biggsm", "", 610)])
def test_a_set_that_the_hub_gives_no_test_part_of_is_split_by_us(name, part, count, monkeypatch):
    """As the hub has them: one split, and none of the paper's."""
    fields = {"bbh": ("input", "target"), "biggsm": ("question", "answer")}[name]
    found = [("test", {fields[0]: f"question {i}", fields[1]: f"#### {i}"}) for i in range(count)]
    monkeypatch.setattr(data, "_hub", lambda path, config=None: iter(found))
    task = bench_task(f"{name}/{part}" if part else name, 0)
    parts = (task.trainset, task.valset, task.testset)
    assert tuple(map(len, parts)) == data.SOURCES[name].sizes
    assert len({example.question for each in parts for example in each}) == sum(data.SOURCES[name].sizes)


def test_a_part_without_questions_is_refused_before_anything_is_spent(monkeypatch, tmp_path):
    few = [("test", {"input": f"question {i}", "target": "yes"}) for i in range(60)]
    monkeypatch.setattr(data, "_hub", lambda path, config=None: iter(few))
    with pytest.raises(ValueError, match="no test questions: its 60 rows are too few for 50 to learn from"):
        bench_task("bbh/snarks", 0)
    models = ["--task-model", "openai/none", "--prompt-model", "openai/none", "--yes"]
    said = CliRunner().invoke(
        main, ["run", "--suite", "paper", "--task", "bbh/snarks", "--seeds", "1", "--out", str(tmp_path), *models]
    )
    assert said.exit_code == 1
    assert "bbh/snarks: 'bbh' has no test questions" in said.output
    assert not (tmp_path / "grid.db").exists()


def test_a_file_that_is_not_the_known_one_is_refused(tmp_path):
    (tmp_path / "gsm8k.jsonl").write_text(json.dumps(rows(1)[0]) + "\n")
    with pytest.raises(ValueError, match="is not the file that is known"):
        data.rows_of("gsm8k", tmp_path)
    with pytest.raises(ValueError, match="cannot be read"):
        data.rows_of("math", tmp_path)


def test_the_last_box_is_found_braces_balanced():
    assert data.last_boxed(r"so \boxed{1} or \boxed{\frac{1}{2}}.") == r"\frac{1}{2}"
    assert data.last_boxed("no box") == ""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["gsm8k", "math", "biggsm", "mgsm", "bbh/snarks", "banking77", "subjectivity"])
def test_real_data_give_a_task(name):
    if not LOCAL.is_dir():
        pytest.skip("the data files are not beside this clone")
    task = bench_task(name, 0, LOCAL)
    gold = task.testset[0]
    assert task.metric(gold, dspy.Prediction(answer=gold.answer)) == 1.0
    assert task.metric(gold, dspy.Prediction(answer="certainly not this")) == 0.0
    asked = [{example.question for example in part} for part in (task.trainset, task.valset, task.testset)]
    assert not asked[0] & asked[2]


# --- the report ---


@pytest.mark.slow
def test_the_report_has_tables_charts_and_what_went_against_us(tmp_path):
    found = [
        measure(Cell("object_counting", arm, seed, runs))
        for arm in ("default", "start prompt", "plain textual gradient descent", "GEPA")
        for seed in (0, 1)
        for runs in (60, 100, 150, 600)
    ]
    files = write_report(found, tmp_path)
    assert {path.name for path in files} == {"report.md", "report.html", "curves.svg", "cost.svg"}
    text, page = (tmp_path / "report.md").read_text(), (tmp_path / "report.html").read_text()
    for part in (text, page):
        assert "simulated model" in part.lower()
        assert "What went against us" in part
        assert "GEPA" in part
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert page.count("<svg") == 2
    again = write_report(found, tmp_path / "again")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in files], (
        "the same rows, the same pages"
    )
