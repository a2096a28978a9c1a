"""Settings as the line of Python that makes them."""

from __future__ import annotations

import dataclasses
from typing import Any

import dspy_dlpo


def code_of(value: Any) -> str:
    """An expression that makes a value; of dataclasses only what is not the default."""
    if isinstance(value, tuple):
        inner = ", ".join(map(code_of, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, float):
        return repr(round(value, 4))
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return repr(value)
    given: list[str] = []
    for number, each in enumerate(dataclasses.fields(value)):
        own = getattr(value, each.name)
        if each.default is not dataclasses.MISSING and own == each.default:
            continue
        positional = number == len(given)
        given.append(code_of(own) if positional else f"{each.name}={code_of(own)}")
    return f"{type(value).__name__}({', '.join(given)})"


def optimizer_line(settings: dict[str, Any]) -> str:
    """The line that makes an optimizer with settings, to be completed with your metric and models."""
    arguments = ", ".join(f"{name}={code_of(value)}" for name, value in settings.items())
    return f"DLPOTeleprompter(metric, {arguments})"


def import_line(settings: dict[str, Any]) -> str:
    """The lines that import what `optimizer_line` names."""
    kinds = {type(each) for each in _walk(tuple(settings.values()))}
    own = sorted({"DLPOTeleprompter", *(kind.__name__ for kind in kinds if hasattr(dspy_dlpo, kind.__name__))})
    lines = [f"from dspy_dlpo import {', '.join(own)}"]
    others = sorted((kind.__module__, kind.__name__) for kind in kinds if not hasattr(dspy_dlpo, kind.__name__))
    return "\n".join([*lines, *(f"from {module} import {name}" for module, name in others)])


def _walk(value: Any) -> list[Any]:
    if isinstance(value, tuple):
        return [found for each in value for found in _walk(each)]
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return []
    return [value, *(found for each in dataclasses.fields(value) for found in _walk(getattr(value, each.name)))]
