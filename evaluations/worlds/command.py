"""``python -m evaluations worlds`` and ``worlds-run``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

RESULTS = Path(__file__).parent.parent / "results"


@click.command("worlds")
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Of the world.")
def show_world(seed: int) -> None:
    """Print what is drawn for a seed."""
    from evaluations.worlds import draw, generator_hash

    click.echo(f"{draw(seed).page()}\nGenerator {generator_hash()}")


@click.command("worlds-run")
@click.option("--from", "first", type=click.IntRange(min=0), default=0, show_default=True, help="First world.")
@click.option("--to", "end", type=click.IntRange(min=1), required=True, help="The world after the last.")
@click.option("--runs", default=300, show_default=True, help="Cap on program runs of each cell.")
@click.option("--arm", "arms", multiple=True, default=("default", "GEPA"), help="May be given several times.")
@click.option("--threads", default=1, show_default=True, help="Calls in parallel.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Directory of the rows; one for each generator by default."
)
def run_worlds(first: int, end: int, runs: int, arms: Sequence[str], threads: int, out: Path | None) -> None:
    """Run arms on worlds, or go on with it, and print the table."""
    from evaluations.arms import arms as known
    from evaluations.worlds.frozen import generator_hash
    from evaluations.worlds.run import cells, run, stored, table

    if unknown := [arm for arm in arms if arm not in known()]:
        raise click.ClickException(f"{unknown[0]!r} is no arm. Pass one of {', '.join(known())}.")
    folder = out or RESULTS / "worlds" / generator_hash()[:12]
    wanted = cells(range(first, end), arms, runs)
    for row in run(wanted, folder, threads):
        click.echo(
            f"{row['task']} {row['arm']}: {row['score']:.3f}, {row['seconds']} s {row['failure']}".rstrip(), err=True
        )
    keys = {cell.key for cell in wanted}
    click.echo(table([row for row in stored(folder) if row["key"] in keys], arms))
