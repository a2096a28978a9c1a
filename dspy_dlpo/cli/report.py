"""``dlpo report``: what happened in a run, as a page to read."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path

import click

from dspy_dlpo.cli.options import UserPath, json_option, run_argument
from dspy_dlpo.cli.outcome import fronts
from dspy_dlpo.core.errors import RunDirectoryError
from dspy_dlpo.core.result import DLPOResult


@click.command()
@run_argument
@click.option("--output", type=UserPath(dir_okay=False), help="File to write; report.html in the run directory.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
@json_option
def report(run: str, output: str | None, open_browser: bool, as_json: bool) -> None:
    """Write the report of a run: one HTML page that holds all it needs.

    RUN is a run directory (log_dir), of a run that has ended, goes on or was killed; a file that result.save() wrote;
    or a program that dlpo compile or save_program() saved.
    """
    result = DLPOResult.load(run)
    path = Path(output) if output else _beside(Path(run))
    try:
        result.to_html(path)
    except OSError as error:
        raise RunDirectoryError(
            f"{path} cannot be written: {error.strerror or error}. Pass another file as --output."
        ) from error
    if as_json:
        shown = {"verdict": result.verdict, "report": str(path), "complete": result.complete, "log_dir": result.log_dir}
        click.echo(json.dumps({**shown, **fronts(result)}, indent=2))
    else:
        click.echo(f"{result.verdict}\n{path}")
    if open_browser and not webbrowser.open(path.resolve().as_uri()):
        click.echo("No browser was found on this machine. Open the page by hand, here or after copying it.", err=True)


def _beside(run: Path) -> Path:
    """Where the report goes, unless told otherwise."""
    return run / "report.html" if run.is_dir() else run.with_suffix(".html")
