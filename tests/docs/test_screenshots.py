"""The pictures of a run: made by a script from a real run, shown on the pages, free of strangers."""

import re
import sys

import pytest
from reading import DOCS, ROOT, TEXTS, run, text_of

IMAGES = DOCS / "images"
SHOTS = ("terminal.svg", "report.png", "report-dark.png", "report-phone.png", "review.png")


@pytest.mark.parametrize("name", SHOTS)
def test_the_picture_is_there_small_and_shown(name):
    assert 10_000 < (IMAGES / name).stat().st_size < 400_000
    assert any(f"images/{name})" in text_of(path) for path in TEXTS)


def test_the_terminal_loads_no_font_and_says_that_the_model_is_simulated():
    svg = text_of(IMAGES / "terminal.svg")
    assert "@font-face" not in svg
    assert "url(http" not in svg
    assert "simulated&#160;model" in svg or "simulated model" in svg


@pytest.mark.slow
def test_the_script_makes_the_terminal_from_a_real_run(tmp_path):
    script = ROOT / "scripts" / "screenshots"
    code = script.read_text(encoding="utf-8").replace(
        'IMAGES = Path(__file__).parents[1] / "docs" / "images"',
        f"IMAGES = Path({str(tmp_path / 'docs' / 'images')!r})",
    )
    (tmp_path / "docs" / "images").mkdir(parents=True)
    (tmp_path / "screenshots.py").write_text(code, encoding="utf-8")
    done = run([sys.executable, str(tmp_path / "screenshots.py"), "terminal"])
    assert done.returncode == 0, done.stderr
    svg = (tmp_path / "docs" / "images" / "terminal.svg").read_text(encoding="utf-8")
    words = re.sub(r"<[^>]*>|&#160;", " ", svg)
    assert "Verdict" in words
    assert "points" in words
