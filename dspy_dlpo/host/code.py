"""What a function does, as text, and what it reads from around it: for telling two functions apart."""

from __future__ import annotations

import ast
import dis
import inspect
import sys
import sysconfig
import textwrap
from collections.abc import Container, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

# Packages whose code is known by its name: a new version of them is no other run.
_KNOWN_BY_NAME = ("dspy", "dspy_dlpo")
_LIBRARY_FOLDERS = {"site-packages", "dist-packages"}
# Methods that change the list, set or dictionary that they belong to.
_CHANGING = frozenset(
    "append appendleft extend insert add update setdefault pop popleft popitem remove discard clear write "
    "writelines put sort reverse".split()
)
# Methods through which others run an object.
_ENTRIES = ("__call__", "forward", "aforward", "acall")


def is_own(thing: Any) -> bool:
    """Whether a function, class or module is the user's own, and not of Python or an installed package."""
    if isinstance(thing, FunctionType):
        return _is_own_file(thing.__code__.co_filename, thing.__module__ or "")
    name = thing.__name__ if inspect.ismodule(thing) else str(getattr(thing, "__module__", "") or "")
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if file is None:  # of a notebook, or made by exec; what is built in has a spec
        return module is None or getattr(module, "__spec__", None) is None
    return _is_own_file(file, name)


@lru_cache(maxsize=4096)
def _is_own_file(file: str, module: str) -> bool:
    if module.partition(".")[0] in _KNOWN_BY_NAME or file.startswith("<frozen"):
        return False
    path = Path(file)
    if _LIBRARY_FOLDERS & set(path.parts):
        return False
    folders = {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return not any(path.is_relative_to(folder) for folder in folders)


def is_known_by_name(function: FunctionType) -> bool:
    """Whether a function's name says what it does: one of DSPy, of this package, or of Python itself."""
    if (function.__module__ or "").partition(".")[0] in _KNOWN_BY_NAME:
        return True
    path = Path(function.__code__.co_filename)
    return not is_own(function) and not _LIBRARY_FOLDERS & set(path.parts)


def source_of(code: CodeType) -> str:
    """The text of a function's own source, comments included; empty if there is none, as for a lambda.

    Of the code, not of the function: what is wrapped by `functools.wraps` would show another's source. The source of a
    lambda is the statement around it.
    """
    if code.co_name == "<lambda>":
        return ""
    try:
        return textwrap.dedent(inspect.getsource(code))
    except (OSError, TypeError, SyntaxError, IndexError):
        return ""


def globals_of(function: FunctionType) -> dict[str, Any]:
    """The global names that a function and those inside it read, with their values; builtins left out."""
    values = function.__globals__
    return {name: values[name] for name in sorted(set(_global_names(function.__code__))) if name in values}


def _global_names(code: CodeType) -> Iterator[str]:
    for each in dis.get_instructions(code):
        if each.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(each.argval)
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _global_names(const)


def cells_of(function: FunctionType) -> dict[str, Any]:
    """What a function has enclosed, by name; a name without a value is left out."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not bound yet
            continue
    return found


def changed_by(function: FunctionType) -> set[str]:
    """What a function itself changes as it runs: names from around it, or ``name.attribute``.

    A counter, a log or a cache that a metric keeps tells nothing of what it does, and differs at every call.
    """
    return _changed_in(source_of(function.__code__))


@lru_cache(maxsize=1024)
def _changed_in(source: str) -> set[str]:
    found: set[str] = set()
    for node in _nodes(source):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            found.update(_rebound(node.names, source))
        elif isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
            found.add(_dotted(node if isinstance(node, ast.Attribute) else node.value))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
            found.add(_dotted(node.func.value))
    return found - {""}


@lru_cache(maxsize=1024)
def changed_by_methods(kind: type, entries: tuple[str, ...] = _ENTRIES) -> frozenset[str]:
    """The attributes that the methods of a class change as its object is run, those that they call included."""
    found: set[str] = set()
    seen, left = set(), list(entries)
    while left:
        name = left.pop()
        method = inspect.getattr_static(kind, name, None)
        if name in seen or not isinstance(method, FunctionType) or not is_own(method):
            continue
        seen.add(name)
        own = f"{next(iter(method.__code__.co_varnames), 'self')}."
        source = source_of(method.__code__)
        found |= {each.removeprefix(own).partition(".")[0] for each in _changed_in(source) if each.startswith(own)}
        calls = (node.func for node in _nodes(source) if isinstance(node, ast.Call))
        called = (_dotted(each) for each in calls if isinstance(each, ast.Attribute))
        left += [each.removeprefix(own) for each in called if each.startswith(own)]
    return frozenset(found)


@lru_cache(maxsize=1024)
def _nodes(source: str) -> tuple[ast.AST, ...]:
    try:
        return tuple(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError):
        return ()


def _rebound(names: list[str], source: str) -> set[str]:
    stored = {node.id for node in _nodes(source) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    return stored & set(names)


def _dotted(node: ast.AST) -> str:
    """``name`` or ``name.attribute`` of an expression that begins with a name; empty for another."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return _dotted(node.value) if isinstance(node, (ast.Attribute, ast.Subscript)) else ""


def module_of(function: FunctionType) -> str:
    """The module of a function, by the same name whether it is imported or run as a script."""
    name = str(function.__module__ or "")
    if name != "__main__":
        return name
    return Path(getattr(sys.modules.get("__main__"), "__file__", None) or "__main__").stem


def without(attributes: Mapping[str, Any], names: Container[str]) -> dict[str, Any]:
    """Attributes less some."""
    return {name: value for name, value in attributes.items() if name not in names}
