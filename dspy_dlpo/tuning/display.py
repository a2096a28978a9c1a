"""What the dashboard shows of a trial: its numbers, its files, and a note with links to the reports of its runs."""

from __future__ import annotations

import logging
import math
import re
import string
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
from optuna.artifacts import upload_artifact
from optuna.artifacts._protocol import ArtifactStore
from optuna_dashboard import save_note
from optuna_dashboard.artifact import get_artifact_path

from dspy_dlpo.host.secrets import Redactor
from dspy_dlpo.tuning.attempt import PairOutcome

logger = logging.getLogger(__name__)

# Every mark that could begin something in Markdown: each may be escaped, and a link without its marks is none.
_ESCAPES = str.maketrans({mark: f"\\{mark}" for mark in string.punctuation})
# Characters of a text in a note or an attribute, and of a task's name in that of a file.
LONGEST, LONGEST_NAME = 200, 40


def show_trial(trial: optuna.Trial, outcomes: Sequence[PairOutcome], artifacts: ArtifactStore) -> None:
    """Show what a trial gave: small numbers as user attributes, report pages and programs as artifacts, and a note.

    Whatever fails is logged as a warning: showing never costs a trial. Optuna changes none that has ended.
    """
    figures, pages = _figures(outcomes), list[str]()
    for name, value in figures.items():
        _try(name, trial, partial(trial.set_user_attr, name, value))
    _try("files", trial, lambda: pages.extend(_upload(trial, artifacts, outcomes)))
    _try("note", trial, lambda: save_note(trial, _note(outcomes, figures, pages)))


def _figures(outcomes: Sequence[PairOutcome]) -> dict[str, Any]:
    """Verdict and numbers of a trial, as far as known: means of score and words, sums of what was spent."""
    scores = [each.score for each in outcomes if each.score is not None]
    verdicts = [each.result.verdict for each in outcomes]
    prices = [each.usd for each in outcomes]
    known = [each for each in prices if each is not None]
    return {
        "verdict": (verdicts[0] if len(verdicts) == 1 else f"mean of {len(verdicts)} runs")[:LONGEST],
        "words": round(fmean(each.words for each in outcomes), 1),
        "runs": sum(each.runs for each in outcomes),
        "tokens": sum(each.tokens for each in outcomes),
        **({"score": round(fmean(scores), 6)} if scores else {}),
        **({"usd": round(math.fsum(known), 6)} if len(known) == len(prices) else {}),
    }


def _upload(trial: optuna.Trial, store: ArtifactStore, outcomes: Sequence[PairOutcome]) -> Iterator[str]:
    """Store the report page and the program of every pair; where the dashboard serves the pages."""
    with tempfile.TemporaryDirectory() as folder:
        for number, outcome in enumerate(outcomes):
            pair = f"{number}-{re.sub(r'[^0-9A-Za-z.-]+', '_', outcome.task)[:LONGEST_NAME]}-seed{outcome.seed}"
            page, program = Path(folder, f"report-{pair}.html"), Path(folder, f"program-{pair}.json")
            put = partial(upload_artifact, artifact_store=store, study_or_trial=trial)
            outcome.result.to_html(page)
            yield get_artifact_path(trial, put(file_path=str(page), mimetype="text/html"))
            if outcome.program_json:
                program.write_bytes(outcome.program_json.encode("utf-8", "backslashreplace"))
                put(file_path=str(program), mimetype="application/json")


def _note(outcomes: Sequence[PairOutcome], figures: dict[str, Any], pages: Sequence[str]) -> str:
    """A verdict, the numbers, and the runs with links to their report pages."""
    lines = [f"**{_escaped(figures['verdict'])}**", ""]
    for number, each in enumerate(outcomes):
        link = f"[report]({pages[number]}) " if number < len(pages) else ""
        score = "no score" if each.score is None else f"score {each.score:.3f}"
        what = f"{_escaped(each.task)}, seed {each.seed}: {score}, {each.words} words, {each.runs:,} runs"
        lines.append(f"- {link}{what}, {each.tokens:,} tokens{'' if each.usd is None else f', ${each.usd:.4f}'}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """A text on one line in which Markdown finds nothing to obey."""
    line = " ".join(text.encode(errors="replace").decode().split())
    return (line if len(line) <= LONGEST else line[: LONGEST - 1] + "…").translate(_ESCAPES)


def _try(what: str, trial: optuna.Trial, act: Callable[[], object]) -> None:
    """Do something that may fail: whatever a storage or a disk raises, the trial itself is worth more."""
    try:
        act()
    except Exception as error:
        said = Redactor().error(f"{type(error).__name__}: {error}").splitlines()[0][:LONGEST]
        logger.warning("the %s of trial %d are not shown: %s", what, trial.number, said)
        logger.debug("showing failed", exc_info=True)
