"""``python -m evaluations worlds``, ``worlds-run``, ``worlds-fresh`` and ``worlds-techniques``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

RESULTS = Path(__file__).parent.parent / "results"
# What the README shows: the last report, and what each technique brings.
REPORT, TECHNIQUES = RESULTS / "worlds" / "report.json", RESULTS / "worlds" / "techniques.json"
LEDGER = RESULTS / "worlds" / "ledger.jsonl"
BUDGETS = (150, 300, 400, 600, 2000)
ARMS = ("default", "GEPA")
# Of the quick form: a few minutes on two cores.
QUICK_WORLDS, QUICK_RUNS = 20, 300

_runs = click.option(
    "--runs",
    "budgets",
    multiple=True,
    type=click.IntRange(min=1),
    help="Cap on program runs; repeatable.",
)
_arms = click.option(
    "--arm", "arms", multiple=True, default=ARMS, show_default=True, help="May be given several times."
)
_jobs = click.option("--jobs", default=1, show_default=True, help="Processes.")
_out = click.option(
    "--out", type=click.Path(path_type=Path), help="Directory of the rows; one for each generator by default."
)


@click.command("worlds")
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Of the world.")
def show_world(seed: int) -> None:
    """Print what is drawn for a seed."""
    from evaluations.worlds import draw, generator_hash

    click.echo(f"{draw(seed).page()}\nGenerator {generator_hash()}")


@click.command("worlds-run")
@click.option("--from", "first", type=click.IntRange(min=0), default=0, show_default=True, help="First world.")
@click.option(
    "--to", "end", type=click.IntRange(min=1), default=QUICK_WORLDS, show_default=True, help="After the last."
)
@_runs
@_arms
@_jobs
@_out
@click.option("--into", type=click.Path(path_type=Path, dir_okay=False), help="File to keep the figures in.")
def run_worlds(
    first: int, end: int, budgets: Sequence[int], arms: Sequence[str], jobs: int, out: Path | None, into: Path | None
) -> None:
    """Run arms on worlds, or go on with it, and print the tables. Without options: the quick form, a few minutes."""
    from evaluations.worlds.ledger import signed

    _check(arms)
    worlds = range(first, end)
    results = _told(_measured(worlds, budgets or (QUICK_RUNS,), arms, jobs, out), arms)
    if into is not None:
        _keep(into, {**signed(worlds), "results": results})


@click.command("worlds-fresh")
@_runs
@_arms
@_jobs
@_out
@click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False),
    default=LEDGER,
    help="File of all such reports.",
)
def report_fresh(budgets: Sequence[int], arms: Sequence[str], jobs: int, out: Path | None, ledger: Path) -> None:
    """Report on the next hundred worlds that no report has used, and note that in the ledger.

    What was stopped goes on with the same hundred; once it is reported, its worlds are used up.
    """
    from evaluations.worlds.ledger import add, next_worlds

    _check(arms)
    worlds = next_worlds(ledger)
    click.echo(f"Worlds {worlds.start} to {worlds.stop - 1}", err=True)
    report = add(ledger, worlds, _told(_measured(worlds, budgets or BUDGETS, arms, jobs, out), arms))
    _keep(ledger.parent / REPORT.name, report)


@click.command("worlds-techniques")
@click.option("--to", "end", type=click.IntRange(min=1), default=200, show_default=True, help="After the last world.")
@click.option("--runs", type=click.IntRange(min=1), default=600, show_default=True, help="Cap on program runs.")
@_jobs
@_out
@click.option(
    "--into", type=click.Path(path_type=Path, dir_okay=False), default=TECHNIQUES, help="File of the figures."
)
def run_techniques(end: int, runs: int, jobs: int, out: Path | None, into: Path) -> None:
    """Run each technique alone and each left out on worlds, or go on with it, and keep the figures."""
    from evaluations.worlds.ledger import signed
    from evaluations.worlds.report import by_trait
    from evaluations.worlds.techniques import ARMS as OF_TECHNIQUES
    from evaluations.worlds.techniques import PAIRS, technique_figures, technique_table

    [rows] = _measured(range(end), (runs,), OF_TECHNIQUES, jobs, out).values()
    found = technique_figures(rows)
    _keep(into, {**signed(range(end)), "runs": runs, **found})
    click.echo(technique_table(found))
    for name, pair in PAIRS.items():
        click.echo(f"\n### {name}\n\n{by_trait(rows, pair)}")


def _keep(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _check(arms: Sequence[str]) -> None:
    from evaluations.arms import arms as known

    if unknown := [arm for arm in arms if arm not in known()]:
        raise click.ClickException(f"{unknown[0]!r} is no arm. Pass one of {', '.join(known())}.")


def _measured(
    worlds: range, budgets: Sequence[int], arms: Sequence[str], jobs: int, out: Path | None
) -> dict[str, list[dict[str, Any]]]:
    """Run what has no row yet, and give the rows of each budget."""
    from evaluations.worlds.frozen import generator_hash
    from evaluations.worlds.run import cells, run, stored

    folder = out or RESULTS / "worlds" / generator_hash()[:12]
    wanted = {str(runs): cells(worlds, arms, runs) for runs in budgets}
    for row in run([cell for each in wanted.values() for cell in each], folder, jobs):
        said = (
            f"{row['task']} {row['arm']}, {row['runs']} runs: {row['score']:.3f}, {row['seconds']} s {row['failure']}"
        )
        click.echo(said.rstrip(), err=True)
    rows = {row["key"]: row for row in stored(folder)}
    return {runs: [rows[cell.key] for cell in each] for runs, each in wanted.items()}


def _told(rows: dict[str, list[dict[str, Any]]], arms: Sequence[str]) -> dict[str, Any]:
    """Print all tables, and give the figures of each budget."""
    from evaluations.worlds.figures import figures
    from evaluations.worlds.frozen import generator_hash
    from evaluations.worlds.report import by_trait, claims_told, table

    found = {runs: figures(own, arms) for runs, own in rows.items()}
    click.echo(f"Generator {generator_hash()[:12]}\n")
    for runs, own in rows.items():
        parts = [f"## {int(runs):,} runs", table(found[runs])]
        parts += [by_trait(own, (arms[0], arms[1]))] if len(arms) > 1 else []
        click.echo("\n\n".join(filter(None, [*parts, claims_told(found[runs])])) + "\n")
    return found
