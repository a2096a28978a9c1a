"""``dlpo estimate``: the price of a run, before anything is spent."""

from __future__ import annotations

import json

import click

from dspy_dlpo.cli.showing import named_models, show_estimate, told_shortly
from dspy_dlpo.core.budget import AUTO, Budget
from dspy_dlpo.loading import load_task
from dspy_dlpo.teleprompter import DLPOTeleprompter


@click.command()
@click.argument("task", metavar="MODULE:TASK")
@click.option("--auto", type=click.Choice(sorted(AUTO, key=AUTO.__getitem__)), default="light", show_default=True)
@click.option("--budget", type=int, help="Runs of the program that may be spent, instead of --auto.")
@click.option("--probe", default=0, show_default=True, help="Runs of the program to make and measure, at most 3.")
@click.option("--task-model", help="The model that runs the program, such as openai/gpt-4o-mini.")
@click.option("--prompt-model", help="The model that writes edits, such as openai/gpt-4o.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def estimate(
    task: str,
    auto: str,
    budget: int | None,
    probe: int,
    task_model: str | None,
    prompt_model: str | None,
    as_json: bool,
) -> None:
    """Tell what optimizing a task will cost, before anything is spent.

    MODULE:TASK is the import path of a dspy_dlpo.Task, or of a function that returns one.
    """
    with told_shortly():
        found = load_task(task)
        optimizer = DLPOTeleprompter(
            found.metric,
            auto=auto,
            budget=None if budget is None else Budget(metric_calls=budget),
            **named_models(task_model, prompt_model),
        )
        said = optimizer.estimate(found.program, trainset=found.trainset, valset=found.valset, probe=probe)
    if as_json:
        click.echo(json.dumps(said.to_dict(), indent=2))
    else:
        show_estimate(said)
