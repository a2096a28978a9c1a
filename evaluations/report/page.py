"""The pages: the same tables in Markdown and in HTML, the charts in HTML and as files beside the Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluations.arms import ABLATION
from evaluations.report import charts, tables
from evaluations.report.tables import Table
from evaluations.statistics import Row, pick

SIMULATED = "Simulated model"


def write_report(
    rows: Sequence[Row], ablation_rows: Sequence[Row], folder: Path, money_rows: Sequence[Row] = ()
) -> list[Path]:
    """Write ``report.md``, ``report.html`` and the charts.

    Args:
        rows: Of the main grid.
        ablation_rows: Of the ablation; may be empty.
        folder: Where to.
        money_rows: Of the grid at a cap on money; may be empty.

    Returns:
        The files.
    """
    content = {
        "simulated": all(row["simulated"] for row in rows),
        "cells": len(rows),
        "seeds": len({row["seed"] for row in rows}),
        "dates": sorted({row["date"][:10] for row in rows}),
        "versions": sorted({f"{name} {version}" for row in rows for name, version in row["versions"].items()}),
        "tables": _tables(rows, ablation_rows, money_rows),
        "charts": _charts(rows, ablation_rows),
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


def _tables(rows: Sequence[Row], ablation_rows: Sequence[Row], money_rows: Sequence[Row]) -> list[Table]:
    found = [table for table in [tables.goals(rows)] if table.rows]
    for noise, runs in sorted({(row["noise"], row["runs"]) for row in rows if row["runs"] in (600, 2000)}):
        mine = pick(rows, noise=noise, runs=runs, forgetting=True, usd=None)
        where = f"{runs} runs" + (f", {noise:.0%} of replies random while optimizing" if noise else "")
        caption = f"{_kind(mine)}. Share of test questions answered right, mean and standard deviation over seeds."
        found.append(tables.scores(mine, f"Scores: {where}", caption))
        found.append(tables.costs(mine, f"Costs and spread: {where}", f"{_kind(mine)}. Means."))
    unforgetting = pick(rows, forgetting=False)
    if unforgetting:
        caption = f"{_kind(unforgetting)}. As above, but the writer never loses or blurs a sentence in a rewrite."
        found.append(tables.scores(unforgetting, "Scores without forgetting: 600 runs", caption))
    for usd in sorted({row["usd"] for row in money_rows}):
        mine = pick(money_rows, usd=usd)
        caption = (
            f"{_kind(mine)}, {len({row['seed'] for row in mine})} seeds. Every arm plans its runs by pilots on seeds "
            "of their own; the cap is a backstop, and a cell that it cut is scored as the start prompt."
        )
        found.append(tables.scores(mine, f"Scores at the same cap on money: {usd:g} dollars", caption))
        found.append(tables.costs(mine, f"Costs and spread: {usd:g} dollars", f"{_kind(mine)}. Means."))
    if ablation_rows:
        found.append(tables.ablation(ablation_rows))
    return found


def _charts(rows: Sequence[Row], ablation_rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    quiet = pick(rows, noise=0.0, forgetting=True, usd=None)
    caption = f"{_kind(quiet)}. Test score against runs of the program; bands: one standard error."
    found = [
        ("curves", caption, charts.curves(quiet)),
        ("cost", f"{_kind(quiet)}. Test score against money, 600 runs.", charts.cost(pick(quiet, runs=600))),
    ]
    if set(ABLATION) & {row["arm"] for row in ablation_rows}:
        caption = f"{_kind(ablation_rows)}. Each technique left out, under the claim that the paper makes for it."
        found.append(("ablation", caption, charts.ablation(ablation_rows)))
    return found


def _kind(rows: Sequence[Row]) -> str:
    return SIMULATED if all(row["simulated"] for row in rows) else "Real models"
