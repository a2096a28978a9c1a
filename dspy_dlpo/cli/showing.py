"""What commands show alike."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dspy_dlpo.estimate import Estimate

console = Console(highlight=False, soft_wrap=True)


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
