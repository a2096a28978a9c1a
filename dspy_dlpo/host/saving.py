"""A program on the disk, and the run that it comes from."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import dspy

from dspy_dlpo.core.origin import METADATA, NOTE, is_program, origin
from dspy_dlpo.core.replacing import replace_file
from dspy_dlpo.core.result import DLPOResult

# The name that DSPy gives a program which is a predictor itself; its state is then the whole file.
_ITSELF = "self"


def save_program(program: dspy.Module, path: str | os.PathLike[str]) -> None:
    """Save a program as ``program.save`` does, with a note of the run that it comes from.

    The note lies in the metadata of the file, where ``program.load`` does not look: the run's verdict with its figures,
    and where the run lies. `DLPOResult.load` and the commands that take a run take such a file, too. A program
    that no `compile` of this package returned is saved without a note.

    Args:
        program: The program.
        path: The JSON file to write.

    Raises:
        ValueError: If the path does not end with ``.json``.
        RuntimeError: If DSPy cannot write the file.
    """
    path = Path(path).expanduser()
    if path.suffix != ".json":
        raise ValueError(f"path={str(path)!r} must end with .json. Pass another one, such as 'name.json'.")
    program.save(path)
    result = getattr(program, "detailed_results", None)
    if isinstance(result, DLPOResult):
        saved = SavedProgram(path)
        saved.note(result, result.log_dir)
        saved.write()


class SavedProgram:
    """The JSON file that ``program.save`` wrote; what is not replaced stays as it is.

    Args:
        path: The file.

    Raises:
        ValueError: If it cannot be read, or holds no program.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser().resolve()  # a link stays one
        try:
            self.content: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} cannot be read: {error}. Pass a file that program.save() wrote.") from error
        if not is_program(self.content):
            raise ValueError(f"{path} holds no program. Pass a file that program.save('name.json') wrote.")

    def predictor(self, name: str) -> dict[str, Any]:
        """The state of a predictor.

        Raises:
            ValueError: If there is no such predictor.
        """
        is_itself = name == _ITSELF and "signature" in self.content
        state = self.content if is_itself else self.content.get(name)
        if not isinstance(state, dict) or not isinstance(state.get("signature"), dict):
            there = ", ".join(each for each in self.content if each != METADATA)
            raise ValueError(
                f"{self.path} has no predictor {name!r}; it holds {there}. Pass a program of the shape that the run "
                "improved."
            )
        return state

    def note(self, result: DLPOResult | None, run: str | None = None) -> None:
        """Say what run the program comes from, and where that lies; None for none."""
        self.content[METADATA].pop(NOTE, None)
        if result is not None:
            self.content[METADATA][NOTE] = origin(result, self.path, run)

    def write(self) -> None:
        """Write the file, whole or not at all.

        Raises:
            OSError: If it cannot be written; it is then as it was.
        """
        text = json.dumps(self.content, indent=2, ensure_ascii=False)  # as DSPy lays it out
        try:
            replace_file(self.path, text + "\n", mode=stat.S_IMODE(self.path.stat().st_mode))
        except OSError as error:
            raise OSError(f"{self.path} cannot be written: {error}. Free its place, or make it writable.") from error
