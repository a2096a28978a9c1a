"""Standard output for the outcome alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout


@contextmanager
def stdout_kept(keep: bool = True) -> Iterator[None]:
    """What is printed inside, by the user's program or below it, goes to standard error.

    Args:
        keep: Whether to do so.
    """
    if not keep:
        yield
        return
    with ExitStack() as stack:
        _divert(stack)
        stack.enter_context(redirect_stdout(sys.stderr))
        yield


def _divert(stack: ExitStack) -> None:
    """Have the file behind standard output be that of standard error, for what libraries and processes write to it."""
    try:
        out, err = sys.stdout.fileno(), sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # no files: a test, or a notebook
        return
    sys.stdout.flush()
    kept = os.dup(out)
    os.dup2(err, out)
    stack.callback(os.close, kept)
    stack.callback(os.dup2, kept, out)


def can_ask() -> bool:
    """Whether somebody sits at the terminal."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
