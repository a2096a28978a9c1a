"""``python -m evaluations worlds``, ``worlds-run`` and ``worlds-fresh``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

RESULTS = Path(__file__).parent.parent / "results"
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
_threads = click.option("--threads", default=1, show_default=True, help="Calls in parallel.")
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
@_threads
@_out
def run_worlds(
    first: int, end: int, budgets: Sequence[int], arms: Sequence[str], threads: int, out: Path | None
) -> None:
    """Run arms on worlds, or go on with it, and print the tables. Without options: the quick form, a few minutes."""
    _check(arms)
    _measured(range(first, end), budgets or (QUICK_RUNS,), arms, threads, out)


@click.command("worlds-fresh")
@_runs
@_arms
@_threads
@_out
@click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False),
    default=RESULTS / "worlds" / "ledger.jsonl",
    help="File of all such reports.",
)
def report_fresh(budgets: Sequence[int], arms: Sequence[str], threads: int, out: Path | None, ledger: Path) -> None:
    """Report on the next hundred worlds that no report has used, and note that in the ledger.

    What was stopped goes on with the same hundred; once it is reported, its worlds are used up.
    """
    from evaluations.worlds.ledger import add, next_worlds

    _check(arms)
    worlds = next_worlds(ledger)
    click.echo(f"Worlds {worlds.start} to {worlds.stop - 1}", err=True)
    ledger.parent.mkdir(parents=True, exist_ok=True)
    add(ledger, worlds, arms, _measured(worlds, budgets or BUDGETS, arms, threads, out))


def _check(arms: Sequence[str]) -> None:
    from evaluations.arms import arms as known

    if unknown := [arm for arm in arms if arm not in known()]:
        raise click.ClickException(f"{unknown[0]!r} is no arm. Pass one of {', '.join(known())}.")


def _measured(
    worlds: range, budgets: Sequence[int], arms: Sequence[str], threads: int, out: Path | None
) -> dict[str, Any]:
    """Run what has no row yet, print all tables, and give the figures of each budget."""
    from evaluations.worlds.frozen import generator_hash
    from evaluations.worlds.report import by_trait, claims, figures, table
    from evaluations.worlds.run import cells, run, stored

    folder = out or RESULTS / "worlds" / generator_hash()[:12]
    wanted = {runs: cells(worlds, arms, runs) for runs in budgets}
    for row in run([cell for each in wanted.values() for cell in each], folder, threads):
        said = (
            f"{row['task']} {row['arm']}, {row['runs']} runs: {row['score']:.3f}, {row['seconds']} s {row['failure']}"
        )
        click.echo(said.rstrip(), err=True)
    rows, found = {row["key"]: row for row in stored(folder)}, {}
    for runs, each in wanted.items():
        own = [rows[cell.key] for cell in each]
        found[str(runs)] = figures(own, arms)
        parts = [f"## {runs} runs", table(own, arms)]
        parts += [by_trait(own, (arms[0], arms[1]))] if len(arms) > 1 else []
        parts += [
            claims(own, arm) for arm in arms if any(row["claimed"] is not None for row in own if row["arm"] == arm)
        ]
        click.echo("\n\n".join(parts) + "\n")
    return found
