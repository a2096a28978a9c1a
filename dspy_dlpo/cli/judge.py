"""``dlpo judge``: whether a metric is worth optimizing for."""

from __future__ import annotations

import functools
import inspect
import json
import shlex
from typing import Any

import click
import dspy
from rich.markup import escape

from dspy_dlpo import Budget, DLPOTeleprompter, Estimate, HumanLabel, JudgeReport, Task, judge_metric
from dspy_dlpo.appraisal.appraising import EXAMPLES, refuse_sets
from dspy_dlpo.appraisal.labels import read_labels
from dspy_dlpo.cli import failing
from dspy_dlpo.cli.free import is_free, is_simulated
from dspy_dlpo.cli.loading import load_task
from dspy_dlpo.cli.options import UserPath, json_option, quiet_option, task_argument
from dspy_dlpo.cli.showing import called, console, named_models, show_estimate
from dspy_dlpo.cli.streams import can_ask, stdout_kept
from dspy_dlpo.estimate.estimate import Span
from dspy_dlpo.estimate.estimator import Estimator
from dspy_dlpo.host.program import models_of, unset_models
from dspy_dlpo.run.settings import check_data


@click.command()
@task_argument
@click.option(
    "--examples",
    type=click.IntRange(min=2),
    default=EXAMPLES,
    show_default=True,
    help="Examples that the program runs on, once.",
)
@click.option(
    "--labels",
    type=UserPath(exists=True, dir_okay=False),
    help="JSON lines with example, output and score: people's scores of outputs, for which the program does not run.",
)
@click.option("--task-model", metavar="MODEL", help="Runs the program, such as openai/gpt-4o-mini.")
@click.option("--threads", "num_threads", type=click.IntRange(min=1), help="Calls in parallel; DSPy's own by default.")
@click.option("--seed", default=0, show_default=True, help="Seed of the draw of examples.")
@click.option(
    "--min-agreement",
    type=click.FloatRange(-1, 1),
    help=f"Exit with {failing.NO_GAIN} if the metric agrees less: with people, or without --labels with itself.",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask before money is spent.")
@quiet_option
@json_option
def judge(
    task: str,
    examples: int,
    labels: str | None,
    task_model: str | None,
    min_agreement: float | None,
    yes: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Tell whether a metric is worth optimizing for, above all one that asks a model.

    The program runs once on some examples, and the metric scores the outputs twice: how it agrees with itself and with
    people's labels, how large a gain can be noise, and whether longer outputs score higher. The price is told first.
    """
    with stdout_kept(quiet or as_json):
        found = load_task(task)
        refuse_sets(found.metric)
        given = None if labels is None else read_labels(labels)
        named = named_models(task_model, None)
        _estimated(found, examples, given, named, ask=not yes, show=not (quiet or as_json))
        report = judge_metric(found, examples=examples, labels=given, **named, **options)
    simulated = any(map(is_simulated, _models(found, given, named)))
    _tell(report, task, simulated, quiet, as_json)
    if min_agreement is not None and (report.agreement is None or report.agreement < min_agreement):
        click.get_current_context().exit(failing.NO_GAIN)


def _estimated(
    task: Task, examples: int, labels: list[HumanLabel] | None, named: dict[str, Any], *, ask: bool, show: bool
) -> None:
    """Tell the price, and ask before it is paid."""
    runs = 0 if labels is not None else min(examples, len(task.trainset) + len(task.valset or ()))
    scorings = 2 * (runs or len(labels or ()))
    said = _price(task, runs, named) if runs else None
    if show:
        if said:
            console.print("[bold]Estimate[/bold] of what this will cost: ", end="")
            show_estimate(said)
        console.print(f"{scorings} calls of the metric; what a model costs that it asks is not known before")
    if ask and can_ask() and not all(map(is_free, _models(task, labels, named))):
        price = "a sum that cannot be told" if said is None or said.usd is None else f"about ${said.usd.high:.2g}"
        program = f"{price} on the program, and " if said else ""
        if not click.confirm(f"Spend {program}what {scorings} calls of the metric cost?", err=True):
            raise failing.Stopped("not started; nothing was spent. Pass --examples to spend less.")


def _price(task: Task, runs: int, named: dict[str, Any]) -> Estimate:
    writer = named.get("task_model") or dspy.settings.lm or next(iter(models_of(task.program)), None)  # not asked
    optimizer = DLPOTeleprompter(task.metric, budget=Budget(runs), prompt_model=writer, **named)
    data = check_data(optimizer.settings, task.trainset, task.valset)
    models = Estimator(optimizer.settings, task.program, data).plain_runs(runs)
    return Estimate(Span(runs, runs), models)


def _models(task: Task, labels: Any, named: dict[str, Any]) -> list[Any]:
    """The models that will be asked, as far as that shows."""
    program = [] if labels is not None else models_of(task.program)
    general = named.get("task_model") or dspy.settings.lm
    unset = [general] if labels is None and unset_models(task.program) else []
    return [each for each in [*program, *unset, *_models_of_metric(task.metric)] if each is not None]


def _models_of_metric(metric: Any) -> list[Any]:
    """The models that a metric names, in the functions of its module too, and the general one, which it may ask."""
    home = getattr(metric, "__module__", None)
    models, todo, seen = [dspy.settings.lm], [metric, *getattr(metric, "__dict__", {}).values()], set[int]()
    while todo:
        each = todo.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, dspy.BaseLM):
            models.append(each)
        elif isinstance(each, dspy.Module):
            models += models_of(each)
        elif isinstance(each, functools.partial):
            todo += [each.func, *each.args, *each.keywords.values()]
        elif (inspect.isfunction(each) or inspect.ismethod(each)) and (each is metric or each.__module__ == home):
            names = inspect.getclosurevars(inspect.unwrap(each))
            todo += [*names.nonlocals.values(), *names.globals.values()]
    return models


def _tell(report: JudgeReport, task: str, simulated: bool, quiet: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({**report.to_dict(), "simulated": simulated}, indent=2))
        return
    click.echo(str(report))
    if quiet:
        return
    if simulated:
        console.print("[yellow]A simulated model took part: a real metric may be better or worse.[/yellow]")
    if report.noise:
        command = shlex.join([called(), "compile", task, "--metric-noise", f"{report.noise:.3g}"])
        console.print(f"[bold]Next[/bold]  {escape(command)}  (its verdict says if a gain lies within this noise)")
