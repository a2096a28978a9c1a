"""Keep keys out of files, logs and error texts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dspy_dlpo.host.lm_errors import chain
from dspy_dlpo.host.media import without_media

HIDDEN = "[hidden]"
_SECRET_NAME = re.compile(r"key|token|secret|password|authorization|credential|cookie", re.IGNORECASE)
_SECRET_VARIABLE = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS)$", re.IGNORECASE)
# What looks like a key in the text of an error, whoever holds it.
_LOOKS_SECRET = re.compile(
    r"(?i)\b(bearer|basic)\s+[\w.~+/=*-]{8,}|\b(sk|pk|rk|gsk|xai|hf|ghp)[-_][\w*-]{12,}"
    r"|\b(authorization|x-api-key|api[-_ ]?key)\b[\"']?( provided)?\s*[:=]\s*[\"']?[\w.~+/=*-]{8,}"
)
# Shorter values are words, not keys, unless they hold a digit; a variable of the environment may hold anything.
_SHORTEST, _SHORTEST_WITH_DIGIT, _SHORTEST_VARIABLE = 12, 8, 16


def is_secret_name(name: str) -> bool:
    """Whether an argument of that name holds a key; ``max_tokens`` is such a name, too, so mind what it holds."""
    return bool(_SECRET_NAME.search(name))


def looks_secret(text: str) -> bool:
    """Whether a text holds what looks like a key."""
    return bool(_LOOKS_SECRET.search(text))


class Redactor:
    """Takes the keys of language models, and of the environment, out of text.

    Args:
        models: The language models whose keys must not show.
    """

    def __init__(self, models: Iterable[Any] = ()) -> None:
        found = {text for lm in models for text in _secrets(getattr(lm, "kwargs", None) or {})}
        found |= {
            value
            for name, value in os.environ.items()
            if _SECRET_VARIABLE.search(name) and len(value) >= _SHORTEST_VARIABLE and not re.search(r"\s", value)
        }
        longest_first = sorted(found, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """The text without the keys that are known."""
        return self._known.sub(HIDDEN, text) if self._known else text

    def error(self, error: BaseException | str) -> str:
        """The text of an error, without anything that looks like a key, and with images and the like told in words."""
        return _LOOKS_SECRET.sub(HIDDEN, without_media(self(str(error))))

    def cause(self, error: BaseException) -> BaseException | None:
        """The error to raise another from: itself, or None if its chain shows a key."""
        return None if any(self.error(link) != str(link) for link in chain(error)) else error


def _secrets(values: Mapping[str, Any], inside: bool = False) -> Iterator[str]:
    """The secret values among the arguments of a model: by the name of the argument, or of the header."""
    for name, value in values.items():
        secret = inside or bool(_SECRET_NAME.search(str(name)))
        if isinstance(value, Mapping):
            yield from _secrets(value, secret)
        elif secret and isinstance(value, str):
            yield from filter(_is_key, {value, value.split(" ")[-1]})  # "Bearer ..." may be told without its first word


def _is_key(text: str) -> bool:
    return len(text) >= (_SHORTEST_WITH_DIGIT if re.search(r"\d", text) else _SHORTEST)
