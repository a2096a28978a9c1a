"""Figures on pages are those of the stored report; pictures show what the code does."""

import json
import re
import sys

import pytest
from reading import DOCS, ROOT, run, text_of

REPORT = text_of(ROOT / "evaluations" / "results" / "simulated" / "report.md")
CHOOSING = text_of(DOCS / "choosing_settings.md")
ANSWERS = " ".join(text_of(DOCS / "faq.md").split())


def cells(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def shown(table):
    """The rows of a marked table on the page about settings."""
    return cells(CHOOSING.split(f"<!-- table: {table} -->\n")[1].split("<!-- end of table -->")[0])[2:]


def stored(section, arm, column):
    """One figure of the stored report, as it is written there."""
    head, _, *rows = cells(REPORT.split(f"\n## {section}\n")[1].split("\n## ")[0])
    [row] = [row for row in rows if row[0] == arm]
    return row[head.index(column)]


def test_the_figures_of_the_presets():
    for _, arm, *figures in shown("presets"):
        wanted = []
        for runs in ("600 runs", "2000 runs"):
            wanted.append(stored(f"Scores: {runs}", arm, "mean"))
            wanted += [stored(f"Costs and spread: {runs}", arm, column) for column in ("prompt calls", "words")]
        assert figures == wanted


def test_the_figures_of_the_techniques():
    rows = cells(REPORT.split("\n## Ablation\n")[1].split("\n## ")[0])[2:]
    assert shown("techniques") == [[row[1], row[3], row[5]] for row in rows]
    assert "None is judging by edit without a technique: 0.918. Shipped: 0.941." in REPORT
    assert "all techniques\n0.941, none 0.918" in CHOOSING


def test_the_figures_in_the_text_on_settings():
    assert f"used {stored('Costs and spread: 2000 runs', 'default', 'runs made')} of its 2,000" in CHOOSING
    noisy = "{}, 5% of replies random while optimizing"
    means = [stored(f"Scores: {noisy.format(runs)}", "default", "mean") for runs in ("600 runs", "2000 runs")]
    assert "scored {} at 600 runs and {} at 2,000".format(*means) in CHOOSING
    means = [stored(f"Scores: {runs}", "default", "mean") for runs in ("600 runs", "2000 runs")]
    assert "rose from\n{} to {}".format(*means) in CHOOSING


def test_the_figures_in_the_answers():
    costs = "Costs and spread: 600 runs"
    arms = ("default", "plain textual gradient descent")
    own, plain = (float(stored(costs, arm, "train less test")) * 100 for arm in arms)
    assert f"was {own:.1f} points above that on test questions" in ANSWERS
    assert f"without any technique ({plain:.1f})" in ANSWERS
    words = [stored(costs, arm, "words") for arm in ("default", "GEPA")]
    assert "results had {} words on average, GEPA's {}".format(*words) in ANSWERS
    money = "Scores at the same cap on money: 0.1 dollars"
    few, own = (float(stored(money, arm, "mean")) for arm in ("BootstrapFewShot, then DLPO", "default"))
    assert f"({few:.2f} against {own:.2f}, two seeds)" in ANSWERS


def data_of(path):
    return json.loads(re.search(r'<metadata id="shown">(.*)</metadata>', text_of(path))[1])


def same(one, other):
    """Whether two drawings show the same, but for the last digits of numbers."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == (pytest.approx(other) if isinstance(other, (int, float)) else other)


@pytest.mark.slow
def test_the_pictures_show_what_the_code_does(tmp_path):
    pytest.importorskip("matplotlib")
    done = run([sys.executable, str(ROOT / "scripts" / "pictures"), "--into", str(tmp_path)])
    assert done.returncode == 0, done.stderr
    drawn = sorted(tmp_path.glob("*.svg"))
    assert len(drawn) == 9
    for path in drawn:
        assert same(data_of(path), data_of(DOCS / "images" / path.name)), f"run scripts/pictures: {path.name} changed"
