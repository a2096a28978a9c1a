"""``dlpo tune``: search for better settings, with any number of workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

import click
from rich.markup import escape

from dspy_dlpo.cli.failing import Stopped
from dspy_dlpo.cli.loading import load_tasks
from dspy_dlpo.cli.options import json_option
from dspy_dlpo.cli.rates import rate_option, shared_rates
from dspy_dlpo.cli.showing import console, named_models, show_estimate
from dspy_dlpo.cli.streams import stdout_kept
from dspy_dlpo.core.rates import Rates


@click.command()
@click.argument("task", metavar="MODULE:TASK")
@click.option("--trials", "n_trials", default=40, show_default=True, help="Settings to try; the first are the shipped.")
@click.option(
    "--workers", default=1, show_default=True, help="Processes on this machine; each does one trial at a time."
)
@click.option("--storage", help="URL or SQLite file; DLPO_STORAGE, else dlpo-tuning.db, by default. No password here.")
@click.option("--study", "study_name", default="dlpo-tuning", show_default=True, help="Name of the study.")
@click.option("--budget-per-trial", default=600, show_default=True, help="Program runs of one run of the optimizer.")
@click.option(
    "--seeds-per-trial", default=1, show_default=True, help="Runs of the optimizer for each setting and task."
)
@click.option(
    "--pruning",
    type=click.Choice(["auto", "pairs", "steps", "none"]),
    default="auto",
    show_default=True,
    help="When a setting is given up that is clearly worse.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of all chance.")
@click.option("--threads", "num_threads", type=int, help="Calls in parallel, in each worker.")
@click.option("--artifacts", help="Directory of runs and reports, shared by all machines; DLPO_ARTIFACTS by default.")
@click.option("--task-model", help="The model that runs the program, such as openai/gpt-4o-mini.")
@click.option("--prompt-model", help="The model that writes edits, such as openai/gpt-4o.")
@rate_option
@click.option("--price", "only_price", is_flag=True, help="Tell what it will cost at most, and spend nothing.")
@json_option
@click.option("--helper", is_flag=True, hidden=True, help="Try settings only; another process makes the claim.")
def tune(
    task: str,
    workers: int,
    storage: str | None,
    artifacts: str | None,
    task_model: str | None,
    prompt_model: str | None,
    rates: Rates,
    only_price: bool,
    as_json: bool,
    helper: bool,
    **arguments: Any,
) -> None:
    """Search for better settings of the optimizer.

    MODULE:TASK is the import path of a dspy_dlpo.Task (or several), or of a function that returns one. The same command
    on another machine, with the same storage and study, helps; the same command again goes on where it stopped.
    """
    with _can_go_on(), stdout_kept(as_json):
        from dspy_dlpo.tuning import search
        from dspy_dlpo.tuning.address import refuse_shown_password

        refuse_shown_password(storage)
        arguments = {name: value for name, value in arguments.items() if value is not None}
        arguments.update(named_models(task_model, prompt_model), rates=shared_rates(rates, workers))
        tasks = load_tasks(task)
        own = {"storage": storage, "artifacts": artifacts, **arguments}
        if helper:
            with search.Search(tasks, **own) as helping:
                helping.work(_show_trial, _while_child_of(os.getppid()))
            return
        price = search.price(tasks, **{name: value for name, value in arguments.items() if name != "study_name"})
        _show_price(price, only_price)
        result = None
        if not only_price:
            with _helpers(max(0, workers - 1), storage, artifacts):
                result = search.tune(tasks, on_trial=_show_trial, **own)
    if as_json:
        click.echo(json.dumps(_price_data(price) if result is None else _result_data(result), indent=2))
    elif result is not None:
        _conclude(result)


def _price_data(price: Any) -> dict[str, Any]:
    shown = {name: getattr(price, name) for name in ("trials", "runs", "test_runs", "usd")}
    return {**shown, "estimates": [each.to_dict() for each in price.each]}


def _result_data(result: Any) -> dict[str, Any]:
    shown = {name: getattr(result, name) for name in ("verdict", "params", "line", "trials", "spent", "storage")}
    return {**shown, "claim": asdict(result.claim)}


@contextmanager
def _can_go_on() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped("stopped. The same command goes on from here.") from None


# Seconds that helpers have at the end of a search to show the trials that they ended last.
LAST_WORDS = 60.0


@contextmanager
def _helpers(count: int, storage: str | None, artifacts: str | None) -> Iterator[None]:
    """Further processes that run this very command; what they are given to keep is in their environment."""
    kept = {"DLPO_STORAGE": storage, "DLPO_ARTIFACTS": artifacts}
    environment = {**os.environ, **{name: value for name, value in kept.items() if value}}
    command = [sys.executable, "-m", "dspy_dlpo.cli", *sys.argv[1:], "--helper"]
    processes = [subprocess.Popen(command, env=environment) for _ in range(count)]
    patience = 0.0
    try:
        yield
        patience = LAST_WORDS
    finally:
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
            process.terminate()
            process.wait()


def _while_child_of(parent: int) -> Callable[[], None]:
    """Ends a helper whose parent has died, so that nobody spends unseen."""

    def check() -> None:
        if os.getppid() != parent:
            raise SystemExit(1)

    return check


def _show_price(price: Any, alone: bool) -> None:
    runs = "no limit of" if price.runs is None else f"at most {price.runs:,}"
    console.print(f"[bold]Price[/bold]  {price.trials} settings: {runs} runs of the program, ", end="")
    console.print(f"{price.test_runs:,} of them for the final claim")
    if price.usd is not None:
        console.print(f"       about ${price.usd[0]:.2f} to ${price.usd[1]:.2f}; settings that are given up cost less")
    if alone:
        for each in price.each:
            console.print("[bold]Estimate[/bold] of one run of the optimizer")
            show_estimate(each)


def _show_trial(trial: Any) -> None:
    known = trial.user_attrs
    head = f"trial {trial.number:3d}  {trial.state.name.lower():8s}"
    score = "" if known.get("score") is None else f"  score {known['score']:.3f}"
    words = f"  {known['words']:.0f} words" if known.get("words") is not None else ""
    click.echo(f"{head}{score}{words}  {known.get('runs', 0):,} runs")


def _conclude(result: Any) -> None:
    claim = result.claim
    console.print(f"[bold]Verdict[/bold]  {escape(result.verdict)}")
    console.print(
        f"         on test: {claim.start * 100:.1f} % as you brought it, {claim.shipped * 100:.1f} % with the shipped "
        f"settings, {claim.chosen * 100:.1f} % with those of trial {claim.trial}"
    )
    counts = ", ".join(f"{count} {what}" for what, count in result.trials.items() if count)
    money = result.spent["usd"]
    console.print(f"[bold]Spent[/bold]    {result.spent['runs'] or 0:,.0f} runs in {counts}", end="")
    console.print("" if money is None else f"; ${money:.2f}")
    console.print("[bold]Use it[/bold]")
    console.print(escape(result.line))
    console.print(f"[bold]Look[/bold]     dlpo dashboard  ({escape(result.storage)})")
