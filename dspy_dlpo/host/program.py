"""The program under optimization: copied safely, its prompts read and written, its predictors tagged."""

from __future__ import annotations

import copy
import inspect
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import dspy

from dspy_dlpo.core.errors import ProgramError
from dspy_dlpo.core.history import Prompts, prompts_key

# The attribute that marks the predictors of an evaluation copy, so that a trace step finds its name even when two
# predictors share a signature or a module copies itself as it runs.
TAG = "_dlpo_predictor"
# Where the rules begin that `dspy.ReAct` writes into the instructions of its predictor.
_REACT_RULES = "You are an Agent."
# Evaluation copies kept at a time: the incumbent, the proposal and its single edits.
KEPT_COPIES = 32


def copy_program(program: dspy.Module) -> dspy.Module:
    """Copy a program: language models stay the same objects, aliases stay aliases, the original is never touched.

    Raises:
        ProgramError: If the copy would share a predictor with the original.
    """
    modules = [program, *(module for _, module in program.named_sub_modules())]
    held = [value for module in modules for value in vars(module).values() if isinstance(value, dspy.BaseLM)]
    memo: dict[int, Any] = {id(lm): lm for lm in held}
    try:
        copied = copy.deepcopy(program, memo)
    except Exception:  # noqa: BLE001 - anything may hang on a user's program; DSPy's own copy goes attribute by attribute
        copied = program.deepcopy()
        for (_, mine), (_, theirs) in zip(copied.named_predictors(), program.named_predictors(), strict=True):
            mine.lm = theirs.lm
    if {id(p) for p in copied.predictors()} & {id(p) for p in program.predictors()}:
        raise ProgramError(
            "The program cannot be copied: the copy would share predictors with it, in a list or dict beside something "
            "that cannot be deep-copied. Give the program a __deepcopy__, or move that attribute out of it."
        )
    return copied


def read_prompts(program: dspy.Module) -> Prompts:
    """The instructions of every predictor, by name.

    Raises:
        ProgramError: If the program has no predictor.
    """
    prompts = {name: predictor.signature.instructions for name, predictor in program.named_predictors()}
    if not prompts:
        raise ProgramError(
            "The program has no predictor whose instructions could be optimized. A sub-module with _compiled=True is "
            "frozen by DSPy: set it to False to optimize it again."
        )
    return prompts


def write_prompts(program: dspy.Module, prompts: Prompts) -> None:
    """Give predictors new instructions, each through a new signature, so that no other program changes."""
    for name, predictor in program.named_predictors():
        text = inspect.cleandoc(prompts.get(name, ""))
        if text and text != predictor.signature.instructions:
            predictor.signature = predictor.signature.with_instructions(text)


def with_prompts(program: dspy.Module, prompts: Prompts) -> dspy.Module:
    """A copy of the program with new instructions."""
    copied = copy_program(program)
    write_prompts(copied, prompts)
    return copied


def editable(prompts: Prompts, frozen: Iterable[str]) -> tuple[str, ...]:
    """The predictors that may be edited: all whose names are not frozen.

    Raises:
        ProgramError: If none is left.
    """
    names = tuple(name for name in prompts if name not in set(frozen))
    if not names:
        raise ProgramError(
            f"frozen= names all predictors of the program ({', '.join(prompts)}). Leave at least one out."
        )
    return names


def unset_models(program: dspy.Module) -> tuple[str, ...]:
    """The predictors that have no language model of their own."""
    return tuple(name for name, predictor in program.named_predictors() if predictor.lm is None)


def protected_text(program: dspy.Module, name: str) -> str:
    """What a module needs in its predictor's instructions to work: the tools and rules that ReAct writes there."""
    for _, module in program.named_sub_modules():
        if isinstance(module, dspy.ReAct) and module.react is dict(program.named_predictors()).get(name):
            text = str(module.react.signature.instructions)
            start = text.find(_REACT_RULES)
            return text[start:].rstrip() if start >= 0 else text
    return ""


def describe(program: dspy.Module) -> str:
    """The program's predictors and their fields, one line each, for the critic."""
    lines = []
    for name, predictor in program.named_predictors():
        fields = predictor.signature
        lines.append(f"- {name}: {', '.join(fields.input_fields)} -> {', '.join(fields.output_fields)}")
    return "\n".join(lines)


class EvaluationCopies:
    """Copies of a program with given prompts, for running: tagged, reused, never handed out to the user.

    Args:
        program: The student; not changed.
    """

    def __init__(self, program: dspy.Module) -> None:
        self._program = program
        self._copies: OrderedDict[tuple[str, int], dspy.Module] = OrderedDict()

    def get(self, prompts: Prompts, rollout: int) -> dspy.Module:
        """The copy for prompts and a repetition; each repetition asks its models afresh, past any cache."""
        key = prompts_key(prompts), rollout
        if key not in self._copies:
            self._copies[key] = self._build(prompts, rollout)
            if len(self._copies) > KEPT_COPIES:
                self._copies.popitem(last=False)
        self._copies.move_to_end(key)
        return self._copies[key]

    def _build(self, prompts: Prompts, rollout: int) -> dspy.Module:
        copied = with_prompts(self._program, prompts)
        for name, predictor in copied.named_predictors():
            setattr(predictor, TAG, name)
            if rollout:
                predictor.config = {**predictor.config, "rollout_id": rollout}
        return copied


def predictor_name(program: dspy.Module, predictor: Any) -> str:
    """The name of a predictor found in a trace, by identity, else by its tag; empty if it is none of the program's."""
    for name, own in program.named_predictors():
        if own is predictor:
            return name
    return str(getattr(predictor, TAG, ""))


def fields_of(program: dspy.Module, name: str) -> str:
    """A predictor with its fields and what they mean, in words, for the writer."""
    signature = dict(program.named_predictors())[name].signature
    inputs = ", ".join(_described(key, field) for key, field in signature.input_fields.items())
    outputs = ", ".join(_described(key, field) for key, field in signature.output_fields.items())
    return f"{name}: given {inputs}; answers {outputs}"


def _described(key: str, field: Any) -> str:
    desc = (field.json_schema_extra or {}).get("desc", "")
    return key if desc in ("", f"${{{key}}}") else f"{key} ({desc})"
