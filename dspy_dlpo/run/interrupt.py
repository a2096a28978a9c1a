"""How a user ends a run early: Ctrl-C, a file, and no wish for a further step."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.result import DLPOResult

logger = logging.getLogger(__name__)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed a second time during `compile`.

    Args:
        program: The program with the best instructions found so far, judged on training examples only.
        result: Its `DLPOResult`, whose verdict claims nothing.
    """

    def __init__(self, program: Any, result: DLPOResult) -> None:
        again = f" The same call with log_dir={result.log_dir!r} goes on from here." if result.log_dir else ""
        super().__init__(f"Interrupted; the best so far is in the exception's .program and .result.{again}")
        self.program, self.result = program, result


class StopSignals:
    """Whether the user asked a run to end: by Ctrl-C, by a file, or as he wants no further step (`closed`).

    Args:
        stop_file: The run ends when it appears; None for none.

    Raises:
        ValueError: If the file exists already.
    """

    def __init__(self, stop_file: Path | None) -> None:
        self._stop_file = stop_file
        self._pressed = self.closed = False
        if stop_file is not None and stop_file.exists():
            raise ValueError(f"stop_file={str(stop_file)!r} exists, so the run would end at once. Delete it first.")

    @property
    def ending(self) -> Ending | None:
        """How the run is to end; None if it is not."""
        if self._pressed:
            return Ending(EndedBy.INTERRUPTED)
        if self.closed:
            return Ending(EndedBy.CLOSED)
        if self._stop_file is not None and self._stop_file.exists():
            return Ending(EndedBy.STOP_FILE, repr(str(self._stop_file)))
        return None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take the first Ctrl-C as a request to end; the second raises KeyboardInterrupt.

        Only on the main thread, and only where Python's own handler is in place: others keep theirs.
        """
        on_main = threading.current_thread() is threading.main_thread()
        if not on_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._press)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _press(self, number: int, frame: Any) -> None:
        if self._pressed:
            raise KeyboardInterrupt
        self._pressed = True
        logger.warning("Ctrl-C: the calls in flight are finished, then the best is chosen. Again: at once.")
