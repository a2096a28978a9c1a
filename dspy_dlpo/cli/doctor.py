"""``dlpo doctor``: what a run needs, checked in plain words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click
import dspy
from rich.markup import escape

from dspy_dlpo import Task
from dspy_dlpo.cli.checks.checked import FAIL, OK, WARNING, Checked
from dspy_dlpo.cli.checks.installation import check_installation
from dspy_dlpo.cli.checks.models import PATIENCE, check_cache, check_prompt_model, check_task_model, name_of
from dspy_dlpo.cli.checks.storage import check_storage
from dspy_dlpo.cli.checks.tasks import MOST_CALLS, calls_of, check_data, check_metric, check_program
from dspy_dlpo.cli.failing import FAILED, described
from dspy_dlpo.cli.free import is_free
from dspy_dlpo.cli.loading import load_task
from dspy_dlpo.cli.options import json_option, model_options
from dspy_dlpo.cli.showing import console, named_models
from dspy_dlpo.cli.streams import can_ask, stdout_kept

_COLOURS = {OK: "green", WARNING: "yellow", FAIL: "red"}


@click.command()
@click.argument("task", metavar="[MODULE:TASK]", required=False)
@model_options
@click.option("--offline", is_flag=True, help="Call no model.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before models are called.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0, min_open=True),
    default=PATIENCE,
    show_default=True,
    help="Seconds without a sign of life after which a model does not answer; more for one on a slow machine.",
)
@json_option
def doctor(
    task: str | None,
    task_model: str | None,
    prompt_model: str | None,
    offline: bool,
    yes: bool,
    patience: float,
    as_json: bool,
) -> None:
    """Check what a run needs: versions, models, the task.

    Each model is called at most twice, with small requests; one that cannot write edits in one form is asked in the
    next. With MODULE:TASK the task is checked too, and the models that it or its module sets up. Ends with 1 if
    something fails.
    """
    found: list[Checked] = []
    with stdout_kept(as_json):
        named = named_models(task_model, prompt_model)
        for finding in _findings(task, named, offline, patience, ask=not yes and can_ask()):
            found.append(finding)
            if not as_json:
                _show(finding)
    counts = {level: sum(each.level == level for each in found) for level in _COLOURS}
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=2))
    else:
        console.print(f"{counts[OK]} ok, {counts[WARNING]} warnings, {counts[FAIL]} failed")
    click.get_current_context().exit(FAILED if counts[FAIL] else 0)


def _show(finding: Checked) -> None:
    colour = _COLOURS[finding.level]
    way_out = f"  [dim]->[/dim] {escape(finding.way_out)}" if finding.way_out else ""
    console.print(f"[{colour}]{finding.level:<8s}[/{colour}] [bold]{escape(finding.about)}[/bold]: ", end="")
    console.print(f"{escape(finding.said)}{way_out}")


def _findings(
    path: str | None, named: dict[str, Any], offline: bool, patience: float, *, ask: bool
) -> Iterator[Checked]:
    yield from check_installation()
    yield from check_storage()
    task: Task | None = None
    if path is not None:
        try:
            task = load_task(path)
        except Exception as error:  # noqa: BLE001 - the user's module may raise anything: that is what is looked for
            yield Checked(FAIL, f"task {path}", described(error))
            return
        yield Checked(OK, f"task {path}", "found")
        program = check_program(task)
        yield program
        if program.level == FAIL:
            return
        yield from check_data(task)
    yield from _on_models(task, named, offline, patience, ask=ask)


def _on_models(
    task: Task | None, named: dict[str, Any], offline: bool, patience: float, *, ask: bool
) -> Iterator[Checked]:
    prompt_model = named.get("prompt_model") or dspy.settings.lm
    task_models = _task_models(task, named)
    models = [*task_models, *([prompt_model] if prompt_model else [])]
    yield check_cache(models)
    for role, found in (("task", task_models), ("prompt", [prompt_model] if prompt_model else [])):
        if not found:
            level = WARNING if task is None else FAIL
            way_out = f"Pass --{role}-model, or call dspy.configure(lm=...) in the task's module."
            yield Checked(level, f"{role} model", "none is configured", way_out)
    if not models:
        return
    if offline or (ask and not _agreed(models)):
        names = ", ".join(dict.fromkeys(map(name_of, models)))
        yield Checked(OK, "models", f"{names}: not called, and the metric not tried")
        return
    yield from _called(task, task_models, prompt_model, named.get("task_model"), patience)


def _called(
    task: Task | None, task_models: list[Any], prompt_model: Any, general: Any, patience: float
) -> Iterator[Checked]:
    calls = calls_of(task.program) if task else None
    answered, silent = True, []
    if calls is None or calls != MOST_CALLS:  # a run of two calls is all that may be asked of the model
        for lm in task_models:
            for finding in check_task_model(lm, patience):
                answered = answered and finding.level != FAIL
                yield finding
            silent += [] if answered else [lm]
    if task is not None and task_models:
        if not answered:
            yield Checked(WARNING, "metric", "not tried, as the task model does not answer")
        elif calls is None or calls > MOST_CALLS:
            said = f"not tried: a run of the program may take more than {MOST_CALLS} calls"
            yield Checked(WARNING, "metric", said, "dlpo estimate --probe 1 runs it once.")
        else:
            yield from check_metric(task, general)
    if prompt_model is not None and not any(lm is prompt_model for lm in silent):
        own = (task.program, task.trainset[0]) if task else ()
        yield from check_prompt_model(prompt_model, *own, patience=patience)


def _task_models(task: Task | None, named: dict[str, Any]) -> list[Any]:
    """The models that run the program, each once."""
    general = named.get("task_model") or dspy.settings.lm
    found = [each.lm or general for _, each in task.program.named_predictors()] if task else [general]
    return list({id(lm): lm for lm in found if lm is not None}.values())


def _agreed(models: list[Any]) -> bool:
    """Whether the user agrees to pay for a few calls."""
    costly = list(dict.fromkeys(name_of(lm) for lm in models if not is_free(lm)))
    if not costly:
        return True
    names = ", ".join(costly)
    said = f"Call {names} at most {MOST_CALLS} times in each role? The requests are small; the provider's prices apply."
    return click.confirm(said, default=True, err=True)
