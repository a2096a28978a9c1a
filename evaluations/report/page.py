"""The pages: the same tables in Markdown and in HTML, the charts in HTML and as files beside the Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluations.report import charts, tables
from evaluations.report.tables import Table
from evaluations.statistics import Row, pick

SIMULATED = "Simulated model"


def write_report(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write ``report.md``, ``report.html`` and the charts.

    Args:
        rows: Of the grid.
        folder: Where to.

    Returns:
        The files.
    """
    content = {
        "simulated": all(row["simulated"] for row in rows),
        "cells": len(rows),
        "seeds": len({row["seed"] for row in rows}),
        "dates": sorted({row["date"][:10] for row in rows}),
        "versions": sorted({f"{name} {version}" for row in rows for name, version in row["versions"].items()}),
        "tables": _tables(rows),
        "charts": _charts(rows),
        "against": tables.against(rows),
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=lambda name: str(name).endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in ("report.md", "report.html"):
        path = folder / name
        path.write_text(environment.get_template(f"template_{name}").render(**content), encoding="utf-8")
        files.append(path)
    for name, _, svg in content["charts"]:
        path = folder / f"{name}.svg"
        path.write_text(svg + "\n", encoding="utf-8")
        files.append(path)
    return files


def _tables(rows: Sequence[Row]) -> list[Table]:
    found = []
    for runs in sorted({row["runs"] for row in rows}):
        mine = pick(rows, runs=runs)
        caption = f"{_kind(mine)}. Share of test questions answered right, mean and standard deviation over seeds."
        found.append(tables.scores(mine, f"Scores: {runs} runs", caption))
        found.append(tables.costs(mine, f"Costs and spread: {runs} runs", f"{_kind(mine)}. Means."))
    return found


def _charts(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    most = max(row["runs"] for row in rows)
    caption = f"{_kind(rows)}. Test score against runs of the program; bands: one standard error."
    return [
        ("curves", caption, charts.curves(rows)),
        ("cost", f"{_kind(rows)}. Test score against money, {most} runs.", charts.cost(pick(rows, runs=most))),
    ]


def _kind(rows: Sequence[Row]) -> str:
    return SIMULATED if all(row["simulated"] for row in rows) else "Real models"
