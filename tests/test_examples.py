"""Every example runs as a user would run it."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))
REAL = ROOT / "examples" / "09_real_models.py"
SIMULATED = [path for path in EXAMPLES if path != REAL]
# What an example sets out to show, where it says so in words.
SHOWN = {
    "01_first_run": "saved and loaded: True",
    "03_write_your_own_technique": "the writer was told: Write in a plain tone.",
    "04_feedback_metric": "the metric said of one run: Wrong. The expected answer is",
    "07_resume": "the same program as without the cut: True",
    "11_track_in_mlflow": "files: best_model.json",
    "13_review_and_apply": "the file is as it was: True",
    "14_aim_in_words": "too long: The aim has 500 words",
    "15_inside_gepa": "my own sentence is still there: True",
    "18_async": "cancelled: True after",
    "19_step_by_step": "ended: no further step was asked for",
    "22_corpus_metric": "cost most at first:",
    "23_every_text": "in requests after DSPy's own save and load: ['- `invoice.lines[].amount`: Write it in cents.']",
}
EXTRAS = {"10_tune_the_settings": "optuna", "11_track_in_mlflow": "mlflow"}


def run(path, *arguments, folder=ROOT, **variables):
    # DSPy and LiteLLM carry tables of prices, and would fetch newer ones.
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", **variables}
    command = [sys.executable, str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment, cwd=folder)


def text_of(path):
    return path.read_text(encoding="utf-8")


# Of the others one in `make test` shows that they can be run as they are.
QUICK = ("01_first_run",)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if path.stem in QUICK else pytest.mark.slow) for path in SIMULATED],
    ids=lambda path: path.stem,
)
def test_the_example_runs(path):
    if path.stem in EXTRAS:
        pytest.importorskip(EXTRAS[path.stem])
    done = run(path)
    assert done.returncode == 0, done.stderr
    verdicts = re.findall(r"verdict \(simulated model\): (.*)", done.stdout)
    assert verdicts
    assert all(re.search(r"\+\d", each) for each in verdicts)
    assert SHOWN.get(path.stem, "") in done.stdout
    assert all(line.startswith("dspy_dlpo: ") for line in done.stderr.splitlines()), done.stderr


@pytest.mark.slow
def test_real_models_are_only_estimated_unless_told_to_run():
    done = run(REAL, OPENAI_API_KEY="", ANTHROPIC_API_KEY="")
    assert done.returncode == 0, done.stderr
    for provider in ("openai", "anthropic", "ollama", "vllm"):
        assert f"{provider}, an estimate: nothing is asked" in done.stdout
    assert "verdict" not in done.stdout
    assert not re.search("sk-", text_of(REAL))


@pytest.mark.slow
def test_the_run_on_real_models_works_over_http(address, tmp_path):
    """The simulated model stands where OpenAI's does."""
    service = {"OPENAI_API_BASE": address, "OPENAI_API_KEY": "none", "DSPY_CACHEDIR": str(tmp_path / "cache")}
    done = run(REAL, "openai", "--run", folder=tmp_path, **service)
    assert done.returncode == 0, done.stderr
    assert re.search(r"verdict: \+\d", done.stdout)
    assert (tmp_path / "openai.json").exists()
    assert (tmp_path / "runs" / "openai" / "result.json").exists()


@pytest.mark.slow
def test_to_spend_money_one_provider_must_be_named():
    for arguments in (("--run",), ("openai", "anthropic", "--run"), ("nobody",)):
        done = run(REAL, *arguments)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_is_short_enough_to_read(path):
    assert len(text_of(path).splitlines()) <= 80


def test_the_examples_are_numbered_without_a_gap():
    assert [path.name[:2] for path in EXAMPLES] == [f"{number:02}" for number in range(1, len(EXAMPLES) + 1)]


def test_the_table_of_examples_says_what_each_says_of_itself():
    rows = re.findall(r"^\| \[`(.+)`\]\((.+)\) \| (.+) \|$", text_of(ROOT / "examples" / "README.md"), re.MULTILINE)
    first = {
        path.name: " ".join(ast.get_docstring(ast.parse(text_of(path))).split("\n\n")[0].split()) for path in EXAMPLES
    }
    assert [(name, link, said) for name, link, said in rows] == [(name, name, said) for name, said in first.items()]


def test_every_example_that_a_page_names_exists():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md"), *EXAMPLES]
    for page in pages:
        for name in re.findall(r"\b\d\d_\w+\.py", text_of(page)):
            assert (ROOT / "examples" / name).exists(), f"{page.name} names {name}"
