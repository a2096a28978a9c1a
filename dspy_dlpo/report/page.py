"""What the report shows: all of it plain data, the texts as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

from dspy_dlpo.core.errors import RunDirectoryError
from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.report.curve import draw_curve
from dspy_dlpo.report.directory import LogView, argument, read_log, read_settings
from dspy_dlpo.report.examples import ChangedExample, changed_examples
from dspy_dlpo.report.facts import Group, Spending, money, setting_groups, spending
from dspy_dlpo.report.fronts import FrontTable, front_tables
from dspy_dlpo.report.headline import Headline, headline
from dspy_dlpo.report.interval import draw_interval
from dspy_dlpo.report.prompts import PromptPair, prompt_pairs
from dspy_dlpo.report.record_views import RecordView, TriedEdit, record_views
from dspy_dlpo.report.svg import STAND_INS, chart

# Width and height in pixels, and columns of the legend, by the screens that a chart is for.
CURVES = {"wide": (900, 400, 3), "narrow": (340, 430, 1)}
INTERVALS = {"wide": (620, 90), "narrow": (340, 90)}


@dataclass(frozen=True)
class Page:
    """All that the template of the page needs.

    Args:
        result: The result.
        headline: The outcome in figures.
        notes: What a reader must know of the run or of the report.
        prompts: Every prompt before and after.
        returned: The record after which the returned prompts were in force; None if that is not recorded.
        records: Every record.
        ledger: Every judged edit.
        examples: The examples that changed.
        spending: What was spent.
        settings: What determined the run, in groups.
        seed: The seed; None if it is not recorded.
        fronts: Score against length, and against money where it is known.
        charts: SVG elements by name.
        money: US dollars, as text.
        version: Of this package.
    """

    result: DLPOResult
    headline: Headline
    notes: tuple[str, ...]
    prompts: tuple[PromptPair, ...]
    returned: int | None
    records: tuple[RecordView, ...]
    ledger: tuple[TriedEdit, ...]
    examples: tuple[ChangedExample, ...]
    spending: Spending
    settings: tuple[Group, ...]
    seed: Any
    fronts: tuple[FrontTable, ...]
    charts: Mapping[str, str]
    money: str
    version: str


def make_page(result: DLPOResult) -> Page:
    """Gather what the page shows, from the result and from the run directory where it still lies.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    log, settings, notes = _directory(result)
    told, shown = record_views(result.history), headline(result, settings)
    return Page(
        result=result,
        headline=shown,
        notes=(*_simulated(settings), *_of_sets(result), *notes),
        prompts=prompt_pairs(result.start_prompts, result.best_prompts),
        returned=next((each.index for each in result.history if each.proposal == result.best_prompts), None),
        records=tuple(told),
        ledger=tuple(edit for record in told for edit in record.edits),
        examples=tuple(changed_examples(result.history, log)),
        spending=spending(result.spent),
        settings=tuple(setting_groups(settings)),
        seed=argument(settings, "seed"),
        fronts=front_tables(result),
        charts={**_curves(result), **_intervals(shown)},
        money=money(result.spent.get("usd")),
        version=version("dspy-dlpo"),
    )


def _directory(result: DLPOResult) -> tuple[LogView, dict[str, Any], tuple[str, ...]]:
    """What the run directory adds, and what is to be said of it."""
    notes: tuple[str, ...] = ()
    if not result.complete and result.log_dir is not None:
        notes = ("This run did not come to its own end: the same call with its log_dir goes on from there.",)
    if result.log_dir is None:
        said = "The run had no log_dir, so neither its settings nor the answers on single examples are recorded."
        return LogView(), {}, (*notes, said)
    try:
        log, settings = read_log(result.log_dir), read_settings(result.log_dir)
    except RunDirectoryError as error:
        return LogView(), {}, (*notes, f"Settings and examples are not shown. {error}")
    if log.unreadable:
        notes += (f"{log.unreadable:,} lines of events.jsonl cannot be read and are left out.",)
    if not settings:
        notes += (f"There is no run.json in {result.log_dir}, so the settings are not shown.",)
    return log, settings, notes


def _simulated(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """That figures of a simulated model say nothing of a real one, where such a model took part."""
    # The name that the simulated model gives itself; no layer below this one may ask it.
    if not any(str(settings.get(name)).startswith("simulated/") for name in ("task_model", "prompt_model")):
        return ()
    return ("A simulated language model took part: this shows how it works, not what a real model would gain.",)


def _of_sets(result: DLPOResult) -> tuple[str, ...]:
    """How scores are to be read where the metric scores whole sets."""
    if not result.history.of_sets:
        return ()
    return (
        "The metric scores whole sets: each score is that of all examples together, none is a mean over them, and the "
        "interval computes it anew on each resample.",
    )


def _curves(result: DLPOResult) -> dict[str, str]:
    """The curve, for each kind of screen."""
    if not result.history:
        return {}
    runs = max(each.cost for each in result.history)
    last = next((each.score for each in reversed(result.history) if each.score is not None), None)
    scored = "" if last is None else f"; the last judged score is {last:.2f}"
    return {
        f"curve_{screen}": chart(
            f"curve-{screen}",
            (wide, high),
            partial(draw_curve, history=result.history, palette=STAND_INS, columns=columns),
            title="Judged score over runs of the program",
            description=f"{len(result.history)} records, told below, over {runs} runs of the program{scored}.",
        )
        for screen, (wide, high, columns) in CURVES.items()
    }


def _intervals(shown: Headline) -> dict[str, str]:
    """The interval of the gain, for each kind of screen."""
    if shown.difference is None:
        return {}
    draw = partial(
        draw_interval, difference=shown.difference, interval=shown.interval, palette=STAND_INS, unit=shown.unit
    )
    return {
        f"interval_{screen}": chart(
            f"interval-{screen}",
            size,
            draw,
            title="The gain and its 95 % interval",
            description=f"{shown.gain}; {shown.interval[0]:+.3g} to {shown.interval[1]:+.3g}. {shown.meaning}",
        )
        for screen, size in INTERVALS.items()
    }
