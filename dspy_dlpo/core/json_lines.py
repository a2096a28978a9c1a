"""Plain data and frozen dataclasses as JSON, and files of one JSON value a line."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from dspy_dlpo.core.errors import RunDirectoryError

T = TypeVar("T")

# Metadata of a field that is written only where it is not its default: runs that have no use for it do not show it.
RARE = "rare"

# What data raises that does not hold what it must, as it is read.
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)


def to_json(content: Any, indent: int | None = None) -> str:
    """JSON of plain data and frozen dataclasses; ASCII only, so that any text survives."""
    return json.dumps(_plain(content), indent=indent)


def parse_lines(path: Path, parse: Callable[[str], T]) -> list[T]:
    """Parse every line of a file; a last line that was cut by a crash is left out.

    Raises:
        RunDirectoryError: If the file cannot be read, or a line other than the last cannot be parsed.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RunDirectoryError(f"{str(path.parent)!r} holds no run: {error}. Pass the directory of a run.") from error
    parsed = []
    for number, line in enumerate(lines, start=1):
        try:
            parsed.append(parse(line))
        except UNREADABLE as error:
            if number < len(lines):
                raise RunDirectoryError(f"line {number} of {path} is no event: {error}") from error
    return parsed


def mend_last_line(path: Path) -> None:
    """Drop a last line that was cut by a crash, so that the file can be appended to; end one that lacks its break.

    Raises:
        RunDirectoryError: If the file cannot be written.
    """
    try:
        content = path.read_bytes()
        whole, _, last = content.rpartition(b"\n")
        if not last:
            return
        with open(path, "r+b") as file:
            if _is_json(last):
                file.seek(0, 2)
                file.write(b"\n")
            else:
                file.truncate(len(whole) + 1 if whole else 0)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunDirectoryError(f"{path} cannot be written: {error}. Free or choose another place.") from error


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {each: getattr(value, each.name) for each in dataclasses.fields(value)}
        return {
            each.name: _plain(got) for each, got in found.items() if RARE not in each.metadata or got != each.default
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
