"""One cell of the grid: one arm on one task with one seed, gauged, capped, and scored on untouched questions."""

from __future__ import annotations

import contextlib
import io
import logging
import time
import warnings
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dspy

from dspy_dlpo.simulation import Landscape, Noise, Writer, simulated_lm
from evaluations.arms import Setup, arms
from evaluations.gauge import CapReached, Gauge, GaugedLM, Purse
from evaluations.tasks import BenchTask, bench_task

# US dollars for a million tokens in and out that simulated models are taken to cost: a cheap reader, a dear writer.
SIMULATED_PRICES = ((0.15, 0.6), (2.5, 10.0))


@dataclass(frozen=True)
class Cell:
    """What determines a cell.

    Args:
        task: As `evaluations.tasks` names it.
        arm: As `evaluations.arms` names it.
        seed: Of data, models and optimizer.
        runs: The cap on program runs; the task model is stopped at the next. 0, with `usd`: as many as a pilot of the
            arm, on a seed of its own, says that the money pays for.
        noise: Share of the simulated task model's replies that are random while optimizing, 0 to 1.
        forgetting: Whether the simulated writer forgets and blurs sentences in rewrites of whole prompts.
        usd: A cap on money, beside `runs`; None for none.
        task_model: A real model that runs the program; None for the simulated one.
        prompt_model: A real model that writes prompts; None for the simulated one.
    """

    task: str
    arm: str
    seed: int
    runs: int
    noise: float = 0.0
    forgetting: bool = True
    usd: float | None = None
    task_model: str | None = None
    prompt_model: str | None = None

    @property
    def key(self) -> str:
        """A name that tells it from every other cell."""
        return "|".join(f"{name}={value}" for name, value in asdict(self).items())


def measure(cell: Cell, data_dir: Path | None = None, num_threads: int = 1) -> dict[str, Any]:
    """Run a cell.

    Returns:
        Its row: what determined it, scores by question, and what was spent, as plain data.

    Raises:
        ValueError: If there is no such task or arm.
    """
    if cell.arm not in arms():
        raise ValueError(f"{cell.arm!r} is no arm. Pass one of {', '.join(arms())}.")
    if cell.usd is not None and not cell.runs:
        runs = _runs_for(cell, data_dir, num_threads)
        return {**measure(replace(cell, runs=runs), data_dir, num_threads), "key": cell.key, "runs": 0, "planned": runs}
    task = bench_task(cell.task, cell.seed, data_dir)
    task_lm, prompt_lm, judge_lm = _models(cell, task)
    began = time.monotonic()
    setup = Setup(task, task_lm, prompt_lm, cell.runs, cell.seed, num_threads)
    program, failure = _optimized(cell, setup)
    seconds = time.monotonic() - began
    prompts = {name: p.signature.instructions for name, p in program.named_predictors()}
    landscape = Landscape(task.source).accuracy(prompts) if task.simulated and not _demos(program) else None
    return {
        **asdict(cell),
        "key": cell.key,
        "simulated": cell.task_model is None,
        "test": _scores(program, task, task.testset, judge_lm, num_threads),
        "train": _scores(program, task, task.trainset, judge_lm, num_threads),
        "shifted": _scores(program, task, task.shifted, judge_lm, num_threads),
        "expected": landscape,
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
    }


# A pilot makes so many runs, on a seed that no reported figure rests on; of the money a share is left for surprises.
PILOT_RUNS, PILOT_SEED, MOST_RUNS, USED = 200, 5000, 5000, 0.85


def _runs_for(cell: Cell, data_dir: Path | None, num_threads: int) -> int:
    """How many runs of the program an arm can make for its money, the prompt model's calls included.

    A run costs more the longer the prompts get, so a second pilot makes as many runs as the first says.
    """
    runs = PILOT_RUNS
    for number in (1, 2):
        pilot = replace(cell, usd=None, runs=runs, seed=cell.seed + number * PILOT_SEED)
        row = measure(pilot, data_dir, num_threads)
        each = row["usd_spent"] / max(1.0, row["runs_made"])
        runs = MOST_RUNS if each == 0 else max(20, min(MOST_RUNS, int(USED * (cell.usd or 0.0) / each)))
    return runs


def _models(cell: Cell, task: BenchTask) -> tuple[GaugedLM, GaugedLM, dspy.LM]:
    """Task model, prompt model, and the model that untouched questions are scored with, noise-free if simulated."""
    purse = None if cell.usd is None else Purse(cell.usd)
    writer = Writer() if cell.forgetting else Writer(forgetting=0.0, blur=0.0)
    reader = cell.task_model or simulated_lm(cell.seed, noise=Noise(fresh=cell.noise))
    author = cell.prompt_model or simulated_lm(cell.seed + 1000, writer=writer)
    most = cell.runs * task.calls_per_run
    task_lm = GaugedLM(reader, Gauge(most, SIMULATED_PRICES[0], purse))
    prompt_lm = GaugedLM(author, Gauge(price=SIMULATED_PRICES[1], purse=purse))
    judge = dspy.LM(cell.task_model) if cell.task_model else simulated_lm(cell.seed)
    return task_lm, prompt_lm, judge


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


def _scores(
    program: dspy.Module, task: BenchTask, examples: list[dspy.Example], lm: dspy.LM, num_threads: int
) -> list[float]:
    """The score of each question; 0 where the program fails."""

    def score(example: dspy.Example) -> float:
        try:
            return float(task.metric(example, program(**example.inputs())))
        except Exception:  # noqa: BLE001 - a reply that cannot be read is wrong
            return 0.0

    with dspy.context(lm=lm, trace=None):
        if num_threads <= 1:
            return [score(example) for example in examples]
        found = dspy.Parallel(num_threads=num_threads, disable_progress_bar=True)(
            [(score, (example,)) for example in examples]
        )
        return [float(each) for each in found]


def _demos(program: dspy.Module) -> int:
    return sum(len(predictor.demos) for predictor in program.predictors())


def _demo_words(program: dspy.Module) -> int:
    return sum(
        len(str(value).split()) for p in program.predictors() for demo in p.demos for value in dict(demo).values()
    )
