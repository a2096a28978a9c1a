"""What a run came to: shown, as JSON, and as an exit code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.markup import escape

from dspy_dlpo import DLPOResult, Estimate
from dspy_dlpo.cli.showing import console
from dspy_dlpo.core.ending import EndedBy
from dspy_dlpo.core.history import Prompts, digits_of
from dspy_dlpo.core.result import Comparison
from dspy_dlpo.core.sentences import split
from dspy_dlpo.progress.telling import coloured, diff_lines
from dspy_dlpo.run.selection import TOO_FEW


@dataclass(frozen=True)
class Outcome:
    """A run that has ended.

    Args:
        result: What it found.
        test: Start and result on the testset; None if there was no such claim.
        untested: Why there was none, in words.
        stopped: Whether Ctrl-C was pressed during the final test.
        program: The file that the program was written to; empty if there is none.
        estimate: What was expected before.
        unit: The metric's highest score is 1, so that scores are told in percent.
        simulated: Whether a simulated model took part.
        test_failed: Whether the claim on the testset was tried and failed.
    """

    result: DLPOResult
    test: Comparison | None = None
    untested: str = ""
    stopped: bool = False
    program: str = ""
    estimate: Estimate | None = None
    unit: bool = True
    simulated: bool = False
    test_failed: bool = False

    @property
    def is_reliable_gain(self) -> bool:
        """Whether the held-out examples show a gain."""
        found, result = self.result.comparison, self.result
        return found.examples >= TOO_FEW and found.interval[0] > 0 and result.best_prompts != result.start_prompts

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C ended the run, or the final test."""
        return self.stopped or self.result.ended_by is EndedBy.INTERRUPTED

    @property
    def failed(self) -> bool:
        """Whether the run ended early, and nobody asked for it."""
        return not self.result.complete and not self.result.ended_by.is_asked_for

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        result = self.result
        return {
            "verdict": result.verdict,
            "simulated": self.simulated,
            "reliable_gain": self.is_reliable_gain,
            "within_noise": result.within_noise,
            "gain_by_noise": result.gain_by_noise,
            "valset": scores(result.comparison),
            "testset": None if self.test is None else scores(self.test),
            "start_prompts": dict(result.start_prompts),
            "best_prompts": dict(result.best_prompts),
            **fronts(result),
            "records": len(result.history),
            "ended": result.ended,
            "ended_by": result.ended_by.value,
            "complete": result.complete,
            "spent": dict(result.spent),
            "estimate": None if self.estimate is None else self.estimate.to_dict(),
            "program": self.program or None,
            "log_dir": result.log_dir,
        }

    def show(self) -> None:
        """Show it."""
        result = self.result
        _head("Verdict", escape(result.verdict))
        if result.comparison.start is not None:
            _head("Valset", self._compared(result.comparison))
        if self.test is not None:
            _head("Held-out test", self._compared(self.test))
        elif self.untested:
            _head("Held-out test", escape(self.untested))
        _show_prompts(result.start_prompts, result.best_prompts)
        self._show_spending()
        if self.program:
            _head("Program", escape(self.program))
        _head("Run directory", escape(str(result.log_dir)))

    def _compared(self, found: Comparison) -> str:
        factor, unit, digits = (100, " %", 1) if self.unit else (1, "", digits_of(self.result.history))
        start, best = (found.start or 0) * factor, (found.best or 0) * factor
        low, high = (each * factor for each in found.interval)
        gain = f"{found.difference * factor:+.{digits}f}{' points' if self.unit else ''}"
        interval = f"95% interval {low:+.{digits}f} .. {high:+.{digits}f}, {found.examples} examples"
        return f"{start:.{digits}f}{unit} before, [bold]{best:.{digits}f}{unit}[/bold] after: {gain} ({interval})"

    def _show_spending(self) -> None:
        spent = self.result.spent
        _head("Spent", f"{spent['metric_calls']:,} runs of the program; {escape(self.result.ended)}")
        for role in ("task", "metric", "critic", "writer"):
            counts = spent.get(role)
            if counts and counts["calls"]:
                called = "call" if counts["calls"] == 1 else "calls"
                tokens = f"{counts['input_tokens']:,} tokens in, {counts['output_tokens']:,} out"
                money = "price unknown" if counts["usd"] is None else f"${counts['usd']:.4f}"
                console.print(f"     {role}: {counts['calls']:,} {called}, {tokens}; {money}")
        if self.test is not None:
            console.print(f"     and {2 * self.test.examples} runs for the final test")


def fronts(result: DLPOResult) -> dict[str, Any]:
    """Score against length and against money, as plain data."""
    return {
        name: [{**asdict(point), "returned": point.prompts == result.best_prompts} for point in points]
        for name, points in (("front", result.front), ("cost_front", result.cost_front))
    }


def scores(found: Comparison) -> dict[str, Any] | None:
    """A comparison as plain data; None if there was none."""
    if found.start is None:
        return None
    names = ("start", "best", "difference", "interval", "examples")
    return {name: getattr(found, name) for name in names}


def _head(title: str, text: str) -> None:
    console.print(f"[bold]{title}[/bold]  {text}")


def _show_prompts(before: Prompts, after: Prompts) -> None:
    """The returned instructions, sentence by sentence, with what was added and deleted marked."""
    for name in before:
        console.print(f"[bold]Instructions of {escape(name)}[/bold]")
        changed = diff_lines(before[name], after[name])
        for line in changed:
            if line[0] == "-":
                console.print(f"     {coloured(line)}")
        for sentence in split(after[name]):
            line = f"+ {sentence.strip()}"
            console.print(f"     {coloured(line) if line in changed else escape(line.replace('+', ' ', 1))}")
