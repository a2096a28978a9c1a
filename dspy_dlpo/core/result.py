"""What a run found, for the user: the verdict, the prompts, every step with its reason, and what was spent."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dspy_dlpo.core.history import History, LedgerEntry, Prompts
from dspy_dlpo.core.json_lines import to_json


@dataclass(frozen=True)
class Comparison:
    """The returned prompts against the user's own, on held-out examples.

    Args:
        start: Mean score of the user's prompts; None if nothing was held out.
        best: Mean score of the returned prompts.
        difference: Mean paired difference, best minus start.
        interval: 95 % interval of the difference; it counts that the best of several was chosen.
        examples: Held-out examples that both have run on.
        candidates: Prompts that were compared beside the user's own.
        scores: Score of every compared set of prompts by example; the user's own first.
        chosen: Which of these was returned; 0 for the user's own.
    """

    start: float | None = None
    best: float | None = None
    difference: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    examples: int = 0
    candidates: int = 0
    scores: tuple[Mapping[int, float], ...] = ()
    chosen: int = 0


@dataclass(frozen=True)
class DLPOResult:
    """The outcome of a run; ``program.detailed_results`` of the program that `compile` returns.

    Args:
        verdict: One sentence that says whether the gain is real.
        start_prompts: The user's own prompts, by predictor.
        best_prompts: The returned prompts.
        comparison: Their scores on held-out examples.
        history: Every record of the run, with its reason.
        spent: What was spent: program runs, and calls and tokens by role.
        ended: Why the run ended.
        log_dir: Where the run directory lies; None if there is none.
        complete: Whether the run came to its own end: no model failed, and nobody asked for it.
        parameters: The kinds of text that the prompts hold.
    """

    verdict: str
    start_prompts: Prompts
    best_prompts: Prompts
    comparison: Comparison
    history: History
    spent: Mapping[str, Any]
    ended: str = ""
    log_dir: str | None = None
    complete: bool = True
    parameters: tuple[str, ...] = ("instructions",)

    @property
    def curve(self) -> tuple[tuple[int, float], ...]:
        """Program runs spent and judged score of the prompts in force, after each record that has a score."""
        points: list[tuple[int, float]] = []
        for record in self.history:
            if record.score is not None and (record.accepted or record.kind in ("start", "growth")):
                points.append((int(record.spent.get("metric_calls", 0)), record.score))
        return tuple(points)

    @property
    def steps(self) -> tuple[tuple[int, str, bool, str], ...]:
        """Number, kind, whether it was accepted, and reason of every record."""
        return tuple((record.step, record.kind, record.accepted, record.reason) for record in self.history)

    @property
    def ledger(self) -> tuple[LedgerEntry, ...]:
        """What every judged edit gained and lost, in order."""
        return tuple(entry for record in self.history for entry in record.ledger)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data that JSON can hold."""
        fields = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        content: dict[str, Any] = json.loads(to_json({**fields, "history": list(self.history), "curve": self.curve}))
        return content

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result as JSON.

        Raises:
            OSError: If the file cannot be written.
        """
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
