"""A run whose pace is the caller's: it goes on as far as its next record is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from contextvars import copy_context

import dspy

from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.core.history import Record
from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.run.background import in_background
from dspy_dlpo.run.compilation import Compilation


class Steps(Iterator[Record], AsyncIterator[Record]):
    """The records of a run, each made as it is asked for; then the program. Made by `DLPOTeleprompter.steps`.

    Between two records nothing is sent and nothing is in flight. All that is done is done under the DSPy settings and
    context variables that were in force where this was made. With ``async for``, the event loop goes on while a record
    is made, and to cancel the task is as for `DLPOTeleprompter.acompile`.

    A loop that is left can be gone on with. To give up without a program, forget the object: the run directory is free
    again then, and the same call goes on from there.

    Args:
        compilation: The run.
    """

    def __init__(self, compilation: Compilation) -> None:
        self._compilation, self._context = compilation, copy_context()
        self._records = compilation.records()

    def __next__(self) -> Record:
        """Make the next record.

        Raises:
            StopIteration: When the run has ended: `program` is there.
            DLPOError: As `DLPOTeleprompter.compile` does.
        """
        return self._context.run(next, self._records)

    async def __anext__(self) -> Record:
        """Make the next record while the event loop goes on; see `__next__`.

        Raises:
            StopAsyncIteration: When the run has ended.
            asyncio.CancelledError: If the task is cancelled. This object is of no use then; the same call with the same
                `log_dir` goes on.
        """
        try:
            record = await in_background(lambda: next(self._records, None), self._context)
        except asyncio.CancelledError:
            with suppress(ValueError):  # it is at work still, after a second `cancel()`, and ends by itself
                self._records.close()  # even if the record was made before it heard of that
            raise
        if record is None:
            raise StopAsyncIteration
        return record

    def close(self) -> None:
        """End the steps, unless they have ended: the best so far is compared, for what was set aside for that."""
        self._compilation.end()
        for _ in self:
            pass

    async def aclose(self) -> None:
        """The same while the event loop goes on."""
        self._compilation.end()
        async for _ in self:
            pass

    @property
    def program(self) -> dspy.Module:
        """The program with the best instructions, as `DLPOTeleprompter.compile` returns it; ends the steps first.

        Raises:
            DLPOError: If an error has ended the run before, or it was cancelled.
        """
        self.close()
        if self._compilation.program is None:
            raise DLPOError("The run was cut short and has no program. The same call with its log_dir goes on.")
        return self._compilation.program

    @property
    def result(self) -> DLPOResult:
        """What is known of the program, as in its ``detailed_results``; ends the steps first."""
        return self.program.detailed_results  # type: ignore[no-any-return]
