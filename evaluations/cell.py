"""One cell of the grid: one arm on one task with one seed, gauged, capped, and scored on untouched questions."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import time
import warnings
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dspy

from dspy_dlpo.simulation import Landscape, simulated_lm
from evaluations.arms import Setup, arms, ours
from evaluations.endpoint import Endpoint, check_answered, local_prompt_lm, local_task_lm, use_cache
from evaluations.gauge import CapReached, Gauge, GaugedLM
from evaluations.scoring import scores
from evaluations.steps import told_by
from evaluations.tasks import BenchTask, bench_task
from evaluations.worlds.bench import with_validation
from evaluations.worlds.world import World

# US dollars for a million tokens in and out that simulated models are taken to cost: a cheap reader, a dear writer.
SIMULATED_PRICES = ((0.15, 0.6), (2.5, 10.0))


@dataclass(frozen=True)
class Cell:
    """What determines a cell.

    Args:
        task: As `evaluations.tasks` names it.
        arm: As `evaluations.arms` names it.
        seed: Of data, models and optimizer.
        runs: The cap on program runs; the task model is stopped at the next.
        task_model: A real model that runs the program; None for the simulated one.
        prompt_model: A real model that writes prompts; None for the simulated one.
        max_tokens: Of a reply of the task model, on the suite for small models at an endpoint; None elsewhere, where
            models have their own settings.
    """

    task: str
    arm: str
    seed: int
    runs: int
    task_model: str | None = None
    prompt_model: str | None = None
    max_tokens: int | None = None

    @property
    def key(self) -> str:
        """A name that tells it from every other cell."""
        return "|".join(f"{name}={value}" for name, value in asdict(self).items() if value is not None)

    @property
    def is_local(self) -> bool:
        """Whether its models are small ones at an endpoint."""
        return self.max_tokens is not None


def measure(
    cell: Cell, data_dir: Path | None = None, num_threads: int = 1, endpoint: Endpoint | None = None
) -> dict[str, Any]:
    """Run a cell.

    Args:
        cell: What to run.
        data_dir: Where the local data files are; None for the hub.
        num_threads: Calls in parallel.
        endpoint: Where the models of a cell of the suite ``local`` are.

    Returns:
        Its row: what determined it, scores by question, and what was spent, as plain data.

    Raises:
        ValueError: If there is no such task or arm.
        EndpointLost: If the endpoint left a call unanswered: no row then, and the same cell goes on from its cache.
    """
    if cell.arm not in arms():
        raise ValueError(f"{cell.arm!r} is no arm. Pass one of {', '.join(arms())}.")
    task = bench_task(cell.task, cell.seed, data_dir)
    endpoint = endpoint or Endpoint()
    was_begun = cell.is_local and use_cache(endpoint.folder, cell.key)
    task_lm, prompt_lm, judge_lm = _local_models(cell, task, endpoint) if cell.is_local else _models(cell, task)
    began = time.monotonic()
    # Ours takes a task without validation examples as it is.
    given = task if cell.arm in ours.arms() else with_validation(task)
    setup = Setup(given, task_lm, prompt_lm, cell.runs, cell.seed, num_threads)
    program, failure = _optimized(cell, setup)
    seconds = time.monotonic() - began
    if cell.is_local:
        check_answered(task_lm, prompt_lm)
    learned_from = [] if cell.is_local else task.trainset  # a small model takes minutes for it
    prompts = {name: p.signature.instructions for name, p in program.named_predictors()}
    return {
        **asdict(cell),
        "key": cell.key,
        "simulated": cell.task_model is None,
        "test": scores(program, task, task.testset, judge_lm, num_threads),
        "train": scores(program, task, learned_from, judge_lm, num_threads),
        "shifted": scores(program, task, task.shifted, judge_lm, num_threads),
        "expected": None if _demos(program) else _expected(task, prompts),
        "words": sum(len(text.split()) for text in prompts.values()),
        "demos": _demos(program),
        "demo_words": _demo_words(program),
        "prompts": prompts,
        "runs_made": task_lm.gauge.calls / task.calls_per_run,
        "prompt_calls": prompt_lm.gauge.calls,
        "tokens": [[gauge.input_tokens, gauge.output_tokens] for gauge in (task_lm.gauge, prompt_lm.gauge)],
        "usd_spent": task_lm.gauge.usd + prompt_lm.gauge.usd,
        "was_cut": task_lm.gauge.was_cut or prompt_lm.gauge.was_cut,
        "failure": failure,
        "seconds": round(seconds, 2),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("dspy-dlpo", "dspy", "optuna", "gepa")},
        **(_of_local(task_lm, seconds, was_begun) if cell.is_local else {}),
        **(told_by(program) if cell.is_local or isinstance(task.source, World) else {}),
    }


def _expected(task: BenchTask, prompts: dict[str, str]) -> float | None:
    """What prompts score, exactly, where that can be known: 0 to 1."""
    if isinstance(task.source, World):
        return task.source.score(prompts)
    return Landscape(task.source).accuracy(prompts) if task.simulated else None


def _of_local(task_lm: GaugedLM, seconds: float, was_begun: bool) -> dict[str, Any]:
    """What only rows of small models hold.

    Calls of the task model are more than runs where a reply could not be read and DSPy asked again for JSON. Replies
    from the cache of an earlier start count as calls, and neither as tokens nor as time: ``resumed`` says so.
    """
    return {
        "minutes": round(seconds / 60, 2),
        "task_calls": task_lm.gauge.calls,
        "resumed": was_begun,
    }


def _models(cell: Cell, task: BenchTask) -> tuple[GaugedLM, GaugedLM, dspy.LM]:
    """Task model, prompt model, and the model that untouched questions are scored with, noise-free if simulated."""
    reader, author, judge = _simulated_models(cell, task)
    if cell.task_model:
        reader, judge = cell.task_model, dspy.LM(cell.task_model)
    task_lm = GaugedLM(reader, Gauge(cell.runs * task.calls_per_run, SIMULATED_PRICES[0]))
    return task_lm, GaugedLM(cell.prompt_model or author, Gauge(price=SIMULATED_PRICES[1])), judge


def _simulated_models(cell: Cell, task: BenchTask) -> tuple[Any, dspy.LM, dspy.LM]:
    """Reader, writer and judge of a world or of a simulated task."""
    world = task.source
    if not isinstance(world, World):
        return simulated_lm(cell.seed), simulated_lm(cell.seed + 1000), simulated_lm(cell.seed)
    if cell.task_model or cell.prompt_model:
        raise ValueError(f"{cell.key}: a world brings its own models. Leave models as they are.")
    return world.reader, world.writer_of(cell.seed), world.quiet_reader


def _local_models(cell: Cell, task: BenchTask, endpoint: Endpoint) -> tuple[GaugedLM, GaugedLM, GaugedLM]:
    """As `_models`, at an endpoint.

    Arms keep to their cap on runs by themselves. A run whose reply cannot be read asks twice, as DSPy tries once more
    in JSON, so the backstop at the model is twice the runs: 600 calls for 300 runs. At 300 it would cut an arm because
    the model writes badly.
    """
    if cell.task_model is None or cell.prompt_model is None or cell.max_tokens is None:
        raise ValueError(
            f"{cell.key}: a cell with a limit of tokens needs two models. Name task_model and prompt_model."
        )
    most = 2 * cell.runs * task.calls_per_run
    readers = [
        local_task_lm(cell.task_model, endpoint.api_base, cell.max_tokens, gauge)
        for gauge in (_strict(most), _strict())
    ]
    return readers[0], local_prompt_lm(cell.prompt_model, endpoint.api_base, _strict()), readers[1]


def _strict(most_calls: float = math.inf) -> Gauge:
    return Gauge(most_calls, ends_when_lost=True)


def _optimized(cell: Cell, setup: Setup) -> tuple[dspy.Module, str]:
    """What the arm returns; the start where the cap cut it or it failed, and why."""
    fresh = setup.task.program.deepcopy()
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with quiet[0], quiet[1], warnings.catch_warnings(), dspy.context(lm=setup.task_lm):
            warnings.simplefilter("ignore")
            return arms()[cell.arm](setup), ""
    except CapReached:
        return fresh, "cut by the cap"
    except Exception as error:  # noqa: BLE001 - a peer that fails is a result: told, and scored as the start
        return fresh, f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        logging.disable(level)


def _demos(program: dspy.Module) -> int:
    return sum(len(predictor.demos) for predictor in program.predictors())


def _demo_words(program: dspy.Module) -> int:
    return sum(
        len(str(value).split()) for p in program.predictors() for demo in p.demos for value in dict(demo).values()
    )
