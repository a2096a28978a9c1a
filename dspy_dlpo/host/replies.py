"""Replies of the writer, read: edits or whole prompts, and the best of those that have not the form asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import json_repair

from dspy_dlpo.core.edits import Dropped, Edit, diff, fit
from dspy_dlpo.core.roles import Reply
from dspy_dlpo.core.sentences import count_words, is_item, split
from dspy_dlpo.host.cutting import MARK, closed_items

_OPERATIONS = {
    "add": ("add", "insert", "append", "new"),
    "replace": ("replace", "edit", "modify", "rewrite", "update", "change"),
    "delete": ("delete", "remove", "drop"),
    "move": ("move", "reorder"),
}
# Why a reply that was cut off is of no use.
CUT_EDITS = "the reply was cut off by max_tokens before its first edit was complete"
CUT_PROMPT = "the reply was cut off by max_tokens before the new instructions were complete"
CUT_EDIT = "cut off by max_tokens in the middle of this edit"
# A reply in prose with fewer words is no prompt.
_SHORTEST_PROMPT = 3
# An edit on a line of its own: ADD: text, ADD 2: text, REPLACE 1: text, DELETE 3, MOVE 3 TO 1.
_LINE = re.compile(
    r"^\W*(?:\d+[.)]\W+)?(?P<op>add|replace|delete|move)(?:\s+(?:after\s+)?(?:sentence\s+)?\[?(?P<at>\d+)\]?)?"
    r"(?:\s+(?:to|after)\s+(?:sentence\s+)?\[?(?P<to>\d+)\]?)?"
    r"(?:\s+with)?(?:\W*:[\s*]*(?P<text>.*)|[\s.*]*(?:\(.*\)|[-–]\s.*)?)$",
    re.IGNORECASE,
)
# What is wrong, before the edits.
_CRITIQUE = re.compile(r"^[^\w\[{\"']*(?:critique|finding)[^\w\"']*:[\s*]*(?P<text>.*)$", re.IGNORECASE)
_CRITIQUE_SHOWN = 500
# Where the critique and the first edit, or the last edit and the critique, stand on one line.
_RUN_ON = re.compile(r"(?<=[.!?])[^\S\n]+(?=(?:CRITIQUE|FINDING|ADD|(?:ADD|REPLACE|DELETE) \d+)\s*:)")
# A line that begins like one and is none.
_UNREADABLE = re.compile(r"^\W*(?:\d+[.)]\W+)?(?:ADD|REPLACE|DELETE|MOVE)\b")
# What a model says before the instructions that it was asked for.
_LEAD = re.compile(
    r"\A\W{0,4}(?:(?:sure|certainly|of course|okay)\b[^\n]*"
    r"|here (?:are|is)\b[^\n]*\b(?:instructions?|prompt|version|it)\b[^\n]*"
    r"|(?:the |complete |new |updated |revised |improved |module )*instructions?)(?::\W{0,4}|\W{0,3})\n+",
    re.IGNORECASE,
)
# How a model that has not understood says so, in so many sentences at most.
_EXCUSE = re.compile(
    r"(?:\A|[.!?]\s+)(?:please (?:provide|share|give|send)\b|(?:I(?:'m| am) )?sorry\b|I can(?:no|')t\b)", re.IGNORECASE
)
_LONGEST_EXCUSE = 3


def read_cut(text: str, prompt: str) -> Reply:
    """Read the edits of a reply that was cut off, without the one that it was in the middle of.

    A whole new prompt that was cut off would delete whatever of the old one it had not come to: it is of no use.
    """
    closed, rest = closed_items(text)
    if not closed and not rest:
        return Reply(error=CUT_PROMPT)
    reply = read_items(_items(closed), prompt)
    dropped = (Dropped(Edit("unreadable", 0, text=rest.strip()[:500]), CUT_EDIT),) if rest.strip(" \n\t,]}`") else ()
    error = reply.error or ("" if reply.edits else CUT_EDITS)
    return replace(reply, dropped=(*reply.dropped, *dropped), error=error)


def salvage(text: str, prompt: str, prose: bool = False) -> Reply:
    """Read edits from a reply of any form: broken JSON, single edits, a whole new prompt.

    Args:
        text: The reply.
        prompt: The prompt that was to be edited.
        prose: Whether a whole prompt was asked for.

    Returns:
        Usable edits, or a reply with an error.
    """
    if not prose and (items := _items(text)):
        return read_items(items, prompt)
    rewritten = _unwrapped(text, prompt)
    if "\x00" in rewritten or count_words(rewritten) < _SHORTEST_PROMPT or _is_data(rewritten, prompt):
        return Reply(error="neither edits nor a prompt")
    # Where edits were asked for, prose that keeps nothing of the prompt is no prompt but an excuse.
    old, new = ({sentence.strip() for sentence in split(each)} for each in (prompt, rewritten))
    if not old & new and (not prose or _is_excuse(rewritten, prompt)):
        return Reply(error="neither edits nor a prompt")
    return Reply(edits=diff(prompt, rewritten))


def _is_data(text: str, prompt: str) -> bool:
    """Whether a text is JSON and no prompt, as one may be that begins with a template."""
    return text[:1] in "[{" and prompt.lstrip()[:1] != text[:1]


def _is_excuse(text: str, prompt: str) -> bool:
    return bool(_EXCUSE.search(text)) and not _EXCUSE.search(prompt) and len(split(text)) <= _LONGEST_EXCUSE


def read_items(items: Sequence[Any], prompt: str) -> Reply:
    """Read single edits, each on its own; those that cannot be read are dropped with a reason."""
    edits: list[Edit] = []
    dropped: list[Dropped] = []
    for item in items:
        try:
            edits.append(fit(_edit(item, len(split(prompt))), prompt))
        except (ValueError, TypeError, KeyError) as error:
            dropped.append(Dropped(Edit("unreadable", 0, text=str(item)[:500]), f"unreadable edit: {error}"))
    return Reply(tuple(edits), tuple(dropped), "" if edits or not dropped else "no edit could be read")


def _edit(item: Any, count: int) -> Edit:
    if not isinstance(item, Mapping):
        raise TypeError("not an object")
    fields = {str(key).lower(): value for key, value in item.items()}
    word = str(fields.get("op") or fields.get("operation") or fields.get("action") or fields.get("type") or "").lower()
    op = next((op for op, words in _OPERATIONS.items() if word.strip() in words), word)
    text = str(
        fields.get("text") or fields.get("sentence_text") or fields.get("content") or fields.get("new_text") or ""
    )
    place = next(
        (fields[key] for key in ("at", "index", "position", "sentence", "line") if fields.get(key) is not None), None
    )
    at = count if place is None and op == "add" else _number(place)
    to = None if fields.get("to") is None else max(0, _number(fields["to"]))
    # The writer counts from 1 and names the sentence to write after; here, the one to write before counts, from 0.
    return Edit(op, max(0, min(at, count)) if op == "add" else at - 1, text.strip(), str(fields.get("why") or ""), to)


def read_lines(text: str, prompt: str, cut: bool = False) -> Reply:
    """Read edits of which each begins on a line of its own; lines that begin none belong to what is above.

    A line that names a critique says what is wrong, and is no part of an edit; after the edits, nor is what follows it.

    Args:
        text: The reply.
        prompt: The prompt that was to be edited.
        cut: Whether the reply was cut off: what it ends with is not whole then.
    """
    items: list[dict[str, Any]] = []
    critique: list[str] = []
    criticizes = False  # whether the lines are of the critique
    apart = listing = False  # whether an empty line, or a list, stands between the edit above and this line
    for line in _RUN_ON.sub("\n", text).splitlines():
        stripped = line.strip()
        listing = bool(items) and not criticizes and is_item(line) and (listing or items[-1]["text"].endswith(":"))
        begun = None if listing and not _UNREADABLE.match(line) else _LINE.match(line)
        if not listing and (said := _CRITIQUE.match(line)):
            criticizes = True
            critique.append(said["text"].strip())
        elif begun:
            criticizes = False
            text_of = (begun["text"] or "").strip()
            items.append({"op": begun["op"].lower(), "at": begun["at"], "to": begun["to"], "text": text_of})
        elif _UNREADABLE.match(line):
            criticizes = False
            items.append({"op": stripped[:60], "text": ""})
        elif criticizes:
            critique += [stripped] if items else []
        elif items and stripped and not stripped.startswith("```") and (listing or not apart):
            items[-1]["text"] = f"{items[-1]['text']}\n{line.rstrip()}".strip("\n")
        apart = not stripped
    said_of_it = " ".join(filter(None, critique))[:_CRITIQUE_SHOWN]
    if not items:
        return Reply(error=CUT_EDITS if cut else "no edit could be read", critique=said_of_it)
    half = cut and not criticizes
    reply = replace(read_items(items[:-1] if half else items, prompt), critique=said_of_it)
    return replace(reply, error=CUT_EDITS) if half and not reply.edits else reply


def without_critique(text: str) -> str:
    """A reply without what it says is wrong: one line where it begins with that, else all that follows."""
    lines = _RUN_ON.sub("\n", text).splitlines()
    at = next((number for number, line in enumerate(lines) if _CRITIQUE.match(line)), None)
    if at is None:
        return text
    before = lines[:at]
    return "\n".join(before if any(map(str.strip, before)) else lines[at + 1 :])


def read_prompt(text: str, prompt: str) -> Reply:
    """Read the complete new instructions, as the edits that lead there."""
    bare = _unwrapped(text, prompt)
    lead = _LEAD.match(bare)
    is_own = lead is not None and prompt.lstrip().startswith(lead.group().strip())
    return salvage(bare[lead.end() :] if lead and not is_own else bare, prompt, prose=True)


def _number(value: Any) -> int:
    match = re.search(r"-?\d+", str(value))
    if match is None:
        raise ValueError(f"no sentence number in {value!r}")
    return int(match.group())


def _items(text: str) -> list[Any]:
    """The objects of the first JSON found in a text."""
    body = MARK.sub(" ", text)
    start = min((body.find(mark) for mark in "[{" if body.find(mark) >= 0), default=-1)
    if start < 0:
        return []
    data = json_repair.loads(body[start:])
    if isinstance(data, Mapping):
        data = data.get("edits", [data])
    return [item for item in data if isinstance(item, Mapping) and item] if isinstance(data, list) else []


def _unwrapped(text: str, prompt: str) -> str:
    """A prompt without the field markers, the code fence or the tags around it.

    A fence with more text around it is the prompt only where the old one holds no fence.
    """
    text = MARK.sub("", text).strip()
    whole = re.fullmatch(r"```[a-z]*\n(.*?)\n?(?:```)?", text, re.DOTALL)
    within = None if "```" in prompt else re.search(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    fenced = whole if whole and "```" not in whole.group(1) else within
    if fenced:
        text = fenced.group(1)
    tagged = re.fullmatch(r"<(\w+)>(.*)</\1>", text.strip(), re.DOTALL)
    return (tagged.group(2) if tagged else text).strip()
