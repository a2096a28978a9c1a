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

METADATA, NOTE, _LOG_DIR = "metadata", "dspy_dlpo", "log_dir"
# What DSPy puts into the metadata of every program that it saves.
_VERSIONS = "dependency_versions"


def is_program(content: Any) -> bool:
    """Whether the content of a JSON file is a program that ``program.save`` wrote."""
    metadata = content.get(METADATA) if isinstance(content, Mapping) else None
    return isinstance(metadata, Mapping) and _VERSIONS in metadata


def origin(result: DLPOResult, path: Path) -> dict[str, Any]:
    """What the file of a program says of its run: the verdict, with its figures, and where the run directory lies.

    Args:
        result: The run's result.
        path: The file; the directory is told from there, so that both may move together.
    """
    found = result.comparison
    return {
        "verdict": result.verdict,
        "start": found.start,
        "best": found.best,
        "interval": list(found.interval),
        "examples": found.examples,
        "metric_calls": result.spent.get("metric_calls"),
        _LOG_DIR: None if result.log_dir is None else _from(path, result.log_dir),
    }


def run_directory(content: Mapping[str, Any], path: Path) -> Path:
    """The directory of the run that a saved program comes from.

    Args:
        content: What the file holds.
        path: The file.

    Raises:
        RunDirectoryError: If it comes from none, or does not say.
    """
    note = content[METADATA].get(NOTE)
    log_dir = note.get(_LOG_DIR) if isinstance(note, Mapping) else None
    if not isinstance(log_dir, str):
        raise RunDirectoryError(
            f"{path} is a program that does not say of what run directory it is. Pass the log_dir of the run; `dlpo "
            "compile` and save_program() write it into the programs that they save."
        )
    return path.absolute().parent / log_dir


def _from(path: Path, log_dir: str) -> str:
    """Where a directory lies, seen from that of a file."""
    there = Path(log_dir).expanduser().absolute()
    try:
        return Path(os.path.relpath(there, path.absolute().parent)).as_posix()
    except ValueError:  # on another drive
        return there.as_posix()
