"""``dlpo estimate``: the price of a run, before anything is spent."""

from __future__ import annotations

import json

import click

from dspy_dlpo.cli.loading import load_task
from dspy_dlpo.cli.options import aim_option, auto_option, budget_option, json_option, model_options, task_argument
from dspy_dlpo.cli.rates import rate_option
from dspy_dlpo.cli.showing import named_models, show_estimate
from dspy_dlpo.cli.streams import stdout_kept
from dspy_dlpo.core.budget import Budget
from dspy_dlpo.core.rates import Rates
from dspy_dlpo.teleprompter import DLPOTeleprompter


@click.command()
@task_argument
@auto_option
@budget_option
@click.option(
    "--probe",
    type=click.IntRange(0, 3),
    default=0,
    show_default=True,
    help="Runs of the program to make and measure, at most 3.",
)
@aim_option
@model_options
@rate_option
@json_option
def estimate(
    task: str,
    auto: str,
    budget: int | None,
    probe: int,
    aim: str | None,
    task_model: str | None,
    prompt_model: str | None,
    rates: Rates,
    as_json: bool,
) -> None:
    """Tell what optimizing a task will cost, before anything is spent.

    MODULE:TASK is the import path of a dspy_dlpo.Task, or of a function that returns one.
    """
    with stdout_kept(as_json):
        found = load_task(task)
        optimizer = DLPOTeleprompter(
            found.metric,
            auto=auto,
            budget=None if budget is None else Budget(metric_calls=budget),
            aim=aim,
            rates=rates,
            **named_models(task_model, prompt_model),
        )
        said = optimizer.estimate(found.program, trainset=found.trainset, valset=found.valset, probe=probe)
    if as_json:
        click.echo(json.dumps(said.to_dict(), indent=2))
    else:
        show_estimate(said)
