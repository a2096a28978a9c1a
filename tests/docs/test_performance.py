"""The page on performance shows what the benchmarks found last, and the benchmarks start."""

import json
import shutil
import sys

import pytest
from reading import DOCS, ROOT, run, text_of

FOLDER = ROOT / "benchmarks"
SMALL = {
    "judging": ["--seeds=1"],
    "overhead": ["--rounds=1"],
    "concurrency": ["--latency=0.01", "--threads=8"],
    "storages": ["--slots=8", "--workers=1"],
    "workers": ["--trials=2", "--latency=0.01"],
}
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("measuring", "page", "reader"))


def test_the_tables_are_those_of_the_stored_results():
    code = "import page; text = page.PAGE.read_text(encoding='utf-8'); assert page.written(text) == text"
    done = run([sys.executable, "-c", code], FOLDER)
    assert done.returncode == 0, "run: python benchmarks/page.py\n" + done.stderr


def test_every_table_has_a_place():
    done = run([sys.executable, "-c", "import page; print(*page.TABLES)"], FOLDER)
    for name in done.stdout.split():
        assert f"<!-- {name} -->" in text_of(DOCS / "performance.md")


@pytest.mark.parametrize("name", SCRIPTS)
def test_results_say_on_which_machine_they_were_measured(name):
    stored = json.loads((FOLDER / "results" / f"{name}.json").read_text(encoding="utf-8"))
    assert stored["found"]
    assert set(stored["machine"]) >= {"python", "cores", "date", "versions"}


@pytest.mark.few(1)
@pytest.mark.parametrize("name", SCRIPTS)
def test_every_benchmark_starts(name):
    done = run([sys.executable, f"{name}.py", "--help"], FOLDER)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs_at_its_smallest(name, tmp_path):
    copy = shutil.copytree(FOLDER, tmp_path / "benchmarks", ignore=shutil.ignore_patterns("results"))
    done = run([sys.executable, f"{name}.py", *SMALL[name]], copy)
    assert done.returncode == 0, done.stderr
    assert json.loads((copy / "results" / f"{name}.json").read_text(encoding="utf-8"))["found"]
