"""Descriptions inside the types of fields: found by path in pydantic models, and kept where DSPy saves and loads them.

DSPy saves of a signature its instructions and the description of each field, and no type. A description that was
changed inside a type therefore stands in that of the field: it is in the request, `program.save` and `program.load`
carry it, and the class of the user's model, which other programs may use, stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import dspy
from pydantic import BaseModel, RootModel

# The line in the description of a field below which those of its parts stand. The JSON schema of the type, which DSPy's
# adapters put into the request, still has what the class says, so the line says which of the two holds.
PARTS = "Its parts; where a JSON schema describes one in other words, this holds:"
_PART = re.compile(r"^- `([^`\n]+)`: ", re.MULTILINE)
# Types of DSPy whose fields are no text of the user's.
_OPAQUE = (dspy.Type, dspy.History)
# A value of such a type is a value of one of its arguments, and no collection of them.
_TRANSPARENT = (Union, UnionType, Annotated)


def described_parts(field: str, annotation: Any) -> dict[str, str]:
    """The descriptions inside the type of a field, by path.

    Args:
        field: The field's name, with which the paths begin.
        annotation: Its type.

    Returns:
        Paths such as ``invoice.lines[].amount``, with the names that the JSON schema shows: ``[]`` stands for every
        item of a list or value of a dict. A part without a description has an empty one. Of a model that holds itself
        the inner one is left out.
    """
    found: dict[str, str] = {}
    for path, text in _walk(annotation, field, ()):
        found.setdefault(path, text)
    return found


def _walk(annotation: Any, path: str, inside: tuple[type, ...]) -> Iterator[tuple[str, str]]:
    annotation = getattr(annotation, "__value__", annotation)  # ``type Lines = list[Line]``
    if get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in inside and not issubclass(annotation, _OPAQUE):
            yield from _fields(annotation, path, (*inside, annotation))
        return
    step = "" if get_origin(annotation) in _TRANSPARENT else "[]"
    for each in get_args(annotation):
        yield from _walk(each, path + step, inside)


def _fields(model: type[BaseModel], path: str, inside: tuple[type, ...]) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        if issubclass(model, RootModel):  # stands for what it holds
            yield from _walk(field.annotation, path, inside)
            continue
        shown = field.validation_alias if isinstance(field.validation_alias, str) else name
        yield f"{path}.{shown}", field.description or ""
        yield from _walk(field.annotation, f"{path}.{shown}", inside)


def parted(description: str) -> tuple[str, dict[str, str]]:
    """What a description says of its field, and what it says of the field's parts, by path."""
    lines = f"\n{description}\n"
    own, found, rest = lines.partition(f"\n{PARTS}\n")
    if not found:
        return description, {}
    _, *pieces = _PART.split(rest)
    texts = (text.rstrip("\n").replace("\n  ", "\n") for text in pieces[1::2])
    return own[1:], dict(zip(pieces[::2], texts, strict=True))


def joined(own: str, parts: Mapping[str, str]) -> str:
    """The description that says both; `parted` gives them back."""
    if not parts:
        return own
    lines = [f"- `{path}`: {text}".replace("\n", "\n  ") for path, text in parts.items()]
    return "\n".join([*([own] if own else []), PARTS, *lines])
