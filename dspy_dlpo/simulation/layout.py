"""Writing a reply in the layout that the request asked for."""

import json
from collections.abc import Mapping
from typing import Any


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _item(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{key}>{_text(entry)}</{key}>" for key, entry in value.items())
    return _text(value)


def _tag(name: str, value: Any) -> str:
    if isinstance(value, list):
        return f"<{name}>{''.join(f'<item>{_item(entry)}</item>' for entry in value)}</{name}>"
    return f"<{name}>\n{_item(value)}\n</{name}>"


def reply(layout: str, values: Mapping[str, Any]) -> str:
    """The reply text.

    Args:
        layout: ``chat``, ``json``, ``xml`` or ``plain``.
        values: By output field; text, numbers, booleans, lists or dictionaries. Plain text joins them.
    """
    if layout == "json":
        return json.dumps(dict(values), ensure_ascii=False, indent=2)
    if layout == "xml":
        return "\n".join(_tag(name, value) for name, value in values.items())
    if layout == "plain":
        return "\n\n".join(_text(value) for value in values.values())
    # DSPy's chat layout reads Python's own spelling of booleans.
    parts = [f"[[ ## {name} ## ]]\n{str(v) if isinstance(v, bool) else _text(v)}" for name, v in values.items()]
    return "\n\n".join((*parts, "[[ ## completed ## ]]"))
