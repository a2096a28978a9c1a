"""Standard output and error while progress is shown: whole lines pass, other progress bars do not."""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# What tqdm writes between two drawings: line breaks, and moves of the cursor upwards.
_MOVES = re.compile(r"(?:\n|\x1b\[A)+")


class WholeLines:
    """A text stream that passes on whole lines and drops what redraws its line.

    DSPy's bars (`dspy.Parallel` in a program, `dspy.Evaluate` in a metric) and all that tqdm draws begin with a
    carriage return. A dozen of them at a time, one for each thread, cannot be read beside another bar.

    Args:
        stream: The stream that it stands for.
        emit: Shows a line.
    """

    def __init__(self, stream: Any, emit: Callable[[str], None]) -> None:
        self.stream, self._emit = stream, emit
        self._lock = threading.RLock()
        self._begun: dict[int, str] = {}
        self._redrawn: set[int] = set()

    def write(self, text: str) -> int:
        """Take text of any length; lines of several threads do not mix."""
        thread = threading.get_ident()
        with self._lock:
            if text.startswith("\r") and not text.startswith("\r\n"):
                self._redrawn.add(thread)
            elif not (thread in self._redrawn and _MOVES.fullmatch(text)):
                self._redrawn.discard(thread)
                *lines, rest = (self._begun.pop(thread, "") + text).split("\n")
                if rest:
                    self._begun[thread] = rest
                for line in lines:
                    self._emit(line.removesuffix("\r"))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Take several pieces of text."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """A line is shown when it ends."""

    def end(self) -> None:
        """Show the lines that have begun."""
        with self._lock:
            for text in self._begun.values():
                self._emit(text)
            self._begun = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def pass_on(line: str, stream: Any) -> None:
    """Write a line to the stream that it was meant for."""
    stream.write(line + "\n")
    stream.flush()


@contextmanager
def whole_lines(emit: Callable[[str, Any], None] = pass_on) -> Iterator[None]:
    """Standard output and error pass on whole lines; what had replaced them inside stays.

    Args:
        emit: Shows a line of a stream; told the line, and the stream that it was meant for.
    """
    out, err = sys.stdout, sys.stderr
    ours = WholeLines(out, lambda line: emit(line, out)), WholeLines(err, lambda line: emit(line, err))
    sys.stdout, sys.stderr = ours
    moved = [*_moved(out, ours[0]), *_moved(err, ours[1])]
    try:
        yield
    finally:
        for handler, stream in moved:
            handler.setStream(stream)
        if sys.stdout is ours[0]:
            sys.stdout = out
        if sys.stderr is ours[1]:
            sys.stderr = err
        for each in ours:
            each.end()


@contextmanager
def unwrapped() -> Iterator[None]:
    """Standard output and error are themselves inside, for a question that ends in no line break."""
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (each.stream if isinstance(each, WholeLines) else each for each in (out, err))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


def _moved(old: Any, new: Any) -> list[tuple[Any, Any]]:
    """Have the log handlers that write to a stream write to another; each with the stream that it had."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    handlers = {handler for logger in loggers for handler in getattr(logger, "handlers", ())}
    found = [each for each in handlers if isinstance(each, logging.StreamHandler) and each.stream is old]
    for handler in found:
        handler.setStream(new)
    return [(handler, old) for handler in found]
