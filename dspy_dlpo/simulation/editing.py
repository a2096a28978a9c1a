"""Sentence edits, most of them additions, some of them bad."""

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dspy_dlpo.simulation.brief import Brief, Line
from dspy_dlpo.simulation.drafting import additions
from dspy_dlpo.simulation.request import Ask, Field
from dspy_dlpo.simulation.settings import Writer
from dspy_dlpo.simulation.skills import taught_by

_MEANINGS = {
    "add": ("add", "insert", "append", "new", "after"),
    "replace": ("replace", "edit", "rewrite", "modify", "change", "update", "revise"),
    "delete": ("delete", "remove", "drop", "cut"),
    "move": ("move", "reorder", "swap"),
}
_KEYS = {
    "op": ("op", "operation", "action", "kind", "type", "edit_type"),
    "at": (
        "at",
        "index",
        "position",
        "sentence",
        "number",
        "line",
        "sentence_number",
        "anchor",
        "id",
        "target",
        "after",
    ),
    "text": ("text", "content", "new_text", "sentence_text", "new_sentence", "replacement", "new"),
    "why": ("why", "reason", "rationale", "explanation"),
    "to": ("to", "destination", "new_position"),
}
_SHORTER = re.compile(
    r"\b(?:shorten|shorter|concise|redundant|simplif\w+|too long|remove useless|prune|delete sentences)\b",
    re.IGNORECASE,
)
_ORDER = re.compile(r"\b(?:reorder|order of|move sentences|rearrange)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Form:
    """How the request wants an edit written: its keys by meaning, the words for the operations, whether just one."""

    keys: Mapping[str, str]
    words: Mapping[str, str]
    wrapper: str = ""
    numeric: bool = True
    single: bool = False

    def write(self, op: str, at: int, text: str, why: str, to: int | None = None) -> dict[str, Any]:
        """One edit as the request wants it."""
        place: int | str = at if self.numeric else str(at)
        values: dict[str, Any] = {"op": self.words[op], "at": place, "text": text, "why": why, "to": to}
        if "to" not in self.keys and op == "move":
            values["text"] = text or str(to)
        return {self.keys[name]: value for name, value in values.items() if name in self.keys and value is not None}


def _words(options: list[str]) -> dict[str, str]:
    found = {}
    for op, meanings in _MEANINGS.items():
        word = next((o for m in meanings for o in options if o.lower().startswith(m)), None)
        if word:
            found[op] = word
    return found


def _key(properties: Mapping[str, Any], meaning: str, kinds: tuple[str, ...], taken: set[str]) -> str | None:
    for name in _KEYS[meaning]:
        if (
            name in properties
            and name not in taken
            and (not kinds or any(k in json.dumps(properties[name]) for k in kinds))
        ):
            return name
    return None


def _object(schema: Any, definitions: Mapping[str, Any]) -> tuple[dict[str, Any], str] | None:
    """The properties of the edit object of a schema of a list, and the name of the property that holds the list."""
    if not isinstance(schema, dict):
        return None
    if "$ref" in schema:
        return _object(definitions.get(schema["$ref"].rsplit("/", 1)[-1]), definitions)
    if schema.get("type") == "array":
        return _object(schema.get("items"), definitions)
    properties = schema.get("properties", {})
    if any(name in properties for name in _KEYS["op"]):
        return properties, ""
    for name, inner in properties.items():
        found = _object(inner, definitions)
        if found:
            return found[0], name
    return None


def _from_properties(properties: Mapping[str, Any], wrapper: str) -> Form | None:
    keys: dict[str, str] = {}
    for meaning, kinds in (("op", ()), ("to", ("integer",)), ("at", ()), ("text", ("string",)), ("why", ("string",))):
        name = _key(properties, meaning, kinds, set(keys.values()))
        if name:
            keys[meaning] = name
    if not {"op", "at", "text"} <= set(keys):
        return None
    op = properties[keys["op"]]
    options = op.get("enum") or [o.get("const") for o in op.get("anyOf", ()) if "const" in o]
    words = _words([str(option) for option in options] or list(_MEANINGS))
    numeric = '"integer"' in json.dumps(properties[keys["at"]]) or "type" not in properties[keys["at"]]
    return Form(keys, words, wrapper, numeric) if words else None


def edit_form(field: Field, ask: Ask) -> Form | None:
    """The form of edits that an output field asks for, None when it does not ask for edits."""
    if field.schema:
        schema = json.loads(field.schema)
        found = _object(schema, schema.get("$defs", {}))
        form = _from_properties(*found) if found else None
        alone = schema.get("type") == "object" and not (form and form.wrapper)
        return replace(form, single=alone) if form else None
    # A text field may describe JSON objects in words instead.
    about = f"{field.desc}\n{ask.instruction}" if field.type == "str" and "edit" in field.about else field.desc
    if field.type != "str" and "list" not in field.type.lower():
        return None
    names = re.findall(r"[\"'`](\w+)[\"'`]\s*(?::|=)?", about)
    known = [name for name in names if any(name in keys for keys in _KEYS.values())]
    properties = {name: {"type": "integer" if name in _KEYS["at"] else "string"} for name in known}
    form = _from_properties(properties, "") if properties else None
    if form is None:
        return None
    words = _words([name for name in re.findall(r"\w+", about) if any(name.lower() in m for m in _MEANINGS.values())])
    return Form(form.keys, words or form.words, "", True)


def _weak(brief: Brief, line: Line) -> bool:
    return not (brief.stage and taught_by(brief.stage.skills, line.text))


class _Editor:
    """Turns a brief into edits; one use."""

    def __init__(self, brief: Brief, form: Form, writer: Writer, rng: random.Random) -> None:
        self._brief, self._form, self._writer, self._rng = brief, form, writer, rng
        self._lines = [line for line in brief.lines if not line.frozen or rng.random() < writer.rate("disobedience")]
        self._edits: list[dict[str, Any]] = []
        self._touched: set[int] = set()

    def edits(self) -> list[dict[str, Any]]:
        most = self._most()
        if self._lines and "delete" in self._form.words:
            self._shorten()
        for text in additions(self._brief, self._writer, self._rng, most):
            self._introduce(text)
        if len(self._lines) > 1 and "move" in self._form.words:
            self._move()
        return self._edits[:most]

    def _most(self) -> int:
        limit = self._brief.max_edits
        if limit is None:
            return 3
        return limit + 1 if self._rng.random() < self._writer.rate("disobedience") else limit

    def _put(self, op: str, at: int, text: str, why: str, to: int | None = None) -> None:
        if op != "add":
            self._touched.add(at)
        self._edits.append(self._form.write(op, at, text, why, to))

    def _weak(self) -> list[Line]:
        """Sentences that seem to say nothing and that no edit of this reply changes yet."""
        return [line for line in self._lines[1:] if _weak(self._brief, line) and line.number not in self._touched]

    def _shorten(self) -> None:
        long = self._brief.max_words is not None and len(self._brief.current.split()) > self._brief.max_words
        asked = bool(_SHORTER.search(self._brief.text))
        if self._rng.random() >= (0.9 if long else 0.5 if asked else 0.05):
            return
        weak = self._weak()
        # Which sentence is useless is seen most of the time, not always.
        if (weak and self._rng.random() < 0.75) or (long and self._lines):
            line = self._rng.choice(weak or self._lines)
            self._put("delete", line.number, "", "It adds nothing.")

    def _introduce(self, text: str) -> None:
        if self._rng.random() < self._writer.rate("edit_error"):
            self._spoil(text)
            return
        weak = self._weak()
        if weak and "replace" in self._form.words and self._rng.random() < 0.25:
            self._put("replace", self._rng.choice(weak).number, text, "This says it more precisely.")
        elif "add" in self._form.words:
            self._put(
                "add", self._brief.lines[-1].number if self._brief.lines else 0, text, "The rule seems to be missing."
            )

    def _spoil(self, text: str) -> None:
        kind = self._rng.choice(("number", "repeat", "contrary", "replace", "early"))
        last = self._brief.lines[-1].number if self._brief.lines else 0
        contrary = [s for skill in (self._brief.stage.skills if self._brief.stage else ()) for s in skill.contrary]
        if kind == "contrary" and contrary:
            self._put("add", last, self._rng.choice(contrary), "This makes it clearer.")
        elif kind == "repeat" and self._brief.lines:
            self._put("add", last, self._rng.choice(self._brief.lines).text, "This is worth repeating.")
        elif kind == "replace" and self._lines and "replace" in self._form.words:
            self._put("replace", self._rng.choice(self._lines).number, text, "This is better.")
        elif kind == "early":
            self._put("add", self._brief.lines[0].number if self._brief.lines else 0, text, "This should come early.")
        else:
            self._put("add", last + self._rng.randint(2, 5), text, "The rule seems to be missing.")

    def _move(self) -> None:
        asked = bool(_ORDER.search(self._brief.text))
        if self._rng.random() < (0.4 if asked else 0.03):
            line, target = self._rng.sample(self._lines, 2)
            self._put("move", line.number, "", "It fits better there.", target.number)


def edit(brief: Brief, form: Form, writer: Writer, rng: random.Random) -> list[dict[str, Any]]:
    """Edits of the numbered sentences in the request.

    Args:
        brief: What the request gives.
        form: How an edit is to be written.
        writer: Its rates of error.
        rng: Its draws.
    """
    return _Editor(brief, form, writer, rng).edits()
