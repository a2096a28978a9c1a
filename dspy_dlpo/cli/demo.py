"""``dlpo demo``: a small program is optimized, with all that happens shown."""

from __future__ import annotations

import json
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import click
import dspy
from rich.markup import escape

from dspy_dlpo import DLPOResult, DLPOTeleprompter, Interrupted
from dspy_dlpo.cli.failing import Stopped
from dspy_dlpo.cli.free import is_simulated
from dspy_dlpo.cli.options import UserPath, json_option, model_options, quiet_option
from dspy_dlpo.cli.outcome import Outcome
from dspy_dlpo.cli.showing import called, console, named_models, show_estimate, show_next
from dspy_dlpo.cli.streams import stdout_kept
from dspy_dlpo.core.budget import Budget
from dspy_dlpo.progress import ProgressBar
from dspy_dlpo.run.claim import score_on_test
from dspy_dlpo.simulation import simulated_lm, simulated_task, task_names


@click.command()
@click.option("--task", "name", default="object_counting", show_default=True, help="Which task to show.")
@click.option("--data", type=UserPath(exists=True, dir_okay=False), help="BIG-Bench Hard questions as JSON lines.")
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    default=700,
    show_default=True,
    help="Runs of the program that may be spent.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of all chance.")
@model_options
@click.option("--log-dir", type=UserPath(), help="Directory for the run's records; a new temporary one by default.")
@quiet_option
@json_option
def demo(
    name: str,
    data: str | None,
    budget: int,
    seed: int,
    task_model: str | None,
    prompt_model: str | None,
    log_dir: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Optimize a small program, offline on a simulated model or on models you name."""
    if name not in task_names():
        raise click.BadParameter(f"no task {name!r}. Pass one of {', '.join(task_names())}.", param_hint="--task")
    is_real = bool(task_model and prompt_model)
    with stdout_kept(quiet or as_json):
        task = simulated_task(name, data=data, seed=seed)
        simulated = simulated_lm(seed)
        named = named_models(task_model, prompt_model)
        models = {"task_model": simulated, "prompt_model": simulated, **named}
        told = None if quiet or as_json else ProgressBar(budget, edits=True, console=console)
        if told:
            _introduce(task, is_real, budget)
        log_dir = log_dir or tempfile.mkdtemp(prefix="dlpo-demo-")
        outcome = _outcome(task, models, budget, seed, log_dir, told)
    if as_json:
        click.echo(json.dumps(outcome.to_dict(), indent=2))
    elif quiet:
        click.echo(outcome.result.verdict if is_real else f"{outcome.result.verdict} (the model is simulated)")
    else:
        _conclude(outcome, simulated=not is_real)
    if outcome.is_interrupted:
        raise Stopped("interrupted.")
    if outcome.failed:
        raise click.ClickException(f"the run ended early: {outcome.result.ended}")


def _outcome(
    task: Any, models: dict[str, dspy.LM], budget: int, seed: int, log_dir: str, told: ProgressBar | None
) -> Outcome:
    optimizer = DLPOTeleprompter(
        task.metric,
        budget=Budget(metric_calls=budget),
        seed=seed,
        log_dir=log_dir,
        on_record=told,
        verbose=False,
        **models,
    )
    data = {"trainset": task.trainset, "valset": task.valset}
    if told:
        console.print("[bold]Estimate[/bold] of what this run will cost: ", end="")
        show_estimate(optimizer.estimate(task.program, **data))
        console.print(f"and at most {2 * len(task.testset)} runs of the program for the final claim on the testset\n")
    try:
        with told or nullcontext():
            result: DLPOResult = optimizer.compile(task.program, **data).detailed_results
    except Interrupted as stopped:
        result = stopped.result
    outcome = Outcome(result, simulated=any(map(is_simulated, models.values())))
    if outcome.is_interrupted or outcome.failed:
        return outcome
    with dspy.context(lm=models["task_model"]):
        return replace(outcome, test=score_on_test(task.program, result, task.metric, task.testset))


def _introduce(task: Any, real: bool, budget: int) -> None:
    console.print(
        f"[bold]Task[/bold] {task.name}: {len(task.trainset)} examples to learn from, {len(task.valset)} to choose on,"
    )
    console.print(f"     {len(task.testset)} held out for the final test. Budget: {budget} runs of the program.")
    example = task.trainset[0]
    for key, value in example.items():
        console.print(f"     {key}: {escape(str(value))}")
    console.print("[bold]What is optimized[/bold]: the instructions of each predictor")
    for name, predictor in task.program.named_predictors():
        console.print(f"     {name}: {escape(predictor.signature.instructions)}")
    if not real:
        console.print(
            "[yellow]The language model is simulated: this shows how it works, not what your model would gain.[/yellow]"
        )
    console.print()


def _conclude(outcome: Outcome, *, simulated: bool) -> None:
    console.print()
    outcome.show()
    show_next(outcome.result.log_dir)
    if simulated:
        console.print(
            f"[yellow]These figures come from a simulated model. On a real one:[/yellow] {escape(called())} demo "
            "--task-model openai/gpt-4o-mini --prompt-model openai/gpt-4o"
        )
