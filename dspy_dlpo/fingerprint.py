"""All that determines a run, as plain data: a run directory is gone on with only where it is the same."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import dspy

from dspy_dlpo.core.sentences import ENGLISH
from dspy_dlpo.host.parameters import read_prompts
from dspy_dlpo.host.program import describe
from dspy_dlpo.host.values import as_text
from dspy_dlpo.settings import Data, Settings


def fingerprint(
    settings: Settings, student: dspy.Module, data: Data, prompt_model: dspy.LM, languages: Sequence[str] = ENGLISH
) -> Mapping[str, Any]:
    """Settings, program, models, data and metric, less what may change while a run goes on: budget and threads.

    Languages by whose rules sentences end are named where English is not the only one.
    """
    task_model = settings.task_model or dspy.settings.lm
    return {
        "package": version("dspy-dlpo"),
        "dspy": version("dspy"),
        "prompt_model": _model(prompt_model),
        "task_model": _model(task_model),
        "settings": {
            "techniques": [_shown(technique) for technique in settings.techniques],
            "acceptance": _shown(settings.acceptance),
            "judging": settings.judging,
            "stopping": {name: getattr(settings.stopping, name) for name in ("target", "patience", "max_steps")},
            "batch_size": settings.batch_size,
            "update": settings.update,
            "parameters": settings.parameters,
            "frozen": [_frozen(each) for each in settings.frozen],
            "controller": None if settings.controller is None else _shown(settings.controller),
            "score_range": settings.score_range,
            "seed": settings.seed,
        },
        "program": {
            "prompts": read_prompts(student, settings.parameters),
            "modules": describe(student),
            "fields": {name: _fields(each.signature) for name, each in student.named_predictors()},
            "models": {name: _model(each.lm) for name, each in student.named_predictors()},
            "demos": {name: digest(each.demos) for name, each in student.named_predictors() if each.demos},
            "configs": {name: _shown(each.config) for name, each in student.named_predictors() if each.config},
            "sources": _sources(student),
            "adapter": type(dspy.settings.adapter).__name__,
        },
        "data": {"train": digest(data.train), "val": digest(data.val)},
        "metric": _source(settings.metric),
        **({} if tuple(languages) == ENGLISH else {"languages": list(languages)}),
    }


def _frozen(each: Any) -> str:
    return f"pattern {each.pattern!r} {each.flags}" if isinstance(each, re.Pattern) else str(each)


def _shown(value: Any) -> str:
    """The text of an object, without addresses, which differ from process to process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", value if isinstance(value, str) else repr(value))


def digest(examples: Sequence[Any]) -> str:
    """A short name for examples: equal for equal texts of all their fields, in any process."""
    text = "\n".join(repr(sorted(as_text(example).items())) for example in examples)
    return hashed(_shown(text))


def _model(lm: Any) -> str | None:
    """The name of a model, and its temperature if it is set."""
    if lm is None:
        return None
    temperature = (getattr(lm, "kwargs", None) or {}).get("temperature")
    return str(lm.model) if temperature is None else f"{lm.model} at temperature {temperature}"


def _fields(signature: Any) -> dict[str, str]:
    """Type and description of every field."""
    return {
        name: _shown(f"{field.annotation} {(field.json_schema_extra or {}).get('desc', '')}")
        for name, field in signature.fields.items()
    }


def _sources(student: dspy.Module) -> dict[str, str]:
    """A digest of the source of every class of the user's own in the program."""
    kinds = {type(module) for _, module in student.named_sub_modules()}
    own = sorted((kind for kind in kinds if not kind.__module__.startswith("dspy.")), key=lambda kind: kind.__name__)
    return {kind.__name__: _source(kind) for kind in own}


def _source(thing: Any) -> str:
    """The name of a function, class or object and a digest of its source, where it has one."""
    name = str(getattr(thing, "__qualname__", type(thing).__qualname__))
    code = getattr(thing, "__code__", None)
    if code is not None and "<lambda>" in name:  # the source of a lambda is the statement around it
        return f"{name} {hashed(_code(code))}"
    try:
        return f"{name} {hashed(inspect.getsource(thing))}"
    except (OSError, TypeError):
        return name


def _code(code: Any) -> str:
    """What a function does, without the place where it stands."""
    consts = [_code(each) if hasattr(each, "co_code") else repr(each) for each in code.co_consts]
    return f"{code.co_code.hex()} {consts} {code.co_names} {code.co_varnames}"


def hashed(text: str) -> str:
    """A short name for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
