"""``dlpo compile``: improve the program of a task."""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import click
import dspy
from rich.console import Console
from rich.markup import escape

from dspy_dlpo import DLPOResult, DLPOTeleprompter, Estimate, Interrupted, Task, default_settings, save_program
from dspy_dlpo.cli import failing
from dspy_dlpo.cli.claiming import claim, cost_of_claim
from dspy_dlpo.cli.free import cost_nothing, is_simulated
from dspy_dlpo.cli.loading import load_task
from dspy_dlpo.cli.options import (
    UserPath,
    aim_option,
    auto_option,
    budget_option,
    json_option,
    model_options,
    quiet_option,
    task_argument,
)
from dspy_dlpo.cli.outcome import Outcome
from dspy_dlpo.cli.rates import rate_option
from dspy_dlpo.cli.showing import console, named_models, show_estimate, show_next
from dspy_dlpo.cli.streams import can_ask, stdout_kept
from dspy_dlpo.core.budget import AUTO, Budget
from dspy_dlpo.core.ending import EndedBy, Ending
from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.core.judges import BEST, CHEAPEST, SHORTEST
from dspy_dlpo.core.paths import absolute_path
from dspy_dlpo.progress import ProgressBar
from dspy_dlpo.progress.streams import whole_lines
from dspy_dlpo.run.examples import unseen
from dspy_dlpo.run.preflight import Preflight

_TASK_THREADS = 8


@click.command("compile")
@task_argument
@auto_option
@budget_option
@click.option("--max-usd", type=click.FloatRange(min=0, min_open=True), help="US dollars that may be spent at most.")
@click.option("--seed", default=0, show_default=True, help="Seed of all chance.")
@click.option(
    "--score-range",
    type=(float, float),
    default=(0.0, 1.0),
    show_default=True,
    metavar="LOW HIGH",
    help="Lowest and highest legal score of the metric.",
)
@aim_option
@click.option(
    "--prefer",
    type=click.Choice([BEST, SHORTEST, CHEAPEST]),
    default=BEST,
    show_default=True,
    help="Which finalist is returned: the best, or the shortest or cheapest within one standard error of it.",
)
@click.option(
    "--metric-noise",
    type=click.FloatRange(min=0),
    help="The metric's noise, as dlpo judge tells it: the verdict says if a gain lies within it.",
)
@model_options
@rate_option
@click.option("--threads", "num_threads", type=click.IntRange(min=1), help="Calls in parallel; DSPy's own by default.")
@click.option(
    "--width",
    type=click.IntRange(min=8),
    help="Runs that go out together at most, 8 by default; so many are kept from the budget for a crash.",
)
@click.option(
    "--log-dir",
    type=UserPath(file_okay=False),
    help="Run directory; a new one under runs/ by default. The same command with the same one goes on.",
)
@click.option(
    "--output", type=UserPath(dir_okay=False), help="File for the program (.json); in the run directory by default."
)
@click.option("--require-gain", is_flag=True, help=f"Exit with {failing.NO_GAIN} if there is no reliable gain.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before money is spent.")
@quiet_option
@json_option
def compile_task(
    task: str,
    auto: str,
    budget: int | None,
    max_usd: float | None,
    log_dir: str | None,
    output: str | None,
    require_gain: bool,
    yes: bool,
    quiet: bool,
    as_json: bool,
    task_model: str | None,
    prompt_model: str | None,
    width: int | None,
    prefer: str,
    metric_noise: float | None,
    **settings: Any,
) -> None:
    """Improve the program of a task, and write it.

    MODULE:TASK is the import path of a dspy_dlpo.Task, or of a function that returns one. The price is told first. On a
    terminal you are asked before money is spent; elsewhere you are not. Ctrl-C ends the run with the best so far, a
    second one at once.
    """
    _check_output(output)
    with stdout_kept(quiet or as_json):
        settings.update(named_models(task_model, prompt_model))
        judging = {"width": width, "prefer": prefer, "metric_noise": metric_noise}
        settings["judging"] = replace(default_settings()["judging"], **judging)
        found = load_task(task)
        limits = Budget(metric_calls=AUTO[auto] if budget is None else budget, usd=max_usd)
        log_dir = log_dir or _new_directory(found.name or task)
        job = _Job(found, limits, settings, log_dir, output or str(Path(log_dir) / "program.json"))
        estimate = _estimated(job, ask=not yes, show=not (quiet or as_json))
        outcome = _compiled(job, estimate, quiet, as_json)
    _tell(outcome, quiet, as_json)
    _end(outcome, require_gain, log_dir)


class _Job:
    """What is to be done."""

    def __init__(self, task: Task, budget: Budget, settings: dict[str, Any], log_dir: str, output: str) -> None:
        self.task, self.budget, self.log_dir, self.output = task, budget, log_dir, output
        self.target = absolute_path("--output", output)  # the program may change the working directory
        self._settings = settings
        self.task_model, self.rates = settings.get("task_model"), settings["rates"]
        self.num_threads = settings["num_threads"] or dspy.settings.num_threads or _TASK_THREADS

    def optimizer(self, **more: Any) -> DLPOTeleprompter:
        """The optimizer, with further arguments."""
        return DLPOTeleprompter(
            self.task.metric, budget=self.budget, log_dir=self.log_dir, verbose=False, **{**self._settings, **more}
        )

    @property
    def data(self) -> dict[str, Any]:
        """The examples to learn from and to choose on."""
        return {"trainset": self.task.trainset, "valset": self.task.valset}

    def outcome(self, result: DLPOResult, estimate: Estimate) -> Outcome:
        """A result, with what is needed to show it."""
        unit = tuple(self._settings["score_range"]) == (0.0, 1.0)  # scores are told in percent
        models = Preflight(self.optimizer().settings, self.task.program).models
        return Outcome(result, estimate=estimate, unit=unit, simulated=any(map(is_simulated, models)))


def _check_output(output: str | None) -> None:
    if output is None:
        return
    if Path(output).suffix != ".json":
        raise click.BadParameter(f"{output!r} does not end in .json. Name such a file.", param_hint="--output")
    if not Path(output).absolute().parent.is_dir():
        raise click.BadParameter(f"{output!r} lies in no directory that exists. Make it first.", param_hint="--output")


def _new_directory(name: str) -> str:
    """A directory under ``runs/`` that does not exist yet, named by task and time."""
    label = re.sub(r"[^\w.-]+", "-", name).strip("-.")
    path = Path("runs") / f"{label}-{time.strftime('%Y%m%d-%H%M%S')}"
    others = (path.with_name(f"{path.name}-{number}") for number in count(2))
    return str(next(each for each in chain([path], others) if not each.exists()))


def _estimated(job: _Job, *, ask: bool, show: bool) -> Estimate:
    """Tell the price, and ask before it is paid."""
    optimizer = job.optimizer()
    said = optimizer.estimate(job.task.program, **job.data)
    n_test = len(job.task.testset or ())
    if show:
        console.print("[bold]Estimate[/bold] of what this run will cost: ", end="")
        show_estimate(said)
        if n_test:
            console.print(f"and at most {2 * n_test} runs of the program for the final claim on the testset")
        console.print(f"[bold]Run directory[/bold]  {escape(job.log_dir)}")
    if ask and can_ask() and not cost_nothing(optimizer.settings, job.task.program, said):
        if said.usd is None:
            price = "a sum that cannot be told, as a price is unknown"
        else:
            low, high = said.usd.low, said.usd.high + _most_of_claim(said, n_test)
            price = f"about ${low:.2g} to ${high:.2g}"
        if not click.confirm(f"Spend {price}?", err=True):
            raise failing.Stopped("not started; nothing was spent. Pass --budget or --max-usd to spend less.")
    return said


def _most_of_claim(said: Estimate, n_test: int) -> float:
    """US dollars that the claim on the testset will cost at most, at the estimated price of a run of the program."""
    task = sum(each.usd.high for each in said.models if each.role == "task" and each.usd is not None)
    return 2 * n_test * task / max(1.0, said.metric_calls.high)


def _compiled(job: _Job, estimate: Estimate, quiet: bool, as_json: bool) -> Outcome:
    with ExitStack() as stack:
        told: dict[str, Any] = {}
        if not quiet:
            shown = Console(stderr=True, soft_wrap=True, highlight=False) if as_json else console
            told["on_record"] = stack.enter_context(ProgressBar(job.budget, console=shown))
        try:
            program = job.optimizer(**told).compile(job.task.program, **job.data)
        except Interrupted as stopped:
            program = stopped.program
        except DLPOError as error:
            if error.result is None:
                raise
            return job.outcome(error.result, estimate)
    _write(program, job.target)
    result = program.detailed_results
    outcome = replace(job.outcome(result, estimate), program=job.output)
    if outcome.is_interrupted or outcome.failed:
        return outcome
    try:
        test, untested = _claimed(job, result, quiet, as_json)
    except KeyboardInterrupt:
        return replace(outcome, untested=str(Ending(EndedBy.INTERRUPTED)), stopped=True)
    except DLPOError as error:
        return replace(outcome, untested=str(error), test_failed=True)
    return replace(outcome, test=test, untested=untested)


def _claimed(job: _Job, result: DLPOResult, quiet: bool, as_json: bool) -> tuple[Any, str]:
    """The claim on the testset, or why there is none."""
    if not job.task.testset:
        return None, ""
    testset = unseen(list(job.task.testset), [*job.task.trainset, *(job.task.valset or ())])
    if not testset:
        return None, "not made: the inputs of all its examples are in the trainset or the valset"
    limit, cost = job.budget.usd, cost_of_claim(result, len(testset))
    if limit is not None and (cost is None or (result.spent["usd"] or 0.0) + cost > limit):
        return None, "not made: --max-usd does not pay for it"
    if not (quiet or as_json):
        left_out = len(job.task.testset) - len(testset)
        others = f", less {left_out} whose inputs are in the trainset or the valset" if left_out else ""
        console.print(f"[dim]final test on {len(testset)} examples{others}[/dim]")
    options: dict[str, Any] = {"task_model": job.task_model, "num_threads": job.num_threads, "rates": job.rates}
    with nullcontext() if quiet else whole_lines():
        return claim(job.task.program, result, job.task.metric, testset, **options), ""


def _write(program: dspy.Module, output: str) -> None:
    try:
        save_program(program, output)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise click.ClickException(
            f"The program could not be written to {output}: {error}. Its instructions are in result.json of the run "
            "directory; the same command with --log-dir writes it again."
        ) from error


def _tell(outcome: Outcome, quiet: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(outcome.to_dict(), indent=2))
    elif quiet:
        click.echo("\n".join(filter(None, [outcome.result.verdict, outcome.program])))
    else:
        console.print()
        outcome.show()
        if outcome.simulated:
            console.print("[yellow]A simulated model took part: a real one may gain more, less or nothing.[/yellow]")
        show_next(outcome.result.log_dir)


def _end(outcome: Outcome, require_gain: bool, log_dir: str) -> None:
    kept = "The best so far is written" if outcome.program else "Nothing better was found"
    goes_on = f"{kept}; the same command with --log-dir {log_dir} goes on."
    if outcome.is_interrupted:
        raise failing.Stopped(f"interrupted. {goes_on}")
    if outcome.failed:
        raise click.ClickException(f"the run ended early: {outcome.result.ended.rstrip('.')}. {goes_on}")
    if outcome.test_failed:
        raise click.ClickException(f"the final test failed. The program is written; --log-dir {log_dir} tries again.")
    if require_gain and not outcome.is_reliable_gain:
        click.get_current_context().exit(failing.NO_GAIN)
