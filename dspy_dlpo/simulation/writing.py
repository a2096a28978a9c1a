"""The writer: the simulated prompt model, which answers by the kinds of the output fields and nothing else."""

import json
import random
import re
from typing import Any

from dspy_dlpo.simulation.brief import Brief, brief, for_module
from dspy_dlpo.simulation.drafting import additions
from dspy_dlpo.simulation.draws import stream
from dspy_dlpo.simulation.editing import edit, edit_form
from dspy_dlpo.simulation.layout import reply
from dspy_dlpo.simulation.lines import ASKED, edit_lines
from dspy_dlpo.simulation.prose import prose, remarks
from dspy_dlpo.simulation.request import Ask, Field
from dspy_dlpo.simulation.rewriting import rewrite
from dspy_dlpo.simulation.settings import Writer

_INSTRUCTION = re.compile(r"instruction|prompt|\brules?\b|system message")
_PROSE = re.compile(
    r"critique|critic|feedback|analysis|rationale|reasoning|summary|descri|discuss|explain|observation|why|reflect"
)
PLAIN_INSTRUCTION = re.compile(r"```|new instruction|improved|rewrite|revised", re.IGNORECASE)
OPEN_TAG = re.compile(r"<(\w+)>\s*(?:\{[^}<]*\}|\.\.\.|[a-z ]*(?:improved|new|revised)[a-z ]*)\s*</\1>", re.IGNORECASE)


def is_instruction(field: Field) -> bool:
    """Whether an output field asks for instructions, not for prose about them."""
    name = field.name.replace("_", " ").lower()
    if _INSTRUCTION.search(name):
        return not _PROSE.search(name)
    return bool(_INSTRUCTION.search(field.desc.lower()) and not _PROSE.search(field.about))


def wanted_keys(ask: Ask) -> list[str]:
    """The names that an answer by name is wanted for: a list of names among the inputs."""
    for value in ask.values.values():
        try:
            names = json.loads(value)
        except ValueError:
            continue
        if isinstance(names, list) and names and all(isinstance(n, str) and len(n) < 60 for n in names):
            return names
    return ["answer"]


def any_choice(field: Field, rng: random.Random) -> Any:
    """Any legal value of a field of numbers, truth values or options."""
    kind = field.type.lower()
    if kind.startswith("literal"):
        options = re.findall(r"'([^']*)'|\"([^\"]*)\"|(-?\d+)", field.type)
        return next(filter(None, rng.choice(options)), "") if options else ""
    if "bool" in kind:
        return rng.random() < 0.5
    return rng.randint(1, 5) if "int" in kind else round(rng.random(), 2)


def _schema_value(schema: Any, definitions: dict[str, Any], work: Brief, rng: random.Random) -> Any:
    """A plausible value for a schema of no kind known here: prose in every text, legal values elsewhere."""
    if not isinstance(schema, dict):
        return prose(work, rng, 1)
    if "$ref" in schema:
        return _schema_value(definitions.get(schema["$ref"].rsplit("/", 1)[-1]), definitions, work, rng)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return _schema_value(options[0], definitions, work, rng)
    if "enum" in schema or "const" in schema:
        return rng.choice(schema.get("enum") or [schema["const"]])
    kind = schema.get("type")
    if kind == "object":
        return {
            name: _schema_value(inner, definitions, work, rng) for name, inner in schema.get("properties", {}).items()
        }
    if kind == "array":
        return [_schema_value(schema.get("items"), definitions, work, rng)]
    plain = {
        "integer": rng.randint(1, 5),
        "number": round(rng.random(), 2),
        "boolean": rng.random() < 0.5,
        "null": None,
    }
    return plain[kind] if kind in plain else prose(work, rng, 1)


def _text_value(field: Field, work: Brief, writer: Writer, rng: random.Random) -> str:
    if "prefix" in field.name:
        return "Answer:"
    return rewrite(work, writer, rng) if is_instruction(field) else prose(work, rng, writer.points, field.about)


def _value(field: Field, ask: Ask, work: Brief, writer: Writer, rng: random.Random) -> Any:
    form = edit_form(field, ask)
    if form is not None:
        edits = edit(work, form, writer, rng)
        if form.single:
            return edits[0] if edits else form.write(next(iter(form.words)), 0, "", "Nothing to change.")
        return {form.wrapper: edits} if form.wrapper else json.dumps(edits) if field.type == "str" else edits
    kind = field.type.lower()
    if kind == "str" or kind.startswith("optional[str") or kind == "str | none":
        return _text_value(field, work, writer, rng)
    if kind.startswith("dict"):
        parts = {name: for_module(work, name) for name in wanted_keys(ask)}
        return {
            name: " ".join(additions(part, writer, rng, 3)) or prose(part, rng, writer.points)
            for name, part in parts.items()
        }
    if kind in ("list[str]", "list", "list[any]"):
        return (
            additions(work, writer, rng, writer.points) if is_instruction(field) else remarks(work, rng, writer.points)
        )
    if field.schema:
        schema = json.loads(field.schema)
        return _schema_value(schema, schema.get("$defs", {}), work, rng)
    return any_choice(field, rng)


def _plain(ask: Ask, work: Brief, writer: Writer, rng: random.Random) -> str:
    whole = f"{ask.system}\n{ask.text}"
    tag = next((m[1] for m in OPEN_TAG.finditer(whole) if m[1] != "VARIABLE"), None)
    if tag:
        return f"<{tag}>{rewrite(work, writer, rng)}</{tag}>"
    if ASKED.search(whole):
        return edit_lines(work, writer, rng)
    if PLAIN_INSTRUCTION.search(whole) and work.current:
        return f"```\n{rewrite(work, writer, rng)}\n```"
    return prose(work, rng, writer.points)


def write(ask: Ask, writer: Writer, labels: tuple[object, ...]) -> str:
    """The writer's reply to a request.

    Args:
        ask: The request as understood.
        writer: Its rates of error.
        labels: What its draws depend on.
    """
    rng = stream("writer", *labels)
    work = brief(ask, writer, rng)
    if rng.random() < 0.15 * (1 - writer.strength):
        return "I would suggest to improve this a little."
    if ask.layout == "plain":
        return _plain(ask, work, writer, rng)
    return reply(ask.layout, {field.name: _value(field, ask, work, writer, rng) for field in ask.outputs})
