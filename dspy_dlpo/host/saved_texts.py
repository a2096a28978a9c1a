"""The texts of a saved program, read and replaced where it lies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import dspy

from dspy_dlpo.core.history import Prompts
from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.host.instructions import cleaned
from dspy_dlpo.host.parameters import Kinds, read_prompts, write_prompts
from dspy_dlpo.host.program import copy_program, with_prompts
from dspy_dlpo.host.saving import SavedProgram
from dspy_dlpo.host.tools import load_program


class SavedTexts(ABC):
    """The texts of the predictors that a run improved, in the file of a program."""

    @abstractmethod
    def now(self) -> Prompts:
        """What they are."""

    @abstractmethod
    def versions(self, result: DLPOResult) -> tuple[Prompts, Prompts]:
        """The run's start and its best, as `now` would tell them if they had been put."""

    @abstractmethod
    def put(self, prompts: Prompts) -> None:
        """Put other texts in their place; the file is not written yet."""


class SavedInstructions(SavedTexts):
    """Instructions alone: they stand in the file as they are.

    Args:
        saved: The file.
        names: The predictors.

    Raises:
        ValueError: If the file has not all of them.
    """

    def __init__(self, saved: SavedProgram, names: Iterable[str]) -> None:
        self._signatures = {name: saved.predictor(name)["signature"] for name in names}

    def now(self) -> Prompts:
        """The instructions."""
        return {name: cleaned(str(signature["instructions"])) for name, signature in self._signatures.items()}

    def versions(self, result: DLPOResult) -> tuple[Prompts, Prompts]:
        """The run's start and its best; DSPy holds no empty instructions, and `compile` leaves what is there."""
        start = {name: cleaned(text) for name, text in result.start_prompts.items()}
        return start, {name: cleaned(text) or start[name] for name, text in result.best_prompts.items()}

    def put(self, prompts: Prompts) -> None:
        """Put other instructions in their place."""
        for name, text in prompts.items():
            self._signatures[name]["instructions"] = text


class SavedParameters(SavedTexts):
    """Descriptions of fields and tools, too: only a program of the same shape tells where they belong.

    Args:
        saved: The file.
        program: The program; not changed.
        kinds: The kinds of text that prompts hold.

    Raises:
        ValueError: If the file is one of another program.
    """

    def __init__(self, saved: SavedProgram, program: dspy.Module, kinds: Kinds) -> None:
        for name, _ in program.named_predictors():
            saved.predictor(name)
        self._saved, self._kinds = saved, kinds
        self._program = load_program(copy_program(program), saved.path)

    def now(self) -> Prompts:
        """The texts."""
        return read_prompts(self._program, self._kinds)

    def versions(self, result: DLPOResult) -> tuple[Prompts, Prompts]:
        """The run's start, and its best as it was written over the start: a text whose heading is lost stays.

        Raises:
            ValueError: If the run is one of another program.
        """
        if set(result.start_prompts) != set(self.now()):
            raise ValueError(
                f"The run improved {', '.join(result.start_prompts)}, and the program has {', '.join(self.now())}. "
                "Pass the task of the run."
            )
        start = with_prompts(self._program, result.start_prompts, self._kinds)
        best = with_prompts(start, result.best_prompts, self._kinds)
        return read_prompts(start, self._kinds), read_prompts(best, self._kinds)

    def put(self, prompts: Prompts) -> None:
        """Put other texts in their place: of a predictor its signature is replaced, and the rest of its state stays."""
        write_prompts(self._program, prompts, self._kinds)
        for name, predictor in self._program.named_predictors():
            self._saved.predictor(name)["signature"] = predictor.signature.dump_state()
        for name, parameter in self._program.named_parameters():
            if not isinstance(parameter, dspy.Predict):  # tool descriptions
                self._saved.content[name] = parameter.dump_state()
