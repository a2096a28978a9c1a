"""What is no text in a value - images, sound, files, bytes - told in a few words, by its content."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import json_repair
from dspy.adapters.types.base_type import CUSTOM_TYPE_END_IDENTIFIER, CUSTOM_TYPE_START_IDENTIFIER

# How DSPy writes what is no text, such as an image.
_MARKED = re.compile(
    f"{re.escape(CUSTOM_TYPE_START_IDENTIFIER)}(.*?){re.escape(CUSTOM_TYPE_END_IDENTIFIER)}", re.DOTALL
)
_DATA_URI = re.compile(r"data:([\w.+/-]*)(?:;[\w=.+-]+)*;base64,([A-Za-z0-9+/_=-]{16,})")
# Shorter runs of letters and digits may be words, keys or sequences; base64 has capitals, small letters and digits, and
# where it is broken into lines, they are of 60 to 76.
_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/=_-])(?:[A-Za-z0-9+/_-]{256,}|(?:[A-Za-z0-9+/]{60,76}\r?\n){4,}[A-Za-z0-9+/]*)={0,2}"
)
_KINDS = {"image_url": "Image", "input_image": "Image", "input_audio": "Audio", "file": "File"}
# So many hexadecimal digits of a SHA-256 tell one content from another.
DIGITS = 8


def without_media(text: str) -> str:
    """A text in which what is no text is told by its kind, its size and a hash of its content."""
    if CUSTOM_TYPE_START_IDENTIFIER in text:
        text = _MARKED.sub(lambda match: _told(match[1]), text)
    if ";base64," in text:
        text = _DATA_URI.sub(lambda match: _binary(match[1] or "data", match[2]), text)
    if len(text) >= 256 and max(map(len, text.split()), default=0) >= 60:
        text = _BASE64.sub(lambda match: _binary("base64", match[0]) if _is_binary(match[0]) else match[0], text)
    return text


def told_bytes(data: bytes) -> str:
    """Bytes in a few words."""
    return _summary("bytes", len(data), data)


def _told(content: str) -> str:
    """What stands between DSPy's marks."""
    parts = _parsed(content)
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
        return _summary("no text", len(content), content.encode(errors="replace"))
    return " ".join(map(_part, parts))


def _parsed(content: str) -> Any:
    """JSON that may have been put into a string of JSON once more."""
    for text in (content, f'"{content}"'):
        try:
            data = json.loads(text)
            return json.loads(data) if isinstance(data, str) else data
        except ValueError:
            continue
    return json_repair.loads(content)


def _part(part: Mapping[str, Any]) -> str:
    """One part of a message: its text, or its kind, form, name, size and hash; all of it where the kind is unknown."""
    kind = str(part.get("type"))
    if kind == "text":
        return without_media(str(part.get("text", "")))
    if kind not in _KINDS:
        return without_media(json.dumps(part, ensure_ascii=False, default=str))
    body = part.get(kind)
    fields = body if isinstance(body, Mapping) else {"url": body}
    data = str(fields.get("url") or fields.get("data") or fields.get("file_data") or fields.get("file_id") or "")
    uri = _DATA_URI.fullmatch(data)
    is_url = "://" in data[:12]
    # A signature in the address, or a password, is nobody's business.
    name = fields.get("filename") or (re.sub(r"//[^/@]*@", "//", data.split("?")[0]) if is_url else "")
    form = uri[1] if uri else fields.get("format")
    size = None if is_url else len(uri[2] if uri else data) * 3 // 4
    return _summary(" ".join(filter(None, [_KINDS[kind], form, name])), size, data.encode(errors="replace"))


def _binary(form: str, data: str) -> str:
    return _summary(form, len(data) * 3 // 4, data.encode())


def _is_binary(text: str) -> bool:
    return all(any(test(char) for char in text) for test in (str.isupper, str.islower, str.isdigit))


def _summary(what: str, size: int | None, content: bytes) -> str:
    told = what if size is None else f"{what}, {size:,} bytes"
    return f"[{told}, #{hashlib.sha256(content).hexdigest()[:DIGITS]}]"
