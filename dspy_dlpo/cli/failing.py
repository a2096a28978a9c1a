"""How commands fail: a line or two with the way out, and an exit code that a script can act on."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import click

import dspy_dlpo
from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.host.lm_errors import one_line
from dspy_dlpo.host.secrets import Redactor

DONE, FAILED, MISUSED, NO_GAIN, INTERRUPTED = 0, 1, 2, 3, 130
EXIT_CODES = {
    DONE: "done, with or without a gain",
    FAILED: "the run, a model, the task or the data failed",
    MISUSED: "the command line cannot be understood",
    NO_GAIN: "no reliable gain, or too little agreement, where an option asked for it",
    INTERRUPTED: "stopped by Ctrl-C; what was found is kept",
}
DEBUG = "dspy_dlpo.debug"
_PACKAGE = str(Path(dspy_dlpo.__file__).parent)
# What is raised on purpose, for the user to mend, by code of this package.
_TOLD = (ValueError, TypeError, ImportError, OSError)


class Stopped(click.ClickException):
    """The user stopped the command."""

    exit_code = INTERRUPTED


def told_shortly(error: Exception) -> click.ClickException:
    """An error that is told in a line or two; its traceback is shown with ``--debug`` alone."""
    if is_debugging():
        sys.stderr.write(Redactor().error("".join(traceback.format_exception(error))))
    return click.ClickException(described(error))


def is_debugging() -> bool:
    """Whether ``--debug`` was given, before or after the command."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(DEBUG))


def described(error: Exception) -> str:
    """An error in a line or two, without keys."""
    said = Redactor().error(error).strip()
    if isinstance(error, DLPOError) or (isinstance(error, _TOLD) and _is_raised_here(error)):
        return said
    where = _place(error)
    hint = "" if is_debugging() else "; run again with --debug for the traceback"
    return f"unexpected error: {type(error).__name__}: {one_line(said)}{where}{hint}"


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(error.__traceback__))


def _is_raised_here(error: BaseException) -> bool:
    frames = _frames(error)
    return bool(frames) and frames[-1].filename.startswith(_PACKAGE)


def _place(error: BaseException) -> str:
    """Where in the user's own code it was raised; empty if it was not."""
    own = [f for f in _frames(error) if not f.filename.startswith((_PACKAGE, sys.prefix, sys.base_prefix, "<"))]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
