"""Understanding a request: its input and output fields, their values, its demonstrations; by the text alone."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

_FIELD = re.compile(
    r"^\d+\. `(?P<name>\w+)` \((?P<type>.*?)\):(?P<desc>.*(?:\n(?!\d+\. `|Your |All inter).*)*)", re.MULTILINE
)
_MARK = re.compile(r"\[\[ ## (\w+) ## \]\]")
_OBJECTIVE = re.compile(r"In adhering to this structure, your objective is:\s*(.*)\Z", re.DOTALL)
_SCHEMA = re.compile(r"JSON schema: ")
_ORDER = re.compile(r"\n\n(?:Respond with the corresponding output fields|Respond with a JSON object)[^\n]*\Z")


@dataclass(frozen=True)
class Field:
    """One field named by the prompt: its name, its type as written there, its description, its JSON schema if shown."""

    name: str
    type: str = "str"
    desc: str = ""
    schema: str = ""

    @property
    def about(self) -> str:
        """Name and description in lower case, for finding out what kind of text is meant."""
        return f"{self.name.replace('_', ' ')} {self.desc}".lower()


@dataclass(frozen=True)
class Turn:
    """One message: who speaks (``user`` or ``assistant``) and the text."""

    role: str
    text: str


@dataclass(frozen=True)
class Ask:
    """A request as understood.

    Args:
        layout: ``chat``, ``json``, ``xml`` (DSPy's layouts) or ``plain``.
        instruction: What the prompt asks for, without the layout's own words.
        inputs: Input fields; empty in plain text.
        outputs: Output fields; empty in plain text.
        values: Values of the input fields in the last user message.
        demos: Earlier question and answer turns, as values by field name.
        text: The last user message, without the layout's closing words.
        system: The whole system text.
    """

    layout: str
    instruction: str
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    values: Mapping[str, str]
    demos: tuple[Mapping[str, str], ...]
    text: str
    system: str = field(repr=False, default="")


@dataclass(frozen=True)
class _Form:
    layout: str
    instruction: str
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]


def _schemas(structure: str, layout: str) -> dict[str, str]:
    text = structure.replace('\\"', '"') if layout == "json" else structure
    found = {}
    for match in _SCHEMA.finditer(text):
        names = re.findall(r"\{(\w+)\} {8}# note", text[: match.start()])
        try:
            schema, _ = json.JSONDecoder().raw_decode(text, match.end())
        except ValueError:
            continue
        if names:
            found[names[-1]] = json.dumps(schema)
    return found


def _fields(block: str, schemas: Mapping[str, str]) -> tuple[Field, ...]:
    return tuple(
        Field(m["name"], m["type"], " ".join(m["desc"].split()), schemas.get(m["name"], ""))
        for m in _FIELD.finditer(block)
    )


@lru_cache(maxsize=1024)
def _form(system: str) -> _Form | None:
    head, found, rest = system.partition("Your output fields are:\n")
    if not found:
        return None
    objective = _OBJECTIVE.search(rest)
    instruction = objective.group(1) if objective else ""
    structure = rest[: objective.start()] if objective else rest
    outputs, _, structure = structure.partition("All interactions will be structured")
    layout = "json" if "Outputs will be a JSON object" in structure else "chat" if "[[ ## " in structure else "xml"
    schemas = _schemas(structure, layout)
    lines = "\n".join(line.removeprefix(" " * 8) for line in instruction.splitlines()).strip()
    return _Form(layout, lines, _fields(head, schemas), _fields(outputs, schemas))


def _marked(text: str) -> dict[str, str]:
    parts = _MARK.split(text)
    return {name: value.strip() for name, value in zip(parts[1::2], parts[2::2], strict=True)}


def _tagged(text: str, fields: tuple[Field, ...]) -> dict[str, str]:
    found = {}
    for item in fields:
        match = re.search(rf"<{item.name}>\s*(.*?)\s*</{item.name}>", text, re.DOTALL)
        if match:
            found[item.name] = match.group(1)
    return found


def _inputs(form: _Form, text: str) -> dict[str, str]:
    return _tagged(text, form.inputs) if form.layout == "xml" else _marked(_ORDER.sub("", text))


def _outputs(form: _Form, text: str) -> dict[str, str]:
    if form.layout == "xml":
        return _tagged(text, form.outputs)
    if form.layout == "chat":
        return _marked(text)
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def understand(system: str, turns: tuple[Turn, ...]) -> Ask:
    """Read a request.

    Args:
        system: The system text, empty when there is none.
        turns: The other messages in order.
    """
    last = next((turn.text for turn in reversed(turns) if turn.role == "user"), "")
    form = _form(system)
    if form is None:
        return Ask("plain", system.strip(), (), (), {}, (), last, system)
    demos = []
    for question, answer in pairwise(turns):
        if question.role == "user" and answer.role == "assistant":
            demos.append({**_inputs(form, question.text), **_outputs(form, answer.text)})
    return Ask(
        form.layout,
        form.instruction,
        form.inputs,
        form.outputs,
        _inputs(form, last),
        tuple(demos),
        _ORDER.sub("", last),
        system,
    )
