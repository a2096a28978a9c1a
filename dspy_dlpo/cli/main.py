"""The ``dlpo`` command."""

from __future__ import annotations

import click

from dspy_dlpo.cli.dashboard import dashboard
from dspy_dlpo.cli.demo import demo
from dspy_dlpo.cli.estimate import estimate
from dspy_dlpo.cli.report import report
from dspy_dlpo.cli.serve import serve
from dspy_dlpo.cli.tune import tune


@click.group()
def main() -> None:
    """Improve the instructions of DSPy programs by textual gradient descent (DLPO)."""


for command in (demo, estimate, tune, dashboard, report, serve):
    main.add_command(command)
