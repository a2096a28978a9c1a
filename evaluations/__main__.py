"""The benchmark: ``python -m evaluations run``, ``work``, ``report``, ``headroom``, ``report-local``, ``worlds``."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from evaluations.endpoint import Endpoint, EndpointLost
from evaluations.grid import Planner, Rows, work
from evaluations.suites import LOCAL_RUNS, LOCAL_TOKENS, SUITES, cells_of
from evaluations.tasks import bench_task, local_names
from evaluations.worlds.command import report_fresh, run_techniques, run_worlds, show_world

console = Console(highlight=False, soft_wrap=True)
RESULTS = Path(__file__).parent / "results"


@click.group()
def main() -> None:
    """Compare DLPO with other prompt optimizers under equal caps."""


main.add_command(show_world)
main.add_command(run_worlds)
main.add_command(report_fresh)
main.add_command(run_techniques)


@main.command()
@click.option("--suite", type=click.Choice(SUITES), default="quick", show_default=True)
@click.option("--task", "tasks", multiple=True, help="Only this task; may be given several times.")
@click.option("--arm", "arms", multiple=True, help="Only this arm; may be given several times.")
@click.option("--task-model", help="A real model that runs the programs; the simulated one by default.")
@click.option("--prompt-model", help="A real model that writes prompts; the simulated one by default.")
@click.option("--budget", "budgets", multiple=True, type=int, help="Cap on program runs; may be given several times.")
@click.option("--seeds", default=5, show_default=True, help="Seeds from 0.")
@click.option("--jobs", type=int, help="Processes; 2 by default, and 1 in the suite local, whose model is one.")
@click.option("--threads", default=1, show_default=True, help="Calls in parallel in each process.")
@click.option("--api-base", help="URL of an OpenAI-compatible endpoint that has the models of the suite local.")
@click.option("--max-tokens", default=LOCAL_TOKENS, show_default=True, help="Of the task model, in the suite local.")
@click.option("--storage", help="Optuna storage URL; a SQLite file beside the results by default.")
@click.option("--data-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Local data files.")
@click.option("--out", type=click.Path(path_type=Path), help="Directory of the rows.")
@click.option("--yes", is_flag=True, help="Do not ask before real models are paid for.")
def run(
    suite: str,
    tasks: Sequence[str],
    arms: Sequence[str],
    task_model: str | None,
    prompt_model: str | None,
    budgets: Sequence[int],
    seeds: int,
    jobs: int | None,
    threads: int,
    api_base: str | None,
    max_tokens: int,
    storage: str | None,
    data_dir: Path | None,
    out: Path | None,
    yes: bool,
) -> None:
    """Run a grid, or go on with it."""
    is_local = suite == "local"
    if is_local != bool(api_base):
        raise click.ClickException("The suite local needs --api-base, and no other suite takes it.")
    try:
        cells = cells_of(
            suite,
            seeds=seeds,
            budgets=budgets or ((LOCAL_RUNS,) if is_local else (600, 2000)),
            tasks=tasks or None,
            arms=arms or None,
            task_model=task_model,
            prompt_model=prompt_model,
            max_tokens=max_tokens,
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    folder = out or RESULTS / suite
    rows = Rows(folder)
    finished = rows.keys()
    missing = [cell for cell in cells if cell.key not in finished]
    to_come = sum(cell.runs for cell in missing)
    finished_cells = len(cells) - len(missing)
    console.print(f"{len(cells)} cells, {finished_cells} finished; at most {to_come:,} program runs to come.")
    for task, seed in dict.fromkeys((cell.task, cell.seed) for cell in missing if cell.task_model):
        try:
            bench_task(task, seed, data_dir)  # data that cannot be had show before the first cell is paid for
        except ValueError as error:
            raise click.ClickException(f"{task}: {error}") from error
    if task_model and not api_base and not yes and not click.confirm("Real models cost money. Go on?"):
        raise SystemExit(1)
    if not missing:
        return
    storage = storage or f"sqlite:///{folder.resolve()}/grid.db"
    name = f"{suite}-{hashlib.sha256(''.join(sorted(cell.key for cell in cells)).encode()).hexdigest()[:8]}"
    planner = Planner(storage, name, missing)
    arguments = (storage, name, folder, data_dir, threads, os.getpid(), api_base)
    _run_workers(planner, arguments, jobs or (1 if is_local else 2), rows)
    console.print(f"{len(rows.keys() & {cell.key for cell in cells})} of {len(cells)} cells finished: {folder}")


@main.command()
@click.option("--rows", "folder", type=click.Path(exists=True, path_type=Path), help="Of the suite quick by default.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the pages go; beside the rows by default.")
def report(folder: Path | None, out: Path | None) -> None:
    """Write the report of a grid: Markdown and HTML."""
    from evaluations.report import write_report

    folder = folder or RESULTS / "quick"
    rows = Rows(folder).read() if folder.is_dir() else []
    if not rows:
        raise click.ClickException(f"{folder} holds no rows. Run a grid first.")
    for path in write_report(rows, out or folder):
        console.print(str(path))


@main.command()
@click.option("--api-base", required=True, help="URL of an OpenAI-compatible endpoint.")
@click.option("--task-model", required=True, help="The model there, as openai/NAME.")
@click.option("--task", "tasks", multiple=True, help="Only this task; may be given several times.")
@click.option("--max-tokens", default=LOCAL_TOKENS, show_default=True, help="Of a reply.")
@click.option("--threads", default=1, show_default=True, help="Calls in parallel.")
@click.option("--data-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Local data files.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "local", help="Directory of headroom.jsonl.")
def headroom(
    api_base: str,
    task_model: str,
    tasks: Sequence[str],
    max_tokens: int,
    threads: int,
    data_dir: Path | None,
    out: Path,
) -> None:
    """Measure start and reference instructions on questions kept for that, or go on with it."""
    from evaluations.headroom import Measurement, measure_all

    how = Measurement(task_model, max_tokens, Endpoint(api_base, out), data_dir, threads)
    try:
        for row in measure_all(out, tasks or local_names(), how):
            console.print(f"{row['task']}: start {row['start']:.2f}, reference {row['reference']:.2f}")
    except (ValueError, EndpointLost) as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option("--rows", "folder", required=True, type=click.Path(exists=True, path_type=Path))
def gather(folder: Path) -> None:
    """Put the rows of a grid, which each process wrote to a file of its own, into one file."""
    console.print(str(Rows(folder).gather("rows.jsonl")))


@main.command("report-local")
@click.option(
    "--rows",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=RESULTS / "local",
    help="Directory of the rows and of headroom.jsonl.",
)
def report_local(folder: Path) -> None:
    """Print the table of the suite local, as Markdown."""
    from evaluations.report.local import local_figures

    text = local_figures(folder)
    if not text:
        raise click.ClickException(f"{folder} holds no rows. Run the suite local first.")
    click.echo(text, nl=False)


@main.command("work")
@click.option("--storage", required=True, help="Optuna storage URL of the grid.")
@click.option("--study", required=True, help="Name of the grid's study.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Directory of the rows.")
@click.option("--data-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Local data files.")
@click.option("--threads", default=1, show_default=True, help="Calls in parallel.")
@click.option("--api-base", help="URL of the endpoint that has the models of the suite local.")
def work_on(storage: str, study: str, out: Path, data_dir: Path | None, threads: int, api_base: str | None) -> None:
    """Help with a grid from another machine: run waiting cells until none is left."""
    console.print(f"{work(storage, study, out, data_dir, threads, api_base=api_base)} cells run")


def _run_workers(planner: Planner, arguments: tuple[Any, ...], jobs: int, rows: Rows) -> None:
    """Start workers, keep them busy, show how far they are, and start anew those that die."""
    context = multiprocessing.get_context("spawn")
    before, restarts = len(rows.keys()), 0
    workers = [context.Process(target=work, args=arguments) for _ in range(min(jobs, planner.total))]
    for worker in workers:
        worker.start()
    columns = (TextColumn("cells"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("cells", total=planner.total)
        while (unfinished := planner.plan()) or any(worker.is_alive() for worker in workers):
            time.sleep(0.5)
            bar.update(task, completed=rows.count() - before)
            if restarts >= 5 * jobs and not any(worker.is_alive() for worker in workers):
                raise click.ClickException("The workers die again and again; what is above says why. Run it again.")
            for i, worker in enumerate(workers):
                if not worker.is_alive() and (worker.exitcode or unfinished) and restarts < 5 * jobs:
                    restarts += 1
                    workers[i] = context.Process(target=work, args=arguments)
                    workers[i].start()


if __name__ == "__main__":
    main()
