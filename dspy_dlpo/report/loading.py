"""A result, read back from a run directory or from the file that `DLPOResult.save` wrote."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dspy_dlpo.core.edits import Edit
from dspy_dlpo.core.ending import EndedBy
from dspy_dlpo.core.errors import RunDirectoryError
from dspy_dlpo.core.events import What
from dspy_dlpo.core.history import History, Prompts
from dspy_dlpo.core.json_lines import UNREADABLE
from dspy_dlpo.core.origin import is_program, run_of
from dspy_dlpo.core.reading import record_from_data
from dspy_dlpo.core.result import Comparison, DLPOResult
from dspy_dlpo.core.run_costs import judged_costs
from dspy_dlpo.core.sentences import ENGLISH
from dspy_dlpo.core.state import RunState
from dspy_dlpo.core.storage import RESULT
from dspy_dlpo.core.tally import bill
from dspy_dlpo.report.directory import argument, check_directory, read_log, read_object, read_settings

# Why a run has "ended" that has not.
NOT_ENDED = "not ended: it is still running, or was stopped in the middle"


def load_result(path: str | os.PathLike[str]) -> DLPOResult:
    """Read a result from a run directory, whether the run has ended or not, from a file, or of a saved program.

    Raises:
        RunDirectoryError: If there is no run, or it cannot be read.
    """
    path = run_path(path)
    if path.is_file():
        return _from_data(read_object(path), path)
    check_directory(path)
    state = read_log(path).state
    history = History(state.history)
    ended = _from_data(read_object(path / RESULT), path / RESULT) if (path / RESULT).is_file() else None
    if ended is not None and (not len(history) or _same(history, ended.history)):
        return dataclasses.replace(ended, log_dir=str(path))
    return _unended(path, state, "" if ended is None else ended.verdict)


def run_path(path: str | os.PathLike[str]) -> Path:
    """Where a result is read from: a run directory, or a saved result; for a saved program that of its run.

    Raises:
        RunDirectoryError: If a file cannot be read, or is a program that does not say of what run it is.
    """
    path = Path(path).expanduser()
    while path.is_file() and is_program(content := read_object(path)):
        path = run_of(content, path)
    return path


def _same(first: History, second: History) -> bool:
    """Whether two histories tell of the same records."""
    return [(each.kind, each.index, each.cost) for each in first] == [
        (each.kind, each.index, each.cost) for each in second
    ]


def _from_data(data: Mapping[str, Any], path: Path) -> DLPOResult:
    """The result that plain data hold."""
    try:
        compared = dict(data["comparison"])
        compared["interval"] = tuple(compared["interval"])
        compared["scores"] = tuple({int(x): score for x, score in each.items()} for each in compared["scores"])
        known = {each.name for each in dataclasses.fields(DLPOResult)}
        fields = {name: value for name, value in data.items() if name in known}
        fields["comparison"] = Comparison(**compared)
        fields["history"] = History([record_from_data(each) for each in data["history"]])
        fields["ended_by"] = EndedBy(data.get("ended_by", EndedBy.NOT_ENDED))  # older versions did not say
        for name in ("parameters", "languages"):
            if name in fields:
                fields[name] = tuple(fields[name])
        if "declined" in fields:
            fields["declined"] = tuple(Edit(**each) for each in fields["declined"])
        return DLPOResult(**fields)
    except UNREADABLE as error:
        raise RunDirectoryError(
            f"{path} is no result of this version: {type(error).__name__} {error}. Pass another run, or read it with "
            "the version that wrote it."
        ) from error


def _unended(path: Path, state: RunState, earlier: str) -> DLPOResult:
    """What is known of a run that has not ended, or was taken up again after its end."""
    history, settings = History(state.history), read_settings(path)
    best, start = history.best(), history[0].prompts if history else _prompts(settings)
    said = _so_far(history, state.paid)
    if earlier:
        said = f"this run was taken up again and has not ended (before: {earlier}): {said}"
    else:
        said = f"this run has not ended: {said}"
    lost = state.missing(What.RUN), state.missing(What.ASK)
    return DLPOResult(
        verdict=f"{said}; nothing was compared on held-out examples, so no gain can be claimed",
        start_prompts=start,
        best_prompts=start if best is None else best.prompts,
        comparison=Comparison(),
        history=history,
        spent=bill(state.tallies(), state.paid, sum(each.seconds for each in history), lost),
        ended=f"{state.ended}; the choice on held-out examples has not ended" if state.ended else NOT_ENDED,
        log_dir=str(path),
        complete=False,
        parameters=_parameters(settings),
        languages=tuple(settings.get("languages") or ENGLISH),
        run_usd=judged_costs(state),
    )


def _so_far(history: History, metric_calls: int) -> str:
    best = history.best()
    if best is None:
        return f"{metric_calls} runs of the program, and no record yet"
    mean = sum(best.scores.values()) / max(1, len(best.scores))
    return f"the best so far scores {mean:.2f} on {len(best.scores)} training examples"


def _parameters(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds of text that the prompts of a run hold."""
    kinds = argument(settings, "parameters")
    return tuple(map(str, kinds)) if isinstance(kinds, list) else ("instructions",)


def _prompts(settings: Mapping[str, Any]) -> Prompts:
    program = settings.get("program")
    found = program.get("prompts") if isinstance(program, dict) else None
    return {str(name): str(text) for name, text in found.items()} if isinstance(found, dict) else {}
