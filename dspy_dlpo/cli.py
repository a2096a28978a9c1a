"""The ``dlpo`` command."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from typing import Any

import click
import dspy
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dspy_dlpo.claim import score_on_test
from dspy_dlpo.core.budget import AUTO, Budget
from dspy_dlpo.core.edits import Edit, diff
from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.core.history import LedgerEntry, Prompts, Record
from dspy_dlpo.core.result import Comparison, DLPOResult
from dspy_dlpo.core.sentences import split
from dspy_dlpo.estimate import Estimate
from dspy_dlpo.loading import load_task
from dspy_dlpo.simulation import Faults, Settings, simulated_lm, simulated_task, task_names
from dspy_dlpo.simulation import serve as serve_simulation
from dspy_dlpo.teleprompter import DLPOTeleprompter

console = Console(highlight=False, soft_wrap=True)


@click.group()
def main() -> None:
    """Improve the instructions of DSPy programs by textual gradient descent (DLPO)."""


@main.command()
@click.option("--task", "name", default="object_counting", show_default=True, help="Which task to show.")
@click.option("--data", type=click.Path(exists=True, dir_okay=False), help="BIG-Bench Hard questions as JSON lines.")
@click.option("--budget", default=700, show_default=True, help="Runs of the program that may be spent.")
@click.option("--seed", default=0, show_default=True, help="Seed of all chance.")
@click.option("--task-model", help="A real model to run the program, such as openai/gpt-4o-mini.")
@click.option("--prompt-model", help="A real model to write edits, such as openai/gpt-4o.")
@click.option("--log-dir", type=click.Path(), help="Directory for the run's records; a new temporary one by default.")
def demo(
    name: str,
    data: str | None,
    budget: int,
    seed: int,
    task_model: str | None,
    prompt_model: str | None,
    log_dir: str | None,
) -> None:
    """Optimize a small program, offline on a simulated model or on models you name."""
    if name not in task_names():
        raise click.BadParameter(f"no task {name!r}. Pass one of {', '.join(task_names())}.", param_hint="--task")
    try:
        task = simulated_task(name, data=data, seed=seed)
        models = _models(seed, task_model, prompt_model)
        log_dir = log_dir or tempfile.mkdtemp(prefix="dlpo-demo-")
        _introduce(task, bool(task_model and prompt_model), budget)
        result = _compile(task, models, budget, seed, log_dir)
        with dspy.context(lm=models["task_model"]):
            test = score_on_test(task.program, result, task.metric, task.testset)
    except (DLPOError, ValueError, TypeError) as error:
        raise click.ClickException(str(error)) from error
    _conclude(result, test, simulated=not (task_model and prompt_model))


@main.command()
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
    try:
        found = load_task(task)
        optimizer = DLPOTeleprompter(
            found.metric,
            auto=auto,
            budget=None if budget is None else Budget(metric_calls=budget),
            task_model=dspy.LM(task_model) if task_model else None,
            prompt_model=dspy.LM(prompt_model) if prompt_model else None,
        )
        said = optimizer.estimate(found.program, trainset=found.trainset, valset=found.valset, probe=probe)
    except (DLPOError, ValueError, TypeError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(said.to_dict(), indent=2))
    else:
        _show_estimate(said)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback only.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--seed", default=0, show_default=True, help="Seed of the model's answers.")
@click.option("--latency", default=0.0, show_default=True, help="Seconds that every reply takes.")
@click.option("--rate-limit", default=0.0, show_default=True, help="Share of calls answered with status 429.")
@click.option("--server-error", default=0.0, show_default=True, help="Share of calls answered with status 500 or 503.")
def serve(host: str, port: int, seed: int, latency: float, rate_limit: float, server_error: float) -> None:
    """Serve the simulated model behind an OpenAI-compatible endpoint, until Ctrl-C."""
    try:
        faults = Faults(rate_limit=rate_limit, server_error=server_error)
        serve_simulation(host, port, engine=Settings(seed=seed, latency=latency, faults=faults))
    except (ValueError, ImportError) as error:
        raise click.ClickException(str(error)) from error


def _show_estimate(said: Estimate) -> None:
    """The estimate as a table."""
    console.print(f"[bold]{said.metric_calls}[/bold] runs of the program")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("role", "model", "calls", "tokens in", "tokens out", "US dollars"):
        text = name in ("role", "model")
        table.add_column(name, justify="left" if text else "right", overflow="fold", no_wrap=not text)
    for row in said.rows():
        table.add_row(*map(escape, row), style="bold" if row[0] == "total" else "")
    console.print(table)
    for note in said.notes:
        console.print(escape(note))
    if said.probed:
        console.print(f"measured on {said.probed} runs of the program")


def _models(seed: int, task_model: str | None, prompt_model: str | None) -> dict[str, dspy.LM]:
    simulated = simulated_lm(seed)
    return {
        "task_model": dspy.LM(task_model) if task_model else simulated,
        "prompt_model": dspy.LM(prompt_model) if prompt_model else simulated,
    }


def _introduce(task: Any, real: bool, budget: int) -> None:
    console.print(
        f"[bold]Task[/bold] {task.name}: {len(task.trainset)} examples to learn from, {len(task.valset)} to choose on, "
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


def _compile(task: Any, models: dict[str, dspy.LM], budget: int, seed: int, log_dir: str) -> DLPOResult:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} runs"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("starting", total=budget)

        def show(record: Record) -> None:
            spent = record.spent["metric_calls"]
            score = f"score {record.score:.2f}" if record.score is not None and record.accepted else "searching"
            progress.update(bar, completed=spent, description=score)
            for line in _accepted_lines(record):
                progress.console.print(line)

        optimizer = DLPOTeleprompter(
            task.metric, budget=Budget(metric_calls=budget), seed=seed, log_dir=log_dir, on_record=show, **models
        )
        progress.console.print("[bold]Estimate[/bold] of what this run will cost")
        _show_estimate(optimizer.estimate(task.program, trainset=task.trainset, valset=task.valset))
        program = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
        result: DLPOResult = program.detailed_results
        progress.update(bar, completed=result.spent["metric_calls"], description="done")
    return result


def _accepted_lines(record: Record) -> list[str]:
    """What an accepted record changed, as diff lines."""
    head = f"[dim]{record.kind} {record.step:2d}, {int(record.spent['metric_calls'])} runs[/dim]"
    if record.kind in ("start", "growth"):
        return [f"{head}  score {record.score or 0:.2f} on {len(record.scores)} examples"]
    if not record.accepted or record.kind == "prune":
        return []
    effects = {entry.edit.text.strip(): entry for entry in record.ledger if entry.kept}
    lines = [f"{head}  score [bold]{record.score or 0:.2f}[/bold]"]
    for name in sorted(record.proposal):
        for line in _diff_lines(record.prompts[name], record.proposal[name]):
            entry = effects.get(line[2:])
            effect = f"  [dim]({_effect(entry)})[/dim]" if entry and record.kind == "step" else ""
            lines.append(f"     {_coloured(line)}{effect}")
    return lines


def _effect(entry: LedgerEntry) -> str:
    """What an edit was found to do, in words."""
    found = f"+{len(entry.gained)} -{len(entry.lost)} examples"
    return found if entry.gained or entry.lost else entry.reason


def _diff_lines(before: str, after: str) -> list[str]:
    """Two texts as diff lines by sentence."""
    sentences = split(before)
    show: dict[str, Callable[[Edit], list[str]]] = {
        "add": lambda edit: [f"+ {edit.text.strip()}"],
        "delete": lambda edit: [f"- {sentences[edit.at].strip()}"],
        "replace": lambda edit: [f"- {sentences[edit.at].strip()}", f"+ {edit.text.strip()}"],
        "move": lambda edit: [f"~ {sentences[edit.at].strip()} (moved)"],
    }
    lines = [line for edit in diff(before, after) for line in show[edit.op](edit)]
    # White space that moved along with a neighbour is no change that a person wants to read.
    same = {line[2:] for line in lines if line[0] == "-"} & {line[2:] for line in lines if line[0] == "+"}
    return [line for line in lines if line[2:] not in same]


def _coloured(line: str) -> str:
    colour = {"+": "green", "-": "red", "~": "blue"}[line[0]]
    return f"[{colour}]{escape(line)}[/{colour}]"


def _conclude(result: DLPOResult, test: Comparison, *, simulated: bool) -> None:
    low, high = (each * 100 for each in test.interval)
    before, after = (test.start or 0) * 100, (test.best or 0) * 100
    interval = f"95% interval {low:+.1f} .. {high:+.1f}, {test.examples} questions"
    console.print()
    console.print(f"[bold]Verdict[/bold]  {escape(result.verdict)}")
    console.print(
        f"[bold]Held-out test[/bold]  {before:.1f} % before, [bold]{after:.1f} %[/bold] after: "
        f"{test.difference * 100:+.1f} points ({interval})"
    )
    _show_prompts(result.start_prompts, result.best_prompts)
    console.print("[bold]Spent[/bold]")
    console.print(f"     {result.spent['metric_calls']} runs of the program; {result.ended}")
    for role in ("task", "critic", "writer"):
        counts = result.spent.get(role)
        if counts:
            tokens = f"{counts['input_tokens']:,} tokens in, {counts['output_tokens']:,} out"
            money = "price unknown" if counts["usd"] is None else f"${counts['usd']:.4f}"
            console.print(f"     {role}: {counts['calls']} calls, {tokens}; {money}")
    console.print(f"     and {2 * test.examples} runs for the final test")
    console.print(f"[bold]Run directory[/bold]  {result.log_dir}")
    if simulated:
        console.print(
            "[yellow]These figures come from a simulated model. On a real one:[/yellow] dlpo demo "
            "--task-model openai/gpt-4o-mini --prompt-model openai/gpt-4o"
        )


def _show_prompts(before: Prompts, after: Prompts) -> None:
    """The returned instructions, sentence by sentence, with what was added and deleted marked."""
    for name in before:
        console.print(f"[bold]Instructions of {escape(name)}[/bold]")
        changed = _diff_lines(before[name], after[name])
        for line in changed:
            if line[0] == "-":
                console.print(f"     {_coloured(line)}")
        for sentence in split(after[name]):
            line = f"+ {sentence.strip()}"
            console.print(f"     {_coloured(line) if line in changed else escape(line.replace('+', ' ', 1))}")


if __name__ == "__main__":
    main()
