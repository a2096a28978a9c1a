"""Values of a program's fields, as text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any

import dspy
from dspy.adapters.types import Type
from dspy.adapters.utils import serialize_for_json
from pydantic import BaseModel, TypeAdapter

from dspy_dlpo.host.media import told_bytes, without_media


def as_text(fields: Any, redact: Callable[[str], str] = lambda text: text) -> dict[str, str]:
    """The fields of an example or prediction, as text.

    What is no text in a request, such as an image, is told by its kind, its size and a hash of its content, wherever it
    stands: equal content has equal text, other content has not.

    Args:
        fields: The example or prediction.
        redact: Applied to every text.
    """
    if not isinstance(fields, (Mapping, dspy.Example)):
        return {"value": redact(_text(fields))}
    return {str(name): redact(_text(value)) for name, value in fields.items()}


def _text(value: Any) -> str:
    try:
        return without_media(value if isinstance(value, str) else _plain(value))
    except Exception:  # noqa: BLE001 - the text of a user's object is the user's code
        return f"[{type(value).__name__}]"


def _plain(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(_text, value)))}}}"  # the order of a set differs from process to process
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
    if items and all(isinstance(item, dspy.Tool) for item in items):
        return ", ".join(str(item.name) for item in items)  # what they do, the module's instructions or schema say
    if any(isinstance(item, BaseModel) and not isinstance(item, _WITH_TEXT) for item in items) or _holds_media(value):
        data = _told(_dumped(value))
        return data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, default=_text)
    text = _ADDRESS.sub("", str(value))
    is_nameless = text.startswith("<") and hasattr(value, "tobytes")  # such as a picture of Pillow's
    return f"{text} {told_bytes(value.tobytes())}" if is_nameless else text


def _dumped(value: Any) -> Any:
    """A value as DSPy's adapters show it to a model, in plain data; bytes that are no text stay bytes."""
    data = serialize_for_json(value)
    if isinstance(data, str) and not isinstance(value, (str, Type)):  # as a rule that is Python's own, short form
        return TypeAdapter(type(value)).dump_python(value)
    return data


def _told(data: Any) -> Any:
    """Plain data, with what is no text told in words; before they are JSON, in which its marks would be escaped."""
    if isinstance(data, Mapping):
        return {str(name): _told(item) for name, item in data.items()}
    if isinstance(data, (list, tuple)):
        return [_told(item) for item in data]
    if isinstance(data, (bytes, bytearray)):
        return told_bytes(bytes(data))
    return without_media(data) if isinstance(data, str) else data


def _holds_media(value: Any, depth: int = 8) -> bool:
    """Whether a value is no text, or holds what is none, so many levels deep."""
    if isinstance(value, (str, int, float, type(None))):
        return False
    if isinstance(value, (Type, bytes, bytearray)):
        return not isinstance(value, (dspy.Reasoning, dspy.Tool))
    if isinstance(value, Mapping):
        inside = list(value.values())
    elif isinstance(value, (list, tuple, set, frozenset)):
        inside = list(value)
    elif isinstance(value, BaseModel) or (is_dataclass(value) and not isinstance(value, type)):
        inside = list(getattr(value, "__dict__", {}).values())
    else:
        return False
    return depth > 0 and any(_holds_media(item, depth - 1) for item in inside)


# What has a text of its own, or is no text.
_WITH_TEXT = (dspy.Image, dspy.Audio, dspy.File, dspy.Reasoning, dspy.Tool)
# The place in memory by which Python tells objects without a text of their own: another in every process.
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+(?=>)")
