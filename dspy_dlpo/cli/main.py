"""The ``dlpo`` command."""

from __future__ import annotations

import click

from dspy_dlpo.cli.apply import apply_run
from dspy_dlpo.cli.commands import Commands
from dspy_dlpo.cli.compile import compile_task
from dspy_dlpo.cli.dashboard import dashboard
from dspy_dlpo.cli.demo import demo
from dspy_dlpo.cli.diff import diff
from dspy_dlpo.cli.doctor import doctor
from dspy_dlpo.cli.estimate import estimate
from dspy_dlpo.cli.failing import EXIT_CODES
from dspy_dlpo.cli.judge import judge
from dspy_dlpo.cli.report import report
from dspy_dlpo.cli.review import review
from dspy_dlpo.cli.serve import serve
from dspy_dlpo.cli.tune import tune

_EPILOG = "\n".join(
    [
        "\b",
        "Exit codes:",
        *(f"  {code:<4d} {meaning}" for code, meaning in EXIT_CODES.items()),
        "",
        "\b",
        "Completion in bash (zsh and fish alike):",
        '  eval "$(_DLPO_COMPLETE=bash_source dlpo)"',
    ]
)


@click.group("dlpo", cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dspy-dlpo", message="dlpo %(version)s")
def main() -> None:
    """Improve the instructions of DSPy programs by textual gradient descent (DLPO).

    New here? `dlpo demo` shows a run without a key; `dlpo doctor my_module:task` checks what you bring; `dlpo compile
    my_module:task` improves it.
    """


main.add("Optimize", demo, compile_task, tune)
main.add("Before", doctor, judge, estimate)
main.add("After", report, review, diff, apply_run, dashboard)
main.add("Simulation", serve)
