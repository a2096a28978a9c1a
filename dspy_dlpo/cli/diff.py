"""``dlpo diff``: what a run changed, as a patch."""

from __future__ import annotations

import difflib
import json

import click

from dspy_dlpo.cli.options import json_option, run_argument
from dspy_dlpo.cli.showing import console
from dspy_dlpo.core.history import Prompts
from dspy_dlpo.core.result import DLPOResult

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@run_argument
@json_option
def diff(run: str, as_json: bool) -> None:
    """Print what a run changed in the instructions, as a patch.

    RUN is a run directory, a saved result or a saved program, as for dlpo report. The patch is a unified diff from what
    you brought to what the run found, with a file for every predictor; it is empty if the run kept yours. Redirect it
    into a file, or into a pull request.
    """
    result = DLPOResult.load(run)
    changes = patch(result.start_prompts, result.best_prompts)
    if as_json:
        click.echo(json.dumps(_as_data(result, changes), indent=2))
        return
    if not result.complete:
        click.echo(f"Not the end of it: {result.verdict}", err=True)
    if not changes:
        click.echo("The run kept your instructions.", err=True)
    # Rich would expand tabs, and a patch is to be applied as it is.
    click.echo(_coloured(changes) if _has_colours() else changes, nl=False, color=True)


def patch(before: Prompts, after: Prompts) -> str:
    """The unified diff of two sets of prompts, from ``a/<predictor>.txt`` to ``b/<predictor>.txt``.

    Returns:
        The diff, which ends with a line break; empty where nothing differs. Files end with a line break as well, so
        that none of them lacks it.
    """
    lines: list[str] = []
    for name in before:
        file = f"{name.replace('/', '_')}.txt"
        # Not `splitlines`: for a patch a line ends at a line feed alone.
        old, new = before[name].split("\n"), after[name].split("\n")
        lines += difflib.unified_diff(old, new, f"a/{file}", f"b/{file}", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _as_data(result: DLPOResult, changes: str) -> dict[str, object]:
    return {
        "verdict": result.verdict,
        "patch": changes,
        "changed": [name for name, text in result.best_prompts.items() if text != result.start_prompts[name]],
        "start_prompts": dict(result.start_prompts),
        "best_prompts": dict(result.best_prompts),
        "complete": result.complete,
        "log_dir": result.log_dir,
    }


def _has_colours() -> bool:
    return console.is_terminal and not console.no_color and not console.is_dumb_terminal


def _coloured(text: str) -> str:
    """A patch with lines in colour."""
    lines = text.split("\n")
    return "\n".join(click.style(line, fg=_COLOURS[line[0]]) if line[:1] in _COLOURS else line for line in lines)
