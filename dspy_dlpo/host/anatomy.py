"""What objects and classes consist of, as values that can be looked into one by one."""

from __future__ import annotations

import copyreg
import enum
import random
import types
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from dspy_dlpo.host import code


def name_of(kind: type) -> str:
    """The name of a class; with its module only where that is the same in a script and in an import of it."""
    return kind.__qualname__ if code.is_own(kind) else f"{kind.__module__}.{kind.__qualname__}"


def is_name(key: Any) -> bool:
    """Whether the key of a dictionary is fit to be shown as part of a name."""
    return isinstance(key, str) and key.isidentifier()


def field_content(field: Any) -> dict[str, Any]:
    """What a field of a signature says."""
    return {
        "type": field.annotation,
        "extra": field.json_schema_extra,
        "default": field.default,
        "rules": list(field.metadata),
    }


def members(kind: type) -> dict[str, Any]:
    """What a class of the user's own consists of, less what Python and others have put there."""
    found: dict[str, Any] = {}
    if issubclass(kind, enum.Enum):
        found["members"] = [(member.name, member.value) for member in kind]
    elif issubclass(kind, BaseModel):
        found["fields"] = [(name, field_content(field)) for name, field in kind.model_fields.items()]
    elif hasattr(kind, "__dataclass_fields__"):
        fields = kind.__dataclass_fields__.values()
        found["fields"] = [(each.name, each.type, each.default, each.default_factory) for each in fields]
    changed = _changed_by_own_methods(kind)
    for name, value in code.without(vars(kind), changed).items():
        if _is_own_member(value) or not (
            name.startswith(("__", "_abc_", "model_")) or _is_filled_in(kind, name, value)
        ):
            found[name] = value
    return found


def _changed_by_own_methods(kind: type) -> set[str]:
    """Attributes of a class, such as a count of its objects, that its own methods change."""
    methods = [getattr(each, "__func__", each) for each in vars(kind).values()]
    own = [each for each in methods if isinstance(each, types.FunctionType) and code.is_own(each)]
    dotted = [each.partition(".") for method in own for each in code.changed_by(method)]
    return {attribute.partition(".")[0] for name, _, attribute in dotted if name in (kind.__name__, "cls")}


def _is_own_member(value: Any) -> bool:
    function = getattr(value, "__func__", value)
    return (
        isinstance(function, types.FunctionType) and code.is_own(function) and bool(code.source_of(function.__code__))
    )


def _is_filled_in(kind: type, name: str, value: Any) -> bool:
    """Whether a member is a slot, or told of as a field or member."""
    told = name in getattr(kind, "__dataclass_fields__", {}) or issubclass(kind, (enum.Enum, BaseModel))
    return told or isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType))


def slots(kind: type) -> list[str]:
    """The slots of a class, those of its bases included."""
    found: list[str] = []
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        found += [slots] if isinstance(slots, str) else list(slots)
    return [name for name in found if name not in ("__dict__", "__weakref__")]


def contained(value: Any) -> Any:
    """What an object holds that is a list, a dictionary, a set, a text or a number of a class of the user's own."""
    for base, read in _CONTAINERS.items():
        if isinstance(value, base):
            return read(value)
    return None


_CONTAINERS: dict[type, Callable[[Any], Any]] = {
    dict: lambda value: dict(dict.items(value)),
    list: lambda value: list(list.__iter__(value)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: set(frozenset.__iter__(value)),
    str: str.__str__,
    bytes: lambda value: bytes(bytes.__iter__(value)),
    int: int.__int__,
    float: float.__float__,
    BaseException: lambda value: value.args,
}


def changes_when_read(value: Any) -> bool:
    """Whether something is used up, or moves on, as it is used."""
    kind = type(value)
    return hasattr(kind, "__next__") or isinstance(value, random.Random) or kind.__module__.startswith("numpy.random")


def rebuilt_from(value: Any) -> list[Any]:
    """What an object of an installed package would be built anew from; its own way to be pickled, or its attributes.

    Raises:
        TypeError: If it cannot be.
    """
    reduce = copyreg.dispatch_table.get(type(value))
    made = reduce(value) if reduce else value.__reduce_ex__(4)
    if isinstance(made, str):
        return [made]
    function, arguments, state, items, pairs = (*made, None, None, None)[:5]
    return [function, arguments, state, None if items is None else list(items), None if pairs is None else dict(pairs)]
