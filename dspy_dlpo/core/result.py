"""What a run found: the verdict, the prompts, every record with its reason, what was spent, what is gained."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.ending import EndedBy
from dspy_dlpo.core.front import FrontPoint, front, money
from dspy_dlpo.core.history import History, LedgerEntry, Prompts
from dspy_dlpo.core.json_lines import to_json
from dspy_dlpo.core.languages import written_in
from dspy_dlpo.core.noise import gain_by_noise
from dspy_dlpo.core.sentences import ENGLISH


@dataclass(frozen=True)
class Comparison:
    """The returned prompts against the user's own, on held-out examples.

    Of a `CorpusMetric` the scores of both are those of the whole set, the difference is theirs, the interval computes
    the metric anew on each resample, and the score of an example is what it contributes.

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


@dataclass(frozen=True, repr=False)
class DLPOResult:
    """The outcome of a run; ``program.detailed_results`` of the program that `compile` returns.

    In a notebook it shows itself as a short summary.

    Args:
        verdict: One sentence that says whether the gain is real.
        start_prompts: The user's own prompts, by predictor.
        best_prompts: The returned prompts.
        comparison: Their scores on held-out examples.
        history: Every record of the run, with its reason.
        spent: What was spent: program runs (``metric_calls``), calls of the metric itself for a score and for what it
            says of single predictors (``scoring_calls``, ``feedback_calls``), and calls, tokens and money of models by
            role: that of ``metric`` are the models that it asks. ``unscored``, if there are any, are runs that the
            metric gave no score.
        ended: Why the run ended, in a sentence.
        log_dir: Where the run directory lies; None if there is none.
        complete: Whether the run came to its own end: no model failed, and nobody asked for it.
        parameters: The kinds of text that the prompts hold, and paths of single ones.
        ended_by: What ended the steps: `EndedBy.BUDGET`, for example; ``is_failure`` tells whether something failed.
        languages: ISO 639 codes of the languages by whose rules sentences end.
        declined: The edits that a person declined at the end.
        metric_noise: Standard deviation of a score that the metric gives again, as it was passed; None if unknown.
        run_usd: US dollars of one run of the program by the key of its prompts, in the mean over the training examples
            that the run judges on at its end, of those of which it is known.
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
    ended_by: EndedBy = EndedBy.NOT_ENDED
    languages: tuple[str, ...] = ENGLISH
    declined: tuple[Edit, ...] = ()
    metric_noise: float | None = None
    run_usd: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        where = f", log_dir={self.log_dir!r}" if self.log_dir else ""
        return f"DLPOResult({self.verdict!r}, {len(self.history)} records, ended={self.ended!r}{where})"

    @property
    def gain_by_noise(self) -> float | None:
        """The mean gain that the metric's noise alone exceeds in 5 % of comparisons on so many examples.

        None if the noise is unknown, or nothing was compared.
        """
        if self.metric_noise is None or not self.comparison.examples:
            return None
        return gain_by_noise(self.metric_noise, self.comparison.examples)

    @property
    def within_noise(self) -> bool | None:
        """Whether there is a gain that the metric's noise alone might bring; None where `gain_by_noise` is."""
        most = self.gain_by_noise
        return None if most is None else 0 < self.comparison.difference <= most

    @property
    def front(self) -> tuple[FrontPoint, ...]:
        """Score against length: the prompts of which none is both shorter and at least as good, shortest first."""
        return front(self.history, self.run_usd)

    @property
    def cost_front(self) -> tuple[FrontPoint, ...]:
        """Score against money: the prompts of which none is both cheaper and at least as good, cheapest first.

        What one run of the program costs, at the prices at which it was paid for in the run. Prompts of which that is
        not known are left out; it is empty if none is.
        """
        return front(self.history, self.run_usd, money)

    @property
    def curve(self) -> tuple[tuple[int, float], ...]:
        """Program runs spent and judged score of the prompts in force, after each record that has a score."""
        points: list[tuple[int, float]] = []
        for record in self.history:
            if record.score is not None and (record.accepted or record.kind.enlarges):
                points.append((int(record.spent.get("metric_calls", 0)), record.score))
        return tuple(points)

    @property
    def steps(self) -> tuple[tuple[int, str, bool, str], ...]:
        """Number, kind, whether it was accepted, and reason of every record."""
        return tuple((record.index, record.kind.value, record.accepted, str(record.reason)) for record in self.history)

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
        Path(path).expanduser().write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DLPOResult:
        """Read a result back.

        Args:
            path: A run directory (``log_dir=``), of a run that has ended, goes on or was killed; a file that `save`
                wrote; or a program that `save_program` or ``dlpo compile`` saved, while its run is there.

        Raises:
            RunDirectoryError: If there is no run, or it cannot be read.
        """
        result: DLPOResult = _report("loading").load_result(path)
        return result

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the report: one HTML page that holds all it needs, at most 1 MB.

        Settings and examples are shown where the run directory (`log_dir`) still lies.

        Returns:
            The file.

        Raises:
            ImportError: If the extra "report" is not installed.
            OSError: If the file cannot be written.
        """
        with written_in(self.languages):
            page: Path = _report("rendering").write_page(self, path)
        return page

    def plot(self) -> Any:
        """Draw the judged score over program runs, with the bar of acceptance and every step.

        Returns:
            A figure of matplotlib that belongs to nobody else: no state of pyplot is touched.

        Raises:
            ImportError: If the extra "report" is not installed.
        """
        return _report("curve").plot_curve(self.history)

    def to_pandas(self) -> Any:
        """The history as a pandas ``DataFrame``, one row per record, in order.

        Its columns are ``step`` (number of the record, from 0), ``kind``, ``accepted``, ``score``, ``base`` and
        ``bar`` (mean scores on the judging set: of the proposal, of the prompts in force before, and the lowest that
        is accepted), ``gain`` (score less base), ``examples`` (on which the proposal ran), ``edits`` (admitted),
        ``kept`` (of those judged), ``dropped`` (by constraints), ``words`` (of the prompts in force afterwards),
        ``metric_calls`` (program runs spent by then), ``usd`` (by then), ``progress`` (the run's clock when it began, 0
        to 1), ``seconds`` and ``reason``. What is unknown is missing.

        Raises:
            ImportError: If the extra "report" is not installed.
        """
        return _report("table").to_frame(self.history)

    def _repr_html_(self) -> str | None:
        """What a notebook shows; nothing beside the text where the extra "report" is not installed."""
        try:
            summary: str = _report("notebook").summary_html(self)
        except ImportError:
            return None
        return summary


def _report(module: str) -> Any:
    """A module of the room that shows results: who only holds one imports nothing of it."""
    return import_module(f"dspy_dlpo.report.{module}")
