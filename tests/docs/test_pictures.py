"""Pictures show what the code does."""

import json
import re
import sys

import pytest
from reading import DOCS, ROOT, run, text_of


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
    assert len(drawn) == 8
    for path in drawn:
        assert same(data_of(path), data_of(DOCS / "images" / path.name)), f"run scripts/pictures: {path.name} changed"
