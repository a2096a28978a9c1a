"""The run that a saved program comes from: a note in the metadata of its file.

DSPy reads its own part of the metadata alone, the versions that the program was saved with, so the note is in nobody's
way, and a program that is loaded and saved once more by DSPy has lost it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dspy_dlpo.core.errors import RunDirectoryError
from dspy_dlpo.core.result import DLPOResult

METADATA, NOTE, _RUN = "metadata", "dspy_dlpo", "run"
# What DSPy puts into the metadata of every program that it saves.
_VERSIONS = "dependency_versions"


def is_program(content: Any) -> bool:
    """Whether the content of a JSON file is a program that ``program.save`` wrote."""
    metadata = content.get(METADATA) if isinstance(content, Mapping) else None
    return isinstance(metadata, Mapping) and _VERSIONS in metadata


def origin(result: DLPOResult, path: Path, run: str | None) -> dict[str, Any]:
    """What the file of a program says of its run: the verdict, with its figures, and where the run lies.

    Args:
        result: The run's result.
        path: The file; the run is told from there, so that both may move together.
        run: The run directory, or a file with the result; None for nowhere.
    """
    compared = result.comparison
    return {
        "verdict": result.verdict,
        "start": compared.start,
        "best": compared.best,
        "interval": list(compared.interval),
        "examples": compared.examples,
        "metric_calls": result.spent.get("metric_calls"),
        _RUN: None if run is None else _from(path, run),
    }


def run_of(content: Mapping[str, Any], path: Path) -> Path:
    """The run that a saved program comes from: its directory, or a file with its result.

    Args:
        content: What the file holds.
        path: The file.

    Raises:
        RunDirectoryError: If it comes from none, or does not say.
    """
    note = content[METADATA].get(NOTE)
    run = note.get(_RUN) if isinstance(note, Mapping) else None
    if not isinstance(run, str):
        raise RunDirectoryError(
            f"{path} is a program that does not say of what run it is. Pass the log_dir of the run; `dlpo "
            "compile` and save_program() write it into the programs that they save."
        )
    return path.absolute().parent / run


def _from(path: Path, run: str) -> str:
    """Where a run lies, seen from the directory of a file."""
    there = Path(run).expanduser().absolute()
    try:
        return Path(os.path.relpath(there, path.absolute().parent)).as_posix()
    except ValueError:  # on another drive
        return there.as_posix()
