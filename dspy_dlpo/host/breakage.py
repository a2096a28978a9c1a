"""Exceptions that no instructions could mend: what the program's own code does wrong."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from types import FrameType

import dspy

# Of these kinds are the mistakes of code: a name, an attribute, an argument, a key or a file that is not there. What a
# reply may bring about (ValueError, IndexError, an answer that cannot be parsed) is not among them.
UNMENDABLE = (
    AttributeError,
    ImportError,
    KeyError,
    NameError,
    NotImplementedError,
    RecursionError,
    SyntaxError,
    TypeError,
    FileNotFoundError,
    PermissionError,
)


_LIBRARIES = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def place_of(error: BaseException) -> str:
    """What kind of mistake in the program's code an exception is, and where; empty if instructions could mend it.

    Returns:
        Such as ``"AttributeError at my_program.py, line 12"``: of the user's own lines the innermost.
    """
    if not isinstance(error, UNMENDABLE):
        return ""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if any(map(_reads_a_reply, frames)):
        return ""
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    package = str(Path(__file__).parent.parent)
    theirs = [each for each in lines if not each[0].startswith(package)]
    own = [each for each in theirs if not each[0].startswith(("<frozen", *_LIBRARIES))] or theirs
    file, line = own[-1] if own else ("", 0)
    return f"{type(error).__name__} at {Path(file).name}, line {line}"


def _reads_a_reply(frame: FrameType) -> bool:
    """Whether an adapter is at work there, reading what the model answered."""
    return isinstance(frame.f_locals.get("self"), dspy.Adapter) and "format" not in frame.f_code.co_name
