"""``dlpo apply``: the instructions that a run found, in a saved program."""

from __future__ import annotations

import json
from typing import Any

import click

from dspy_dlpo.cli.loading import load_task
from dspy_dlpo.cli.options import UserPath, json_option, run_argument
from dspy_dlpo.cli.streams import stdout_kept
from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.host.parameters import INSTRUCTIONS
from dspy_dlpo.host.saved_texts import SavedInstructions, SavedParameters, SavedTexts
from dspy_dlpo.host.saving import SavedProgram
from dspy_dlpo.report.loading import run_path


@click.command("apply")
@run_argument
@click.argument("program", type=UserPath(dir_okay=False), metavar="PROGRAM.json")
@click.option("--revert", is_flag=True, help="Write back what the run started from.")
@click.option("--force", is_flag=True, help="Overwrite instructions that are neither the run's start nor its best.")
@click.option(
    "--task",
    metavar="MODULE:TASK",
    help="The task of the run; needed only where it improved descriptions of fields or tools, too.",
)
@json_option
def apply_run(run: str, program: str, revert: bool, force: bool, task: str | None, as_json: bool) -> None:
    """Write the instructions that a run found into a saved program.

    RUN is a run directory, a saved result or a saved program, as for dlpo report. PROGRAM.json is what program.save()
    wrote: its instructions are replaced, whole or not at all, and the rest stays. Where they have been edited since the
    run, nothing is written without --force.
    """
    result, saved = DLPOResult.load(run), SavedProgram(program)
    with stdout_kept():
        texts = _texts(saved, result, task)
        done = _applied(texts, result, program, revert, force)
    if done["changed"]:
        saved.note(None if revert else result, str(run_path(run)))
        saved.write()
    click.echo(json.dumps(done, indent=2) if as_json else _sentences(done))


def _texts(saved: SavedProgram, result: DLPOResult, task: str | None) -> SavedTexts:
    if task is not None:
        return SavedParameters(saved, load_task(task).program, result.parameters)
    if result.parameters == tuple(INSTRUCTIONS):
        return SavedInstructions(saved, result.start_prompts)
    raise click.UsageError(
        f"the run improved {', '.join(result.parameters)}, and only its program tells where these belong in the file. "
        "Pass --task MODULE:TASK."
    )


def _applied(texts: SavedTexts, result: DLPOResult, program: str, revert: bool, force: bool) -> dict[str, Any]:
    """Put the texts in their place, and tell what that changed."""
    now, (start, best) = texts.now(), texts.versions(result)
    edited = [name for name in now if now[name] not in (start[name], best[name])]
    if edited and not force:
        raise ValueError(
            f"{program} has been edited since: the instructions of {', '.join(edited)} are neither the run's start nor "
            "its best, and nothing was written. Pass --force to overwrite them, or look at dlpo diff and take over by "
            "hand what you want."
        )
    target = start if revert else best
    changed = [name for name in now if now[name] != target[name]]
    texts.put({name: target[name] for name in changed})
    return {
        "program": program,
        "wrote": "start" if revert else "best",
        "changed": changed,
        "overwritten": edited,
        "verdict": result.verdict,
        "complete": result.complete,
        "log_dir": result.log_dir,
    }


def _sentences(done: dict[str, Any]) -> str:
    what = f"the {done['wrote']} instructions of the run"
    if not done["changed"]:
        return f"{done['program']} has {what} already: nothing was written.\nThe run: {done['verdict']}"
    return f"{done['program']} has {what} now; changed: {', '.join(done['changed'])}.\nThe run: {done['verdict']}"
