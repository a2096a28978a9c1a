"""The program under optimization: copied safely, its prompts read and written, its predictors tagged."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import dspy
from dspy.adapters.utils import get_annotation_name

from dspy_dlpo.core.errors import ProgramError
from dspy_dlpo.core.history import Prompts, prompts_key
from dspy_dlpo.host.async_parts import BY_ACALL, has_async_parts, keep_on_loop
from dspy_dlpo.host.awaiting import awaited, is_only_async
from dspy_dlpo.host.listening import Listening
from dspy_dlpo.host.parameters import (
    AGENTS,
    INSTRUCTIONS,
    Kinds,
    acting_predictor,
    in_signatures,
    shown_instructions,
    write_prompts,
)
from dspy_dlpo.host.values import as_text

# The attribute that marks the predictors of an evaluation copy, so that a trace step finds its name even when two
# predictors share a signature or a module copies itself as it runs.
TAG = "_dlpo_predictor"
# Where the rules begin that an agent writes into the instructions of its predictor.
_AGENT_RULES = ("You are an Agent.", "You are an intelligent agent.")
# The same of modules that run code; DSPy will give up the first of them.
_CODERS = tuple(getattr(dspy, name) for name in ("ProgramOfThought", "RLM") if hasattr(dspy, name))
_CODER_RULES = (
    "You are tasked with producing the following outputs given the inputs ",
    "Based on the REPL trajectory, extract the final outputs now.",
    "You will be given ",
    "You are given ",
    "Given the final code ",
)
# The modules that copy a module as they run, and give each copy a language model with a rollout of its own.
_SAMPLERS = (dspy.BestOfN, dspy.Refine)
# How far the rollouts of two repetitions lie apart for a module that counts rollouts itself.
_ROLLOUTS = 1000
# Evaluation copies kept at a time: the incumbent, the proposal and its single edits.
KEPT_COPIES = 32
# Options of an output field that are told.
SHOWN_OPTIONS = 40
# Demos of a predictor that the critic is shown.
SHOWN_DEMOS = 3


def copy_program(program: dspy.Module) -> dspy.Module:
    """Copy a program: language models stay the same objects, aliases stay aliases, the original is never touched.

    What cannot be deep-copied, such as a lock or the client of a database, is shared with the original; so is the
    result of an earlier run. A tool whose function belongs to such an object is copied without it.

    Raises:
        ProgramError: If the copy would share a predictor with the original.
    """
    memo: dict[int, Any] = {id(lm): lm for lm in models_of(program)}
    if hasattr(program, "detailed_results"):
        memo[id(program.detailed_results)] = program.detailed_results
    try:
        copied = copy.deepcopy(program, dict(memo))
    except Exception:  # noqa: BLE001 - anything may hang on a user's program
        copied = copy.deepcopy(program, {**memo, **_not_copyable(program, memo)})
    if {id(p) for p in copied.predictors()} & {id(p) for p in program.predictors()}:
        raise ProgramError(
            "The program cannot be copied: the copy would share predictors with it. Its __deepcopy__, or that of one "
            "of its modules, must copy predictors."
        )
    return copied


def _not_copyable(program: dspy.Module, memo: Mapping[int, Any]) -> dict[int, Any]:
    """What hangs on the modules of a program, in lists and dicts too, and cannot be deep-copied; by its id."""
    found: dict[int, Any] = {}
    for _, item in program.named_sub_modules(type_=object):
        if isinstance(item, (dspy.Module, list, tuple, dict)):
            continue
        try:
            copy.deepcopy(item, dict(memo))
        except Exception:  # noqa: BLE001 - whatever a user's object raises
            found[id(item)] = item.model_copy() if isinstance(item, dspy.Tool) else item
    return found


def call(program: dspy.Module, inputs: Mapping[str, Any]) -> Any:
    """Run a program to its end; an async one, with `aforward`, `acall` or ``async def forward``, is awaited."""
    by_acall = BY_ACALL in vars(program) or is_only_async(program)
    return awaited(program.acall(**inputs) if by_acall else program(**inputs))


def with_prompts(program: dspy.Module, prompts: Prompts, parameters: Kinds = INSTRUCTIONS) -> dspy.Module:
    """A copy of the program with new text parameters."""
    copied = copy_program(program)
    write_prompts(copied, prompts, parameters)
    return copied


def editable(prompts: Prompts, frozen: Iterable[Any]) -> tuple[str, ...]:
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


def protected_text(program: dspy.Module, name: str, parameters: Kinds = INSTRUCTIONS) -> str:
    """What a module needs in its predictor's instructions to work: the tools and rules that an agent writes there.

    It is told as it stands in prompts of these kinds of text.
    """
    predictor = dict(program.named_predictors()).get(name)
    text = "" if predictor is None else shown_instructions(program, name, parameters)
    for _, module in program.named_sub_modules(type_=AGENTS):
        if predictor is acting_predictor(module):
            return _from(text, _AGENT_RULES) or text
    for _, module in program.named_sub_modules(type_=_CODERS):
        if any(predictor is each for each in module.predictors()):
            return _from(text, _CODER_RULES)
    return ""


def _from(text: str, beginnings: Iterable[str]) -> str:
    """A text from where the first of some beginnings stands in it; empty if none does."""
    start = min((text.find(each) for each in beginnings if each in text), default=len(text))
    return text[start:].rstrip()


def describe(program: dspy.Module) -> str:
    """The program's predictors and their fields, one line each, for the critic."""
    lines = []
    for name, predictor in program.named_predictors():
        fields = predictor.signature
        lines.append(f"- {name}: {', '.join(fields.input_fields)} -> {', '.join(fields.output_fields)}")
    return "\n".join(lines)


def demos_of(program: dspy.Module) -> dict[str, list[dict[str, str]]]:
    """The first demos of every predictor that has some, as text by field, for the critic."""
    found = {name: predictor.demos[:SHOWN_DEMOS] for name, predictor in program.named_predictors()}
    return {name: [as_text(demo) for demo in demos] for name, demos in found.items() if demos}


class EvaluationCopies:
    """Copies of a program with given prompts, for running: tagged, reused, never handed out to the user.

    Args:
        program: The student; not changed.
        parameters: The kinds of text that prompts hold.
        listening: Where a callback listens; the predictors of the copies are made to tell it of their calls.
    """

    def __init__(
        self, program: dspy.Module, parameters: Kinds = INSTRUCTIONS, listening: Listening | None = None
    ) -> None:
        self._program, self._parameters, self._listening = program, parameters, listening
        self._copies: OrderedDict[tuple[str, int], _Copy] = OrderedDict()
        self._has_async_parts = has_async_parts(program)
        self._in_signatures = in_signatures(program, parameters)

    def get(self, prompts: Prompts, rollout: int) -> dspy.Module:
        """The copy for prompts and a repetition; each repetition asks its models afresh, past any cache.

        Runs share it, as they share a program in `dspy.Evaluate`; one whose modules count their own failures down is
        copied for each run.
        """
        key = prompts_key(prompts), rollout
        if key not in self._copies:
            self._copies[key] = self._build(prompts, rollout)
            if len(self._copies) > KEPT_COPIES:
                self._copies.popitem(last=False)
        self._copies.move_to_end(key)
        made = self._copies[key]
        return self._attached(copy_program(made.program)) if made.counts_down else made.program

    def _build(self, prompts: Prompts, rollout: int) -> _Copy:
        copied = copy_program(self._program)
        known = self._known_signatures(prompts)
        for name, predictor in copied.named_predictors():
            predictor.signature = known.get(name, predictor.signature)
        write_prompts(copied, {name: text for name, text in prompts.items() if name not in known}, self._parameters)
        sampled = _sampled(copied)
        models: dict[int, Any] = {}
        for name, predictor in _all_predictors(copied):
            setattr(predictor, TAG, name)
            if not rollout:
                continue
            if id(predictor) not in sampled:
                predictor.config = {**predictor.config, "rollout_id": rollout}
            elif predictor.lm is not None:  # its module wants one model for all of its predictors
                predictor.lm = models.setdefault(id(predictor.lm), repeating(predictor.lm, rollout))
        if self._has_async_parts:
            keep_on_loop(copied)
        signatures = {name: each.signature for name, each in copied.named_predictors()}
        return _Copy(self._attached(copied), prompts, signatures, bool(sampled))

    def _attached(self, program: dspy.Module) -> dspy.Module:
        if self._listening is not None:
            for _, predictor in _all_predictors(program):
                self._listening.attach(predictor)
        return program

    def _known_signatures(self, prompts: Prompts) -> dict[str, type[dspy.Signature]]:
        """The signatures that were built for the same texts before; building one takes longer than copying all else."""
        if not self._in_signatures:
            return {}
        known = {}
        for made in self._copies.values():
            same = [name for name in made.signatures if name in prompts and made.prompts.get(name) == prompts[name]]
            known.update({name: made.signatures[name] for name in same})
        return known


@dataclass(frozen=True)
class _Copy:
    """A copy, the prompts that were written into it, the signatures that came of it, and whether it counts failures."""

    program: dspy.Module
    prompts: Prompts
    signatures: Mapping[str, type[dspy.Signature]]
    counts_down: bool


def models_of(program: dspy.Module) -> list[Any]:
    """The language models that a program holds, each once."""
    return [lm for _, lm in program.named_sub_modules(type_=dspy.BaseLM)]


def repeating(lm: Any, rollout: int) -> Any:
    """A language model for a repetition, with rollouts of its own to count from; the model itself for the first run.

    A model that cannot be copied, as a user's own may be, stays itself: a cache may then answer some of its calls.
    """
    if not rollout or not isinstance(lm, dspy.BaseLM):
        return lm
    try:
        return lm.copy(rollout_id=(lm.kwargs.get("rollout_id") or 0) + rollout * _ROLLOUTS)
    except Exception:  # noqa: BLE001 - whatever a user's model raises
        return lm


def _all_predictors(program: dspy.Module) -> list[tuple[str, dspy.Predict]]:
    """The program's predictors, and after them those that DSPy does not list: frozen ones, ones in nested lists."""
    listed = program.named_predictors()
    known = {id(predictor) for _, predictor in listed}
    found = program.named_sub_modules(type_=dspy.Predict)
    return [*listed, *((name.removeprefix("self."), each) for name, each in found if id(each) not in known)]


def _sampled(program: dspy.Module) -> set[int]:
    """The ids of the predictors whose rollouts a module counts."""
    samplers = program.named_sub_modules(type_=_SAMPLERS)
    return {id(predictor) for _, sampler in samplers for predictor in sampler.module.predictors()}


def predictor_name(program: dspy.Module, predictor: Any) -> str:
    """The name of a predictor found in a trace, by its tag, else by identity; empty if it is none of the program's."""
    tag = getattr(predictor, TAG, None)
    return str(tag) if tag else next((name for name, own in program.named_predictors() if own is predictor), "")


def fields_of(program: dspy.Module, name: str) -> str:
    """A predictor with its fields and what they mean, in words, for the writer."""
    signature = dict(program.named_predictors())[name].signature
    inputs = ", ".join(_described(key, field) for key, field in signature.input_fields.items())
    outputs = ", ".join(_described(key, field) for key, field in signature.output_fields.items())
    return f"{name}: given {inputs}; answers {outputs}"


def outputs_of(program: dspy.Module, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The output fields of those named that are predictors, in the program's order."""
    predictors = program.named_predictors()
    return {name: tuple(each.signature.output_fields) for name, each in predictors if name in names}


def inputs_of(program: dspy.Module, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The input fields of those named that are predictors, in the program's order."""
    predictors = program.named_predictors()
    return {name: tuple(each.signature.input_fields) for name, each in predictors if name in names}


def _described(key: str, field: Any) -> str:
    desc = (field.json_schema_extra or {}).get("desc", "")
    said = [_typed(field.annotation), "" if desc == f"${{{key}}}" else desc]
    return f"{key} ({'; '.join(filter(None, said))})" if any(said) else key


def _options(values: Sequence[Any]) -> str:
    shown = ", ".join(map(str, values[:SHOWN_OPTIONS]))
    return f"one of {shown}{f' and {len(values) - SHOWN_OPTIONS} more' if len(values) > SHOWN_OPTIONS else ''}"


def _typed(annotation: Any) -> str:
    """What type a field has, with the options of a `Literal` or an enum; empty for plain text."""
    if annotation is str:
        return ""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _options([member.value for member in annotation])
    if get_origin(annotation) is Literal:
        return _options(get_args(annotation))
    return str(get_annotation_name(annotation))
