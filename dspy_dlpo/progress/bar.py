"""The progress bar of a run."""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from dspy_dlpo.core.budget import Budget, resolve_budget
from dspy_dlpo.core.history import Record
from dspy_dlpo.progress.pace import Pace, clock, in_words
from dspy_dlpo.progress.streams import pass_on, whole_lines
from dspy_dlpo.progress.telling import edit_lines, news, worth_telling


class ProgressBar:
    """Show a run as it goes on: score, step, spent of the budget, and the time left.

    On a terminal it is a bar whose clock ticks, with what was accepted above it; elsewhere it is a plain line for each
    record worth telling (the start, what was accepted, growths of the judging set, the end). While it shows, lines that
    are printed or logged pass above it, and bars that DSPy or tqdm draw are left out: to see those, show none of ours.

    The time left is what the rest of the budget will take at the pace so far, and is not shown before that can be told.
    A run may end earlier.

    Args:
        budget: The run's budget: a `Budget`, a number of program runs, or a preset of ``auto=``.
        edits: Whether the sentences that changed are shown too; None for on a terminal only.
        console: Where to show it; None for standard error.

    Example:
        ``DLPOTeleprompter(metric, auto="light", on_record=ProgressBar("light"))`` begins with the first record and ends
        with the run. In a ``with`` block it begins at once.
    """

    shows_progress = True  # the log need not

    def __init__(
        self, budget: Budget | int | str = "light", *, edits: bool | None = None, console: Console | None = None
    ) -> None:
        if isinstance(budget, bool) or not isinstance(budget, (Budget, int, str)):
            raise TypeError(f"budget={budget!r} is no budget. Pass a Budget, a number of program runs, or a preset.")
        named = budget if isinstance(budget, str) else None
        limits = Budget(metric_calls=budget) if isinstance(budget, int) else budget
        self._budget = resolve_budget(named, None if isinstance(limits, str) else limits)
        self._console = console
        self._edits = edits
        self._open: ExitStack | None = None
        self._pace: Pace
        self._progress: Progress | None
        self._shows_edits: bool

    def __call__(self, record: Record) -> None:
        """Show a record; made for ``on_record=``."""
        self._begin()
        self._pace.add(record.spent, time.monotonic(), fresh=record.index == 0)
        self._runs = int(record.spent.get("metric_calls", 0))
        if record.score is not None and (record.accepted or record.kind.enlarges):
            self._score = f"score {record.score:.2f}"
        doing = {"start": "start", "prune": "choosing"}.get(record.kind, f"{record.kind} {record.index}")
        if worth_telling(record):
            self._line(record.kind, record.index, news(record))
            if self._shows_edits and not record.kind.enlarges:
                self._indented(edit_lines(record))
        if self._progress is not None:
            said, spent = f"{self._score}  {doing}", self._pace.amounts
            self._progress.update(self._bar, completed=self._pace.share, description=said, spent=spent)

    def on_end(self, result: Any = None) -> None:
        """Show the end of a run.

        Args:
            result: Its `DLPOResult`; None if there is none.
        """
        if self._open is None:
            return
        if result is not None:
            self._runs = int(result.spent["metric_calls"])
            self._line("end", None, escape(result.ended))
        self.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is drawn inside, so that a person can be asked."""
        if self._open is None or self._progress is None:
            yield
            return
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def close(self) -> None:
        """Stop showing anything; a further record begins anew."""
        if self._open is not None:
            self._open.close()
            self._open = None
            atexit.unregister(self.close)

    def __enter__(self) -> ProgressBar:
        self._begin()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __deepcopy__(self, memo: dict[int, Any]) -> ProgressBar:
        return self

    def _begin(self) -> None:
        if self._open is not None:
            return
        self._began, self._score, self._runs = time.monotonic(), "starting", 0
        self._pace = Pace(self._budget, self._began)
        self._open, self._progress = ExitStack(), None
        # Pinned to the stream as it is now: what is printed to the standard streams from here on comes to us.
        stream = self._console.file if self._console else sys.stderr
        self._out = Console(file=stream, highlight=False, soft_wrap=True)
        live = _is_live(self._out)
        self._shows_edits = live if self._edits is None else self._edits
        if live:
            self._progress = self._live()
            self._open.enter_context(self._progress)
        self._open.enter_context(whole_lines(self._pass))
        atexit.register(self.close)

    def _live(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[spent]}"), _Clock(self))
        progress = Progress(
            *columns,
            console=self._out,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._bar = progress.add_task("starting", total=1.0, spent=self._pace.amounts)
        return progress

    def _line(self, kind: str, step: int | None, text: str) -> None:
        number = "" if step is None or kind == "start" else f"{step:3d}"
        limit = self._budget.metric_calls
        runs = f"{self._runs:,}/{limit:,} runs" if limit else f"{self._runs:,} runs"
        head = f"{kind:<6s} {number:3s}  {runs:>14s}  {clock(self.seconds):>6s}"
        self._out.print(f"[dim]{head}[/dim]  {text}")

    def _indented(self, lines: list[str]) -> None:
        """Lines below a record; on a terminal long ones go on below themselves."""
        for line in lines:
            if self._progress is None:
                self._out.print(f"     {line}")
            else:
                self._out.print(Padding(Text.from_markup(line), (0, 0, 0, 5)), soft_wrap=False)

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._began

    def _pass(self, line: str, stream: Any) -> None:
        """Show a line that somebody else printed."""
        if self._progress is not None and _is_terminal(stream):
            self._out.print(Text.from_ansi(line))
        else:
            pass_on(line, stream)


class _Clock(ProgressColumn):
    """The time that has passed, and the time left."""

    def __init__(self, bar: ProgressBar) -> None:
        super().__init__()
        self._shown = bar

    def render(self, task: Task) -> Text:
        left = self._shown._pace.left(time.monotonic())
        return Text(clock(self._shown.seconds) + ("" if left is None else f", {in_words(left)}"))


def _is_live(console: Console) -> bool:
    """Whether a bar can be drawn: on a real terminal that can move its cursor."""
    return _is_terminal(console.file) and not console.is_dumb_terminal and not console.is_jupyter


def _is_terminal(stream: Any) -> bool:
    return bool(getattr(stream, "isatty", lambda: False)())
