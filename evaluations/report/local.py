"""What the suite for small models says: ``python -m evaluations report-local``."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from evaluations.grid import Rows
from evaluations.headroom import measured
from evaluations.local_tasks import TASKS
from evaluations.report.tables import OURS, START, Table
from evaluations.statistics import RESAMPLES, Array, Row, by_task, mean_score, pick, resampled_means

PEER = "GEPA"
# Tasks on which the reference gains at least so much, on its own questions, have headroom.
LEAST_HEADROOM = 0.15
Headroom = Mapping[str, Row]


def local_figures(folder: Path) -> str:
    """Table and sentences of a directory of rows and headroom, as Markdown; empty if it holds no rows."""
    rows = [row for row in (Rows(folder).read() if folder.is_dir() else ()) if row["task"] in TASKS]
    if not rows:
        return ""
    known = {row["task"]: row for row in measured(folder) if row["model"] == rows[0]["task_model"]}
    table = local_table(rows, known)
    lines = [table.head, ("---",) * len(table.head), *table.rows]
    shown = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n\n".join([table.caption, shown, *local_sentences(rows, known)]) + "\n"


def local_table(rows: Sequence[Row], headroom: Headroom) -> Table:
    """A row for each task: start and reference on the headroom's questions, then the untouched test.

    Args:
        rows: Of the suite, one model and budget.
        headroom: Start and reference by task.
    """
    lines = []
    for task in [name for name in TASKS if pick(rows, task=name)]:
        known, of_task = headroom.get(task, {}), pick(rows, task=task)
        ours, theirs = (pick(of_task, arm=arm) for arm in (OURS, PEER))
        scores = (mean_score(pick(of_task, arm=START)), mean_score(ours), mean_score(theirs))
        told = (known.get("start", math.nan), known.get("reference", math.nan), *scores)
        judged, minutes = (_mean(pick_number(ours, name)) for name in ("judged_share", "minutes"))
        spent = "" if math.isnan(minutes) else f"{minutes:.0f}"
        lines.append((_name(task), *map(_score, told), _difference(of_task), _score(judged), spent))
    head = ("task", "start*", "reference*", "start", "DLPO", PEER, "DLPO less it", "judged steps", "minutes")
    models = sorted({f"{row['task_model']} writing prompts: {row['prompt_model']}" for row in rows})
    runs, seeds = sorted({row["runs"] for row in rows}), {row["seed"] for row in rows if row["arm"] != START}
    caption = (
        f"{', '.join(models)}; {', '.join(map(str, runs))} runs; seeds: {len(seeds)}. Mean scores, 0 to 1, "
        "on untouched questions, with the 95 % interval of the difference (bootstrap over seeds and questions); * on "
        "60 others, the reference written by hand and shown to no optimizer. Judged steps: share of DLPO's steps that "
        "came to a judged proposal which changes an answer."
    )
    return Table("Small models", caption, head, tuple(lines))


def local_sentences(rows: Sequence[Row], headroom: Headroom) -> list[str]:
    """What the table comes to: the difference where there is headroom, what was reached, and claims that are false."""
    chosen = with_headroom(headroom)
    said = []
    found = difference_over_tasks(rows, chosen)
    if found is not None:
        mean, low, high, count = found
        said.append(
            f"Over the {count} task{'s' * (count > 1)} on which the reference gains {LEAST_HEADROOM} or more, "
            f"DLPO less {PEER}: "
            f"{mean:+.3f} [{low:+.3f}, {high:+.3f}] (95 %, bootstrap over tasks, seeds and questions)."
        )
        reached = {arm: share_reached(rows, headroom, arm) for arm in (OURS, PEER)}
        told = ", ".join(f"{'DLPO' if arm == OURS else arm} {_share(share)}" for arm, share in reached.items())
        said.append(f"Share of the reference's gain that is reached there: {told}.")
    known = [row for row in rows if row["task"] in headroom or TASKS[row["task"]].is_shuffled]
    false, claims = false_claims(known, chosen)
    said.append(
        f"On the tasks without headroom or with shuffled answers DLPO claimed a gain in {len(claims)} of "
        f"{len(_elsewhere(known, chosen))} runs; {len(false)} of these claims are false, as answers are shuffled or "
        f"the untouched test shows no gain{_names(false)}."
    )
    return said


def with_headroom(headroom: Headroom) -> list[str]:
    """The tasks with true answers on which the reference gains enough."""
    return [
        task
        for task, row in headroom.items()
        if not TASKS[task].is_shuffled and row["reference"] - row["start"] >= LEAST_HEADROOM - 1e-9
    ]


def difference_over_tasks(
    rows: Sequence[Row], tasks: Sequence[str], seed: int = 0
) -> tuple[float, float, float, int] | None:
    """Ours minus the peer: mean over tasks, ends of its 95 % interval, and how many tasks have both arms.

    The bootstrap draws tasks, in each its seeds, and in each the questions; it says what other such tasks would show.

    Returns:
        None if no task has both arms.
    """
    tables = [table for task in tasks if (table := _paired(pick(rows, task=task))) is not None]
    if not tables:
        return None
    rng = np.random.default_rng(seed)
    # For each place of a resample of tasks the resampled means of every task, of which one is drawn.
    means = np.array([[resampled_means(table, rng) for table in tables] for _ in tables])
    drawn = rng.integers(0, len(tables), (len(tables), 1, RESAMPLES))
    low, high = np.quantile(np.take_along_axis(means, drawn, axis=1).mean(axis=(0, 1)), [0.025, 0.975])
    return statistics.fmean(float(table.mean()) for table in tables), float(low), float(high), len(tables)


def share_reached(rows: Sequence[Row], headroom: Headroom, arm: str) -> float:
    """An arm's gain over the start as a share of the reference's, both summed over the tasks with headroom.

    The arm's is of the test questions, the reference's of the headroom's. Not a number if the arm was not run.
    """
    gains = {}
    for task in with_headroom(headroom):
        start, reached = (pick(rows, task=task, arm=each) for each in (START, arm))
        if start and reached:
            gains[task] = mean_score(reached) - mean_score(start)
    possible = sum(headroom[task]["reference"] - headroom[task]["start"] for task in gains)
    return sum(gains.values()) / possible if gains else math.nan


def false_claims(rows: Sequence[Row], chosen: Sequence[str]) -> tuple[list[Row], list[Row]]:
    """Our runs, on tasks other than the chosen, that claim a gain falsely; and all that claim one.

    A claim is false where answers are shuffled, and where the test score is not above that of the start prompt.
    """
    starts = {task: mean_score(group) for task, group in by_task(pick(rows, arm=START)).items()}
    claims = [row for row in _elsewhere(rows, chosen) if row["claimed"]]
    false = [
        row
        for row in claims
        if TASKS[row["task"]].is_shuffled or statistics.fmean(row["test"]) <= starts.get(row["task"], math.nan)
    ]
    return false, claims


def pick_number(rows: Sequence[Row], name: str) -> list[float]:
    """The numbers of rows that have one."""
    return [float(row[name]) for row in rows if row.get(name) is not None]


def _elsewhere(rows: Sequence[Row], chosen: Sequence[str]) -> list[Row]:
    return [row for row in pick(rows, arm=OURS) if row["task"] not in chosen]


def _paired(rows: Sequence[Row]) -> Array | None:
    """Ours minus the peer, a row for each seed that both have, a column for each question."""
    ours, theirs = ({row["seed"]: row["test"] for row in pick(rows, arm=arm)} for arm in (OURS, PEER))
    found = [np.subtract(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]
    return np.array(found, dtype=float) if found else None


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else math.nan


def _name(task: str) -> str:
    kind = "" if TASKS[task].is_helped or TASKS[task].is_shuffled else " (no help expected)"
    return task.removeprefix("local/") + kind


def _names(rows: Sequence[Row]) -> str:
    return f" ({', '.join(sorted({_name(row['task']) for row in rows}))})" if rows else ""


def _score(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _difference(rows: Sequence[Row]) -> str:
    """Ours minus the peer on one task, with its interval; empty where one of them was not run."""
    table = _paired(rows)
    if table is None:
        return ""
    low, high = np.quantile(resampled_means(table, np.random.default_rng(0)), [0.025, 0.975])
    return f"{table.mean():+.3f} ({low:+.3f} .. {high:+.3f})"


def _share(value: float) -> str:
    return "not run" if math.isnan(value) else f"{value:.0%}"
