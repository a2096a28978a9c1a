"""``dlpo demo``: a small program is optimized, with all that happens shown."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import click
import dspy
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from dspy_dlpo.claim import score_on_test
from dspy_dlpo.cli.showing import console, named_models, show_estimate, told_shortly
from dspy_dlpo.core.budget import Budget
from dspy_dlpo.core.edits import Edit, diff
from dspy_dlpo.core.history import LedgerEntry, Prompts, Record
from dspy_dlpo.core.result import Comparison
from dspy_dlpo.core.sentences import split
from dspy_dlpo.report.result import DLPOResult
from dspy_dlpo.simulation import simulated_lm, simulated_task, task_names
from dspy_dlpo.teleprompter import DLPOTeleprompter


@click.command()
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
    with told_shortly():
        task = simulated_task(name, data=data, seed=seed)
        models = _models(seed, task_model, prompt_model)
        log_dir = log_dir or tempfile.mkdtemp(prefix="dlpo-demo-")
        _introduce(task, bool(task_model and prompt_model), budget)
        result = _compile(task, models, budget, seed, log_dir)
        with dspy.context(lm=models["task_model"]):
            test = score_on_test(task.program, result, task.metric, task.testset)
    _conclude(result, test, simulated=not (task_model and prompt_model))


def _models(seed: int, task_model: str | None, prompt_model: str | None) -> dict[str, dspy.LM]:
    simulated = simulated_lm(seed)
    return {"task_model": simulated, "prompt_model": simulated, **named_models(task_model, prompt_model)}


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
        show_estimate(optimizer.estimate(task.program, trainset=task.trainset, valset=task.valset))
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
