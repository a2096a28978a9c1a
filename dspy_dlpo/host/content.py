"""Values told apart by their content, not by how they are displayed: the same in every process, another for others.

A digest covers all that a value consists of: the pixels of an image, every number of an array, the arguments that a
`functools.partial` binds, what a function encloses and the state of an object. It holds no address, no ``id`` and no
order of a set. What has no content that could be read, such as a connection, is named in `ContentHasher.unknown`.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import hashlib
import inspect
import logging
import operator
import sys
import threading
import types
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from pathlib import Path, PurePath
from typing import Any, Literal, Union

import dspy
from pydantic import BaseModel

from dspy_dlpo.host import anatomy, code
from dspy_dlpo.host.models import model_options, without_secrets
from dspy_dlpo.host.tables import table_content

# Values whose text is their content.
_PLAIN = frozenset({str, bytes, int, float, bool, complex, type(None), type(...)})
# So many objects inside one value, or inside one object of an installed package, are looked into; more may not end.
MOST_PARTS, MOST_FOREIGN_PARTS = 2_000_000, 50_000
# What holds nothing: two of them are the same.
_NO_CONTENT = (
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Event,
    threading.Semaphore,
    threading.local,
    asyncio.AbstractEventLoop,
    asyncio.Future,
    asyncio.Lock,
    asyncio.Condition,
    asyncio.Event,
    asyncio.Semaphore,
    logging.Logger,
    ContextVar,
)
# Attributes of modules that tell of earlier runs, or are drawn at random, and not of what the module does.
_NOT_OF_MODULES = frozenset(
    "history callbacks _compiled stage traces train fields detailed_results candidate_programs trial_logs "
    "results_best results_latest total_calls score prompt_model_total_calls _dlpo_predictor".split()
)
# Attributes of language models that `model_options` tells of, or that tell nothing of the answers.
_OF_MODELS = frozenset(
    "model model_type kwargs cache history callbacks num_retries provider finetuning_model launch_kwargs "
    "train_kwargs use_developer_role".split()
)
_ALIASES = (types.GenericAlias, types.UnionType, type(list[int]), type(Literal[1]), type(Union[int, str]))  # noqa: UP007


class _NoContentError(Exception):
    """Something cannot be hashed."""


class ContentHasher:
    """Digests of values.

    Attributes:
        unknown: What could not be hashed: where it is, and of what type.
    """

    def __init__(self) -> None:
        self.unknown: dict[str, str] = {}
        # Digests by id, with the objects, so that no id is used again; only of what does not refer to what holds it.
        self._done: dict[int, tuple[Any, bytes]] = {}
        self._open: dict[int, int] = {}
        self._lowest = sys.maxsize
        self._parts, self._limit, self._foreign = 0, MOST_PARTS, 0
        self._globals: dict[str, Any] = {}
        self._omitted: dict[int, set[str]] = {}  # attributes by the id of their object
        self._kinds = self._known()

    def digest(self, value: Any, where: str) -> str:
        """A short name for a value.

        Args:
            value: Anything.
            where: What it is called if it cannot be hashed.
        """
        self._limit = self._parts + MOST_PARTS
        try:
            token = self._token(value, where)
        except (_NoContentError, RecursionError):
            token = self._unknown(value, where)
        return hashlib.sha256(token).hexdigest()[:16]

    def used_globals(self) -> dict[str, str]:
        """Digests of the global names that the functions read which were hashed so far, and those that these read.

        Each is hashed once, so that functions that call one another, as those of a module do, take no longer.
        """
        found: dict[str, str] = {}
        while left := [name for name in self._globals if name not in found]:
            for name in left:
                found[name] = self.digest(self._globals[name], name)
        return dict(sorted(found.items()))

    # --- the walk --------------------------------------------------------------------------------------------------

    def _token(self, value: Any, where: str) -> bytes:
        """What stands for a value inside the digest of what holds it."""
        kind = type(value)
        if kind in _PLAIN:
            return f"{kind.__name__} {value!a}".encode()
        key = id(value)
        if key in self._done:
            return self._done[key][1]
        depth = len(self._open)
        if key in self._open:  # a cycle is told by how far up it leads
            self._lowest = min(self._lowest, self._open[key])
            return f"up {depth - self._open[key]}".encode()
        self._parts += 1
        if self._parts > self._limit:
            raise _NoContentError
        self._open[key] = depth
        outer, self._lowest = self._lowest, sys.maxsize
        try:
            token = self._compound(value, where)
            if self._lowest >= depth:
                self._done[key] = value, token
        finally:
            del self._open[key]
            self._lowest = min(outer, self._lowest) if self._lowest < depth else outer
        return token

    def _compound(self, value: Any, where: str) -> bytes:
        kind = type(value)
        if kind in (list, tuple):
            return self._sequence(kind.__name__, value, where)
        if kind in (dict, OrderedDict):
            return self._mapping(kind.__name__, value, where)
        if kind in (set, frozenset):
            return _joined("set", sorted(self._token(item, where) for item in value))
        for kinds, method in self._kinds:
            if isinstance(value, kinds):
                return method(value, where)
        content = table_content(value)
        if content is not None:
            return self._parts_of(anatomy.name_of(kind), content, where)
        return self._object(value, where)

    def _known(self) -> tuple[tuple[Any, Callable[[Any, str], bytes]], ...]:
        """How kinds of objects are hashed; the first that fits."""
        return (
            (
                enum.Enum,
                lambda value, where: self._parts_of(anatomy.name_of(type(value)), [value.name, value.value], where),
            ),
            (type, self._class),
            (types.FunctionType, self._function),
            (types.MethodType, self._method),
            ((types.BuiltinFunctionType, types.MethodWrapperType), self._builtin),
            (types.ModuleType, self._module),
            (_ALIASES, self._alias),
            (types.MappingProxyType, lambda value, where: self._mapping("dict", value, where)),
            (functools.partial, self._partial),
            ((staticmethod, classmethod), lambda value, where: self._token(value.__func__, where)),
            (property, lambda value, where: self._parts_of("property", [value.fget, value.fset], where)),
            (functools.cached_property, lambda value, where: self._token(value.func, where)),
            (functools._lru_cache_wrapper, lambda value, where: self._token(value.__wrapped__, where)),
            (dspy.Example, self._example),
            (dspy.BaseLM, self._model),
            (dspy.Module, self._program),
            (BaseModel, self._pydantic),
            (PurePath, lambda value, where: f"path {value.as_posix()!a}".encode()),
            (_NO_CONTENT, lambda value, where: type(value).__name__.encode()),
        )

    def _sequence(self, tag: str, items: Any, where: str) -> bytes:
        if set(map(type, items)) <= _PLAIN:  # a hundred times faster
            return _joined(tag, [ascii(list(items)).encode()])
        return _joined(tag, [self._token(item, where) for item in items])

    def _mapping(self, tag: str, items: Mapping[Any, Any], where: str) -> bytes:
        ordered = tag == "OrderedDict"
        if not ordered and set(map(type, items)) <= {str} and set(map(type, items.values())) <= _PLAIN:
            return _joined(tag, [ascii(sorted(items.items(), key=operator.itemgetter(0))).encode()])
        pairs = [
            _joined(
                "pair",
                [self._token(key, where), self._token(value, f"{where}.{key}" if anatomy.is_name(key) else where)],
            )
            for key, value in items.items()
        ]
        return _joined(tag, pairs if ordered else sorted(pairs))

    def _parts_of(self, tag: str, parts: Iterable[Any], where: str) -> bytes:
        return _joined(tag, [self._token(part, where) for part in parts])

    def _unknown(self, value: Any, where: str) -> bytes:
        name = anatomy.name_of(type(value))
        self.unknown[where] = name
        return f"unknown {name}".encode()

    def _no_content(self, value: Any, where: str) -> bytes:
        """Name what cannot be hashed; inside an object of a package, that whole object."""
        if self._foreign:
            raise _NoContentError
        return self._unknown(value, where)

    # --- code ------------------------------------------------------------------------------------------------------

    def _function(self, value: types.FunctionType, where: str) -> bytes:
        changed = code.changed_by(value)
        cells = self._kept(code.cells_of(value), changed)
        parts: list[Any] = [value.__qualname__, value.__defaults__, value.__kwdefaults__, cells, dict(vars(value))]
        if code.is_known_by_name(value):
            parts.append(value.__module__)
        else:
            parts.append(code.source_of(value.__code__) or self._bytecode(value.__code__))
        if code.is_own(value):
            self._note_globals(value, changed)
        return self._parts_of("function", parts, where)

    def _note_globals(self, function: types.FunctionType, changed: set[str]) -> None:
        module = code.module_of(function)
        for name, value in self._kept(code.globals_of(function), changed).items():
            self._globals.setdefault(f"{module}.{name}", value)

    def _kept(self, values: Mapping[str, Any], changed: set[str]) -> dict[str, Any]:
        """What a function reads, less what it changes: the whole, or an attribute of it."""
        for each in changed:
            name, _, attribute = each.partition(".")
            if attribute and name in values:
                self._omit(values[name], {attribute})
        return code.without(values, changed)

    def _omit(self, value: Any, names: set[str]) -> None:
        self._omitted.setdefault(id(value), set()).update(names)

    def _bytecode(self, found: types.CodeType) -> list[Any]:
        """What a function without a source does, without the place where it stands."""
        consts = [self._bytecode(each) if isinstance(each, types.CodeType) else each for each in found.co_consts]
        return [found.co_code, consts, found.co_names, found.co_varnames, found.co_freevars]

    def _method(self, value: types.MethodType, where: str) -> bytes:
        owner = value.__self__
        kind = owner if isinstance(owner, type) else type(owner)
        changed = code.changed_by_methods(kind, (value.__name__,))
        self._omit(owner, set(changed))
        return self._parts_of("method", [value.__func__, owner], where)

    def _builtin(self, value: Any, where: str) -> bytes:
        owner = getattr(value, "__self__", None)
        parts = [value.__name__, getattr(value, "__module__", None)]
        return self._parts_of("builtin", parts if owner is None or inspect.ismodule(owner) else [*parts, owner], where)

    def _partial(self, value: Any, where: str) -> bytes:
        return self._parts_of("partial", [value.func, value.args, value.keywords, dict(vars(value))], where)

    def _module(self, value: types.ModuleType, where: str) -> bytes:
        file = getattr(value, "__file__", None)
        if file is None or not code.is_own(value):
            return f"module {value.__name__}".encode()
        try:
            return _joined("module", [Path(file).read_bytes()])
        except OSError:
            return self._no_content(value, where)

    def _class(self, value: Any, where: str) -> bytes:
        parts: list[Any] = [anatomy.name_of(value)]
        if issubclass(value, dspy.Signature):
            fields = {name: anatomy.field_content(each) for name, each in value.fields.items()}
            parts += [value.instructions, list(fields), fields]
        elif code.is_own(value):
            parts += [list(value.__bases__), anatomy.members(value)]
        return self._parts_of("class", parts, where)

    def _alias(self, value: Any, where: str) -> bytes:
        """A type with parameters, such as ``list[int]``."""
        parts = [getattr(value, name, None) for name in ("__origin__", "__args__", "__metadata__")]
        return self._parts_of("type", parts, where)

    # --- objects ---------------------------------------------------------------------------------------------------

    def _example(self, value: Any, where: str) -> bytes:
        inputs = getattr(value, "_input_keys", None)
        marked = None if inputs is None else set(inputs)
        return self._parts_of(anatomy.name_of(type(value)), [dict(value.items()), marked], where)

    def _model(self, value: Any, where: str) -> bytes:
        parts = [type(value), model_options(value)]
        if code.is_own(type(value)):
            more = code.without(self._attributes(value), _OF_MODELS)
            parts.append(without_secrets({name: each for name, each in more.items() if not name.startswith("_")}))
        return self._parts_of("model", parts, where)

    def _program(self, value: Any, where: str) -> bytes:
        attributes = code.without(self._attributes(value), _NOT_OF_MODULES)
        if isinstance(attributes.get("config"), dict):
            attributes["config"] = without_secrets(attributes["config"])
        return self._parts_of("program", [type(value), attributes], where)

    def _pydantic(self, value: BaseModel, where: str) -> bytes:
        parts = [type(value), dict(vars(value)), value.__pydantic_extra__, value.__pydantic_private__]
        return self._parts_of("model", parts, where)

    def _object(self, value: Any, where: str) -> bytes:
        """Any other object: its class and attributes, or what it is built anew from."""
        kind = type(value)
        if anatomy.changes_when_read(value):
            return self._no_content(value, where)
        if code.is_own(kind) and (hasattr(value, "__dict__") or anatomy.slots(kind)):
            return self._parts_of("object", [kind, anatomy.contained(value), self._attributes(value)], where)
        limit, self._limit = self._limit, min(self._limit, self._parts + MOST_FOREIGN_PARTS)
        self._foreign += 1
        try:
            return self._parts_of("object", [kind, *anatomy.rebuilt_from(value)], where)
        except Exception:  # noqa: BLE001 - whatever the code of a package raises; what cannot be hashed among it
            pass
        finally:
            self._foreign -= 1
            self._limit = limit
        return self._no_content(value, where)

    def _attributes(self, value: Any) -> dict[str, Any]:
        """The attributes of an object, less those that it changes itself as it is run, and what it has only cached."""
        kind: Any = type(value)
        changed = code.changed_by_methods(kind) if code.is_own(kind) else frozenset()
        found = dict(getattr(value, "__dict__", {}))
        for slot in anatomy.slots(kind):
            if hasattr(value, slot):
                found[slot] = getattr(value, slot)
        cached = {
            name for name in found if isinstance(inspect.getattr_static(kind, name, None), functools.cached_property)
        }
        return code.without(found, changed | cached | self._omitted.get(id(value), set()))


def module_state(program: dspy.Module) -> dict[str, Any]:
    """What the modules of a program hold beside predictors, modules and language models, by name."""
    found = {}
    for name, module in program.named_sub_modules():
        if isinstance(module, dspy.Predict):
            continue
        kind: Any = type(module)
        changed = code.changed_by_methods(kind)
        for attribute, value in code.without(vars(module), _NOT_OF_MODULES | changed).items():
            if not isinstance(value, (dspy.Module, dspy.BaseLM)):
                found[f"{name.removeprefix('self.')}.{attribute}".removeprefix("self.")] = value
    return found


def _joined(tag: str, tokens: Iterable[bytes]) -> bytes:
    """A digest of tokens, each with its length, so that none runs into the next."""
    found = hashlib.sha256(tag.encode())
    for token in tokens:
        found.update(len(token).to_bytes(8, "big"))
        found.update(token)
    return found.digest()
