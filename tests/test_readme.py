"""What the README shows runs, and prints what the README says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE

from evaluations.readme import RESULTS, SETTINGS, TUNING, between, figures, presets, space, techniques
from evaluations.report.local import local_figures

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_python_blocks_run_one_after_the_other_and_print_what_is_shown(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 2
    script = tmp_path / "readme.py"
    script.write_text("\n".join(blocks))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    shown = re.search(r"<!-- printed -->\n```\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    assert done.stdout == shown.group(1)
    assert (tmp_path / "better.json").exists()


def test_the_two_commands_are_make_targets():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"\n{target}:" in makefile
        assert f"make {target}" in README


def test_the_figures_are_those_of_the_stored_results():
    assert between(ROOT / "README.md", "figures").strip() == figures().strip()
    assert between(SETTINGS, "presets").strip() == presets().strip()
    assert between(SETTINGS, "techniques").strip() == techniques().strip()


def test_the_figures_of_small_models_are_those_of_the_stored_results():
    assert between(ROOT / "README.md", "small models").strip() == local_figures(RESULTS / "local").strip()


def test_the_search_space_is_that_of_the_code():
    assert between(TUNING, "space").strip() == space().strip()


@pytest.mark.slow
def test_the_python_blocks_of_the_page_on_tuning_run(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", TUNING.read_text(), re.DOTALL)
    script = tmp_path / "tuning.py"
    script.write_text("\n".join(blocks))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "DLPOTeleprompter(metric, " in done.stdout


def test_the_last_report_on_fresh_worlds_is_told_whatever_it_says():
    ledger = ROOT / "evaluations" / "results" / "worlds" / "ledger.jsonl"
    last = json.loads(ledger.read_text(encoding="utf-8").splitlines()[-1])
    text = " ".join(README.split())
    assert f"({last['from']:,} to {last['to'] - 1:,};" in text
    for each in last["results"].values():
        ours, gepa = (f"{each['arms'][arm]['share']:.3f}" for arm in ("default", "GEPA"))
        less, low, high, *_ = each["arms"]["GEPA"]["less"]
        assert f"{ours} of the possible gain to {gepa}" in text or f"{ours} to {gepa}" in text
        assert f"({less:+.3f}, " in text
        assert f"{low:.3f} to {high:+.3f})" in text
