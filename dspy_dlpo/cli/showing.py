"""What commands show alike."""

from __future__ import annotations

import dspy
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dspy_dlpo.cli.failing import told_shortly
from dspy_dlpo.estimate import Estimate

__all__ = ["console", "named_models", "show_estimate", "told_shortly"]

console = Console(highlight=False, soft_wrap=True)


def named_models(task_model: str | None, prompt_model: str | None) -> dict[str, dspy.LM]:
    """The models that were named, as arguments of the optimizer."""
    named = {"task_model": task_model, "prompt_model": prompt_model}
    return {argument: dspy.LM(model) for argument, model in named.items() if model}


def show_estimate(said: Estimate) -> None:
    """The estimate as a table."""
    console.print(f"[bold]{said.metric_calls}[/bold] runs of the program")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("role", "model", "calls", "tokens in", "tokens out", "US dollars"):
        text = name in ("role", "model")
        table.add_column(name, justify="left" if text else "right", overflow="fold", no_wrap=not text)
    for row in said.rows():
        table.add_row(*map(escape, row), style="bold" if row[0] == "total" else "")
    console.print(table)
    for note in said.notes:
        console.print(escape(note))
    if said.probed:
        console.print(f"measured on {said.probed} runs of the program")
