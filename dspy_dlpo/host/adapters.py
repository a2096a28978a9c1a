"""How a request is put to the prompt model: DSPy's marked fields, its native structured output, or plain text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import dspy

from dspy_dlpo.host.cutting import HearingAdapter

# What a reasoning model writes before its reply; of a thought that was not ended there is no reply.
_THOUGHTS = re.compile(r"\A(?:.*</think>|\s*<think>.*\Z)", re.DOTALL)


class SchemaAdapter(dspy.JSONAdapter):
    """DSPy's JSON adapter, which has the endpoint enforce the form where it can; the reply is kept as it came."""

    heard = ""

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        """Read the fields of a reply."""
        self.heard = completion
        fields: dict[str, Any] = super().parse(signature, completion)
        return fields


class PlainAdapter(dspy.Adapter):
    """One message in plain text, and the whole reply as the one output field: for models that keep to no marks."""

    heard = ""

    def format(self, signature: type[dspy.Signature], demos: Any, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Write the fields that hold anything, each under its description, and last what is wanted.

        The answers that there are stand right before it: a small model names them only there.
        """
        fields = sorted(signature.input_fields.items(), key=lambda item: item[0] == "answers")
        shown = [
            f"{_capital(field.json_schema_extra['desc'])}:\n{inputs[name]}"
            for name, field in fields
            if str(inputs.get(name) or "").strip() not in ("", "None.")
        ]
        return [{"role": "user", "content": "\n\n".join([*shown, signature.instructions])}]

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        """Take the whole reply, but for what the model thought before it."""
        self.heard = completion
        return dict.fromkeys(signature.output_fields, _THOUGHTS.sub("", completion).strip())


ADAPTERS: Mapping[str, type[HearingAdapter] | type[SchemaAdapter] | type[PlainAdapter]] = {
    "marks": HearingAdapter,
    "schema": SchemaAdapter,
    "plain": PlainAdapter,
}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
