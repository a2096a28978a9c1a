"""The page about the simulation says what the program computes."""

import os
import re
from pathlib import Path

import pytest

from scripts.simulation_tables import filled, main, parameters, tables

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "simulation.md"
BBH = Path(os.environ.get("DLPO_DATA_DIR", ROOT.parent / "shared" / "data")) / "bbh.jsonl"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_holds_every_table_as_computed(page: str) -> None:
    found = tables(BBH if BBH.is_file() else None)
    named = set(re.findall(r"<!-- table: (.+) -->", page))
    assert named == {*found, "real"}
    stale = [name for name, table in found.items() if f"<!-- table: {name} -->\n{table}\n<!-- end -->" not in page]
    assert not stale, "run: python scripts/simulation_tables.py --data BBH --write docs/simulation.md"


def test_the_examples_of_the_page_run(page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, {})


def test_a_table_is_put_into_its_place_only() -> None:
    page = "a\n<!-- table: x -->\nold\n<!-- end -->\nb\n<!-- table: y -->\nkept\n<!-- end -->\n"
    assert filled(page, {"x": "new \\1"}) == page.replace("old", "new \\1")


def test_a_parameter_without_a_word_of_explanation_is_refused() -> None:
    def undocumented(rate: float = 0.1) -> None:
        """Do it."""

    with pytest.raises(KeyError):
        parameters(undocumented)


def test_tables_are_printed_or_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.simulation_tables.tables", lambda data: {"x": "| 1 |"})
    main([])
    assert "## x\n\n| 1 |" in capsys.readouterr().out
    path = tmp_path / "page.md"
    path.write_text("<!-- table: x -->\n<!-- end -->")
    main(["--write", str(path)])
    assert path.read_text() == "<!-- table: x -->\n| 1 |\n<!-- end -->"
