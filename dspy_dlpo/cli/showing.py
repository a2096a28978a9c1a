"""What commands show alike."""

from __future__ import annotations

import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import dspy
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dspy_dlpo.estimate.estimate import Estimate

console = Console(highlight=False, soft_wrap=True)
_NUMBERS = ("calls", "tokens in", "tokens out", "US dollars")
_FOR_REPORTS = ("jinja2", "matplotlib")


def named_models(task_model: str | None, prompt_model: str | None) -> dict[str, dspy.LM]:
    """The models that were named, as arguments of the optimizer."""
    named = {"task_model": task_model, "prompt_model": prompt_model}
    return {argument: dspy.LM(model) for argument, model in named.items() if model}


def show_estimate(said: Estimate) -> None:
    """The estimate as a table; the models stand above it where it would be wider than the terminal."""
    console.print(f"[bold]{said.metric_calls}[/bold] runs of the program")
    table = _table(said, ("role", "model", *_NUMBERS))
    unlimited = console.options.update(max_width=1000)
    if console.measure(table, options=unlimited).maximum > console.width:
        for each in said.models:
            console.print(f"{escape(each.role)} model: {escape(each.model)}")
        table = _table(said, ("role", *_NUMBERS))
    console.print(table)
    if said.seconds:
        console.print(said.time)
    for note in said.notes:
        console.print(escape(note))
    if said.probed:
        console.print(f"measured on {said.probed} runs of the program")


def _table(said: Estimate, columns: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, justify="right" if name in _NUMBERS else "left")
    for row in said.rows():
        cells = dict(zip(("role", "model", *_NUMBERS), row, strict=True))
        table.add_row(*(escape(cells[name]) for name in columns), style="bold" if row[0] == "total" else "")
    return table


def show_next(log_dir: str | None) -> None:
    """The command that shows what happened, to be copied as it stands."""
    first = "" if all(map(find_spec, _FOR_REPORTS)) else 'pip install "dspy-dlpo[report]", then '
    command = shlex.join([called(), "report", _from_here(str(log_dir)), "--open"])
    console.print(f"[bold]Next[/bold]  {escape(first + command)}")


def _from_here(path: str) -> str:
    """A path as short as it can be typed here."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if here in Path(path).parents else path


def called() -> str:
    """How this command is called: by its path where its name alone would not find it."""
    here, found = Path(sys.argv[0]), shutil.which("dlpo")
    if here.stem != "dlpo" or (found and Path(found).parent.samefile(here.parent)):
        return "dlpo"
    return sys.argv[0]
