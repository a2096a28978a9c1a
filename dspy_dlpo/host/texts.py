"""One text parameter of a program: where it stands, how it is read and how another is put in its place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import dspy

from dspy_dlpo.host.instructions import cleaned, instructed
from dspy_dlpo.host.nested import joined, parted
from dspy_dlpo.host.tool_lists import listed_anew, listed_tool
from dspy_dlpo.host.tools import ToolDescriptions, describe

# Stands in an agent's list of tools for a description that has a heading of its own.
_ABOVE = "(above)"


class Text(Protocol):
    """One text parameter of a program."""

    @property
    def kind(self) -> str:
        """The kind of text that it is."""

    @property
    def path(self) -> str:
        """Where it stands in its predictor."""

    @property
    def heading(self) -> str:
        """The line that stands above it."""

    def read(self) -> str:
        """The text as it stands."""

    def write(self, text: str) -> None:
        """Put another text in its place."""


@dataclass(frozen=True)
class Instructions:
    """The instructions of a predictor.

    Args:
        predictor: The predictor.
        listed: Texts of tools in them that are texts of their own.
    """

    predictor: dspy.Predict
    listed: Sequence[ListedTool] = ()
    kind: str = "instructions"
    path: str = "instructions"
    heading: str = "## Instructions"

    def read(self) -> str:
        """The instructions."""
        text = str(self.predictor.signature.instructions)
        for each in self.listed:
            if each.read():
                text = listed_anew(text, each.tool, _ABOVE, each.argument)
        return text

    def write(self, text: str) -> None:
        """Give the predictor new instructions, through a new signature, so that no other program changes."""
        text = cleaned(text)
        if text and text != self.read():
            for each in self.listed:
                text = listed_anew(text, each.tool, each.read(), each.argument)
            self.predictor.signature = instructed(self.predictor.signature, text)


@dataclass(frozen=True)
class FieldDescription:
    """What a field of a predictor's signature means; empty where DSPy has filled in the field's name."""

    predictor: dspy.Predict
    field: str
    kind: str = "fields"

    @property
    def path(self) -> str:
        """The field."""
        return self.field

    @property
    def heading(self) -> str:
        """The line that stands above it."""
        return f"## Field `{self.field}`"

    def read(self) -> str:
        """The description."""
        return self.read_all()[0]

    def write(self, text: str) -> None:
        """Give the field another description, through a new signature."""
        own, parts = self.read_all()
        if text.strip() != own.strip():
            self.write_all(text, parts)

    def read_all(self) -> tuple[str, dict[str, str]]:
        """What is said of the field, and of its parts by path."""
        extra = self.predictor.signature.fields[self.field].json_schema_extra or {}
        text = str(extra.get("desc") or "")
        return parted("" if text == self._unset else text)

    def write_all(self, own: str, parts: dict[str, str]) -> None:
        """Say both anew."""
        signature = self.predictor.signature
        changed = signature.with_updated_fields(self.field, desc=joined(own, parts) or self._unset)
        self.predictor.signature = instructed(changed, signature.instructions)

    @property
    def _unset(self) -> str:
        return f"${{{self.field}}}"


@dataclass(frozen=True)
class PartDescription:
    """What a part of a field's value means, inside a pydantic model.

    Args:
        field: The field.
        path: The way to the part, which begins with the field.
        by_class: What the model's class says of it.
    """

    field: FieldDescription
    path: str
    by_class: str
    kind: str = "nested"

    @property
    def heading(self) -> str:
        """The line that stands above it."""
        return f"## Field `{self.path}`"

    def read(self) -> str:
        """The description that holds: that of the class, or what was said since."""
        return self.field.read_all()[1].get(self.path, self.by_class)

    def write(self, text: str) -> None:
        """Say another in the description of the field; the class stays as it is."""
        text = text.strip()
        if not text or text == self.read().strip():
            return
        own, parts = self.field.read_all()
        parts.pop(self.path, None)
        self.field.write_all(own, parts if text == self.by_class.strip() else {**parts, self.path: text})


@dataclass(frozen=True)
class ToolText(ABC):
    """What a tool of an agent does, or what one of its arguments means.

    Args:
        owner: Where it is read and written.
        tool: The tool.
        argument: The argument; None for the tool itself.
    """

    owner: Any
    tool: str
    argument: str | None = None

    @property
    def kind(self) -> str:
        """The kind of text."""
        return "tools" if self.argument is None else "arguments"

    @property
    def path(self) -> str:
        """The tool and its argument."""
        return ".".join(filter(None, ("tools", self.tool, self.argument)))

    @property
    def heading(self) -> str:
        """The line that stands above it."""
        return f"## Tool `{self.tool}`" if self.argument is None else f"## Argument `{self.tool}.{self.argument}`"

    @abstractmethod
    def read(self) -> str:
        """The description."""

    def write(self, text: str) -> None:
        """Give another description; an empty one is none."""
        if text.strip() and text != self.read():
            self._put(text)

    @abstractmethod
    def _put(self, text: str) -> None: ...


@dataclass(frozen=True)
class ListedTool(ToolText):
    """Of a `dspy.ReAct`, where the instructions of its predictor list it; the predictor is the owner.

    The tools of the agent stay as they are: no request is made from them.
    """

    def read(self) -> str:
        """The description; of a tool that is not listed an empty one."""
        said, schemas = listed_tool(self.owner.signature.instructions, self.tool) or ("", {})
        return said if self.argument is None else str(schemas.get(self.argument, {}).get("description") or "")

    def _put(self, text: str) -> None:
        signature = self.owner.signature
        changed = listed_anew(signature.instructions, self.tool, text, self.argument)
        self.owner.signature = instructed(signature, changed)


@dataclass(frozen=True)
class ToolDescription(ToolText):
    """Of a `dspy.ReActV2`, the owner, which gives its tools to the model; they are then saved with the program."""

    def read(self) -> str:
        """The description."""
        tool = self.owner.tools[self.tool]
        return str((tool.desc if self.argument is None else tool.args[self.argument].get("description")) or "")

    def _put(self, text: str) -> None:
        describe(self.owner.tools[self.tool], text, self.argument)
        ToolDescriptions.attach(self.owner)
