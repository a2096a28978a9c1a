"""How much an instruction can raise a model's score: start and reference instructions on questions kept for that."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dspy

from evaluations.endpoint import Endpoint, check_answered, local_task_lm, use_cache
from evaluations.gauge import Gauge
from evaluations.grid import HEADROOM, append_line, read_lines
from evaluations.local_tasks import REFERENCES
from evaluations.scoring import scores
from evaluations.tasks import bench_task


@dataclass(frozen=True)
class Measurement:
    """What is measured with.

    Args:
        model: Runs the program, as `dspy.LM` takes it.
        max_tokens: Of a reply, at most.
        endpoint: Where it is, and the directory of the results.
        data_dir: Where the local data files are; None for the hub.
        num_threads: Calls in parallel.
    """

    model: str
    max_tokens: int
    endpoint: Endpoint
    data_dir: Path | None = None
    num_threads: int = 1


def measured(folder: Path) -> list[dict[str, Any]]:
    """The tasks measured so far, in order; a line that was cut by a crash is left out."""
    path = folder / HEADROOM
    return list(read_lines(path)) if path.exists() else []


def measure_all(folder: Path, names: Sequence[str], how: Measurement) -> Iterator[dict[str, Any]]:
    """Measure the tasks that are not measured yet with this model, and store each as it ends.

    Args:
        folder: Where `HEADROOM` is.
        names: Tasks.
        how: The model.

    Yields:
        ``task``, ``start`` and ``reference`` (mean scores, 0 to 1), ``n`` questions, ``date``, ``model`` and
        its ``max_tokens``.

    Raises:
        EndpointLost: If the endpoint left a call unanswered; what was measured before is stored.
        ValueError: If a task's data cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = {(row["task"], row["model"], row["max_tokens"]) for row in measured(folder)}
    for name in names:
        if (name, how.model, how.max_tokens) not in done:
            row = _measure(name, how)
            append_line(folder / HEADROOM, json.dumps(row) + "\n")
            yield row


def _measure(name: str, how: Measurement) -> dict[str, Any]:
    use_cache(how.endpoint.folder, f"headroom|{name}|{how.model}|{how.max_tokens}")
    task = bench_task(name, 0, how.data_dir)
    lm = local_task_lm(how.model, how.endpoint.api_base, how.max_tokens, Gauge(ends_when_lost=True))
    means = {}
    for what, program in (("start", task.program), ("reference", _instructed(task.program, REFERENCES[name]))):
        means[what] = round(statistics.fmean(scores(program, task, task.headroom, lm, how.num_threads)), 4)
    check_answered(lm)
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {
        "task": name,
        **means,
        "n": len(task.headroom),
        "date": date,
        "model": how.model,
        "max_tokens": how.max_tokens,
    }


def _instructed(program: dspy.Module, text: str) -> dspy.Module:
    changed = program.deepcopy()
    predictor = changed.predictors()[0]
    predictor.signature = predictor.signature.with_instructions(text)
    return changed
