"""Without an extra the rest works, and what needs it says which it is."""

import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE

SCRIPT = Path(__file__).parent / "without_extras.py"
ONE_MISSING = """
import sys
sys.path.insert(0, sys.argv[1])
from without_extras import hide
hide(sys.argv[2])
from dspy_dlpo.tuning.storage import open_store
if sys.argv[3]:
    open_store(sys.argv[3], "artifacts")
"""


def test_a_run_works_without_any_extra_and_each_missing_one_is_named():
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("every missing extra is named\n")
    assert all(line.startswith("dspy_dlpo: ") for line in done.stderr.splitlines()), done.stderr


@pytest.mark.parametrize(
    ("package", "extra", "storage"),
    [
        ("optuna", "tune", ""),
        ("optuna_dashboard", "tune", ""),
        ("psycopg", "tune", "postgresql://user@127.0.0.1:1/db"),
    ],
)
@pytest.mark.few(1)
def test_a_part_of_an_extra_that_is_missing_names_the_extra(package, extra, storage, tmp_path):
    command = [sys.executable, "-c", ONE_MISSING, str(SCRIPT.parent), package, storage]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert f'pip install "dspy-dlpo[{extra}]"' in last
