"""Options that several commands have."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from dspy_dlpo.core.budget import AUTO


class UserPath(click.Path):
    """A path in which ``~`` is the home directory; a shell leaves it as it is in ``--option=~/file``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, expanded and checked."""
        return super().convert(os.path.expanduser(value), param, ctx)


Command = TypeVar("Command", bound=Callable[..., Any])

run_argument = click.argument("run", type=UserPath())
task_argument = click.argument("task", metavar="MODULE:TASK")
budget_option = click.option(
    "--budget", type=click.IntRange(min=1), help="Runs of the program that may be spent, instead of --auto."
)
aim_option = click.option(
    "--aim", metavar="TEXT", help="What you want in your own words, for the writer: 300 words at most."
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print the outcome only.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, and nothing else.")

address_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one line of JSON with the address when it is ready."
)


def auto_option(command: Command) -> Command:
    """``--auto``: the preset of the budget."""
    presets = ", ".join(f"{name} {runs:,}" for name, runs in AUTO.items())
    return click.option(
        "--auto",
        type=click.Choice(list(AUTO)),
        default="light",
        show_default=True,
        help=f"Preset of the budget, in runs of the program: {presets}.",
    )(command)


def model_options(command: Command) -> Command:
    """``--task-model`` and ``--prompt-model``."""
    prompt = click.option("--prompt-model", metavar="MODEL", help="Writes edits, such as openai/gpt-4o.")
    task = click.option("--task-model", metavar="MODEL", help="Runs the program, such as openai/gpt-4o-mini.")
    return task(prompt(command))
