"""Replies that a limit of tokens has cut off: how that is known, and what of them is whole."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import dspy

from dspy_dlpo.core.sentences import split
from dspy_dlpo.core.tally import Tally

# DSPy's mark of a field.
MARK = re.compile(r"\[\[ ##[^\[\]\n]*## \]\]")
# What DSPy asks a reply to end with; and, after another mark, one that was begun and not ended.
_ENDED = "[[ ## completed"
_OPEN_MARK = re.compile(r"(?<=## \]\])(.*)\n\[\[(?: ?##?[^\[\]]*)?\]?\s*\Z", re.DOTALL)
# How the JSON of edits begins; and how it does where nothing but its beginning is there.
_JSON = (re.compile(r"\[\s*\{|\{\s*[\"']"), re.compile(r"[\[{]\s*\Z"))
# A sentence that was finished ends so: a stop of some script, then whatever closes quotes, brackets or emphasis.
_FINISHED = re.compile(r"[.!?…:;。！？；：｡؟۔।॥።።፧។။]['\"”’»›」』）\])}*_`]*\s*\Z|```\s*\Z")
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


class HearingAdapter(dspy.ChatAdapter):
    """DSPy's chat adapter, for one call: no silent second try with JSON, and the reply is kept as it came.

    A mark at the end that was cut off in the middle belongs to no field.
    """

    def __init__(self) -> None:
        super().__init__(use_json_adapter_fallback=False)
        self.heard = ""

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        """Read the fields of a reply."""
        self.heard = completion
        fields: dict[str, Any] = super().parse(signature, _OPEN_MARK.sub(r"\1", completion))
        return fields


def is_cut(
    reply: str, signature: type[dspy.Signature], history: Sequence[Mapping[str, Any]], known: bool | None
) -> bool:
    """Whether a reply was cut off before its end.

    Args:
        reply: The reply.
        signature: What was asked.
        history: DSPy's record of the call; empty where histories are switched off.
        known: Whether all tokens were used that the model may use; None if that cannot be told.
    """
    if _ENDED in reply or _OPEN_MARK.search(reply):
        return False
    told = [_stopped_by_length(entry.get("response")) for entry in history[-1:]]
    if any(told) or (not told and known):
        return True
    if any(field.annotation is not str for field in signature.output_fields.values()):
        return ends_inside(reply)
    return bool(reply) and not told and known is None and not is_finished(reply)


def used_all(lm: Any, spent: Tally) -> bool | None:
    """Whether a call's answer has as many tokens as the model may answer at most; None if that cannot be told."""
    options = getattr(lm, "kwargs", None) or {}
    limit = next((options[name] for name in _LIMITS if isinstance(options.get(name), int)), None)
    return spent.output_tokens >= limit if limit and spent.output_tokens else None


def _stopped_by_length(response: Any) -> bool:
    """Whether a response, of DSPy's or in a form of OpenAI's, says that a limit of tokens ended it."""
    replies = response if isinstance(response, (list, tuple)) else [response, *(_get(response, "choices") or [])]
    stopped = any(_get(each, "finish_reason") in ("length", "max_tokens") for each in replies)
    return stopped or _get(_get(response, "incomplete_details"), "reason") == "max_output_tokens"


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def is_finished(text: str) -> bool:
    """Whether a text ends with the end of a sentence."""
    return bool(_FINISHED.search(text))


def finished(text: str) -> str:
    """A text without the sentence that breaks off at its end; empty if there is no other."""
    sentences = split(text)
    return text if is_finished(text) else "".join(sentences[:-1]).strip()


def closed_items(text: str) -> tuple[str, str]:
    """The JSON of a reply that was cut off, and its last object that was not closed, which may be none.

    Returns:
        Two texts, together the JSON from where it begins; both empty if there is none.
    """
    body = MARK.sub(" ", text)
    found = _JSON[0].search(body) or _JSON[1].search(body)
    if found is None:
        return "", ""
    body = body[found.start() :]
    opened, inside = _open_brackets(body)
    at = _last_item(body, opened)
    if at is None:
        at = max(0, body.rfind(",")) if inside else len(body)
    return body[:at], body[at:]


def _last_item(body: str, opened: Sequence[int]) -> int | None:
    """Where the last object begins that is not closed; None if none is open."""
    for outer, inner in pairwise(opened):
        if body[outer] == "[" and body[inner] == "{":
            return inner
    if not opened or body[opened[0]] == "[":
        return None
    is_wrapper = len(opened) > 1 and "edits" in body[opened[0] : opened[1]]
    return None if is_wrapper else opened[0]


def _open_brackets(body: str) -> tuple[list[int], bool]:
    """Where the brackets stand that are not closed at the end, and whether a string is open."""
    opened: list[int] = []
    inside = False
    for match in re.finditer(r"\\.|[\"\[\]{}]", body, re.DOTALL):
        mark = match.group()
        if mark == '"':
            inside = not inside
        elif not inside and mark in "[{":
            opened.append(match.start())
        elif not inside and mark in "]}" and opened:
            opened.pop()
    return opened, inside


def ends_inside(reply: str) -> bool:
    """Whether a reply ends inside of its JSON; broken JSON that comes to an end does not."""
    whole, rest = closed_items(reply)
    body = (whole + rest).rstrip().removesuffix("```").rstrip()
    return bool(rest.strip()) and body[-1:] not in ("]", "}")
