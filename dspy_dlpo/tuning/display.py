"""What the dashboard shows of a trial: its numbers, its files and a note."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from statistics import fmean, variance

import optuna
from optuna.artifacts._protocol import ArtifactStore
from optuna_dashboard import save_note

from dspy_dlpo.tuning.note import LONGEST_VERDICT, Figures, escape, trial_note
from dspy_dlpo.tuning.outcome import Outcome
from dspy_dlpo.tuning.svg_text import clean
from dspy_dlpo.tuning.trial_files import upload_files

logger = logging.getLogger(__name__)

# Standard errors on either side of a mean that hold 95 % of a normal distribution.
_NORMAL = 1.96


def show_trial(
    study: optuna.Study,
    trial: optuna.Trial,
    outcomes: Sequence[Outcome],
    artifacts: ArtifactStore | None,
    *,
    verdict: str = "",
) -> None:
    """Show what a trial gave: small numbers as user attributes, files as artifacts, and a note.

    It may be called again for the same trial. Whatever fails is logged as a warning: showing never costs a trial.

    Args:
        study: The study.
        trial: A trial that still runs: Optuna changes no other.
        outcomes: What its pairs of task and seed gave.
        artifacts: Where files are kept; None shows the first pair's prompts in the note instead.
        verdict: One sentence; empty for the verdict of the only pair, or how many there were.
    """
    said = clean(verdict or _verdict(outcomes))
    with_figures: list[Figures] = []
    _try("figures", trial, lambda: with_figures.append(figures_of(outcomes)))
    figures = with_figures[0] if with_figures else Figures(None, None, None, 0, 0, None, 0)
    _try("numbers", trial, lambda: _set_attributes(trial, figures, said))
    pictures: list[str] = []
    if artifacts is not None:
        _try("files", trial, lambda: pictures.append(upload_files(trial, artifacts, outcomes)))
    _try("note", trial, lambda: save_note(trial, trial_note(outcomes, figures, said, "".join(pictures))))


def show_text(trial: optuna.Trial, text: str) -> None:
    """Show one sentence as a trial's note, whatever is in it; what fails is logged as a warning."""
    _try("note", trial, lambda: save_note(trial, f"**{escape(text)}**\n"))


def figures_of(outcomes: Sequence[Outcome]) -> Figures:
    """The numbers of a trial over all its pairs.

    The interval of the score is a normal one: the standard error of the mean over the held-out examples of every pair,
    the pairs weighted alike. It tells how far other examples of these tasks would move the score, not how far another
    seed or another task would.
    """
    scores = [each.score for each in outcomes if each.score is not None]
    score = fmean(scores) if scores else None
    low, high = (None, None) if score is None else _interval(score, [each.scores for each in outcomes])
    prices = [each.usd for each in outcomes]
    known = [each for each in prices if each is not None]
    return Figures(
        score=score,
        score_low=low,
        score_high=high,
        words=round(fmean(each.words for each in outcomes), 1) if outcomes else 0,
        runs=sum(each.runs for each in outcomes),
        usd=math.fsum(known) if known and len(known) == len(prices) else None,
        tokens=sum(each.tokens for each in outcomes),
    )


def _interval(score: float, pairs: Sequence[Sequence[float]]) -> tuple[float | None, float | None]:
    """The 95 % interval of a mean of means; none where a pair has fewer than two examples."""
    compared = [each for each in pairs if each]
    if not compared or any(len(each) < 2 for each in compared):
        return None, None
    error = math.sqrt(sum(variance(each) / len(each) for each in compared)) / len(compared)
    low, high = score - _NORMAL * error, score + _NORMAL * error
    in_unit = all(0 <= each <= 1 for scores in compared for each in scores)
    return (max(low, 0.0), min(high, 1.0)) if in_unit else (low, high)


def _verdict(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "nothing was run to the end"
    if len(outcomes) == 1:
        return outcomes[0].result.verdict
    pairs = [(each.score, each.result.comparison.start) for each in outcomes]
    gains = [score - start for score, start in pairs if score is not None and start is not None]
    gain = f"{fmean(gains):+.3f} on held-out examples, " if gains else ""
    return f"{gain}mean of {len(outcomes)} pairs of task and seed"


def _set_attributes(trial: optuna.Trial, figures: Figures, verdict: str) -> None:
    numbers = {name: _rounded(value) for name, value in vars(figures).items()}
    present = trial.user_attrs
    for name, value in {"verdict": verdict[:LONGEST_VERDICT], **numbers}.items():
        # What an earlier attempt had and this one has not is taken back.
        if value is not None or name in present:
            trial.set_user_attr(name, value)


def _rounded(value: float | None) -> float | None:
    return round(value, 6) if isinstance(value, float) else value


def _try(what: str, trial: optuna.Trial, act: Callable[[], object]) -> None:
    """Do something that may fail."""
    try:
        act()
    except Exception as error:
        # Whatever a storage or a disk raises, the trial itself is worth more.
        said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        logger.warning("the %s of trial %d are not shown: %s", what, trial.number, said)
        logger.debug("showing failed", exc_info=True)
