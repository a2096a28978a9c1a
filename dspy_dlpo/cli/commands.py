"""The group of commands: sections in its help, suggestions, ``--debug`` anywhere, errors of one line."""

from __future__ import annotations

import difflib
import sys
from typing import Any

import click

from dspy_dlpo.cli.failing import DEBUG, DONE, INTERRUPTED, told_shortly


def _debug(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        context.meta[DEBUG] = True


def debug_option() -> click.Option:
    """``--debug``, which stands before or after the command."""
    return click.Option(
        ["--debug"], is_flag=True, expose_value=False, callback=_debug, help="Show the traceback of an error."
    )


class Commands(click.Group):
    """A group whose help has sections, and whose errors are told in a line or two."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.append(debug_option())
        self._sections: dict[str, list[str]] = {}

    def add(self, section: str, *commands: click.Command) -> None:
        """Add commands under a heading."""
        for command in commands:
            command.params.append(debug_option())
            self.add_command(command)
            self._sections.setdefault(section, []).append(str(command.name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, section by section, each with the first sentence of its help."""
        for section, names in self._sections.items():
            with formatter.section(section):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(limit=90)) for name in names])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; a misspelt one is told with the nearest that there is."""
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"Pass one of {', '.join(self.list_commands(ctx))}."
            ctx.fail(f"no command {name!r}. {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; whatever it raises is told shortly."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            raise told_shortly(error) from error

    def main(self, *args: Any, standalone_mode: bool = True, **options: Any) -> Any:
        """Run, and exit with a code of `dspy_dlpo.cli.failing`."""
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **options)  # type: ignore[call-overload]
        try:
            code = super().main(*args, standalone_mode=False, **options)  # type: ignore[call-overload]
        except click.ClickException as error:
            _tell(error)
            sys.exit(error.exit_code)
        except click.Abort:
            click.echo("stopped", err=True)
            sys.exit(INTERRUPTED)
        sys.exit(code if isinstance(code, int) else DONE)


def _tell(error: click.ClickException) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    context = getattr(error, "ctx", None)
    help_of = f" See {context.command_path} --help." if isinstance(error, click.UsageError) and context else ""
    message = " ".join(error.format_message().split("\n"))
    click.echo(f"Error: {message}{'' if message.endswith(('.', '?', ')')) or not help_of else '.'}{help_of}", err=True)
