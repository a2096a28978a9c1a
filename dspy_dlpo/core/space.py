"""Where a range stands in a dataclass, there a search over settings finds it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from dspy_dlpo.core.schedule import Number, Schedule, value_at

_KEY = "dspy_dlpo.tunable"
T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; on a logarithmic scale if `log`; whole numbers if `integer`."""

    low: float
    high: float
    log: bool = False
    integer: bool = False


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    options: tuple[Any, ...]


Dimension = Range | Choice


@dataclass(frozen=True)
class TunableNumber:
    """A field that holds a number, or a schedule in the place of one.

    Args:
        path: Where it stands, such as ``"techniques.0.max_edits"``.
        range: The range of the field, widened to the values that it holds.
        number: What it holds.
    """

    path: str
    range: Range
    number: Number

    def at(self, progress: float) -> float:
        """What it is at a progress from 0 to 1, within its range; a whole number if the range holds such."""
        value = value_at(self.number, progress)
        return min(max(round(value) if self.range.integer else value, self.range.low), self.range.high)


def tunable(
    default: Any, *, low: float | None = None, high: float | None = None, options: Sequence[Any] = (), log: bool = False
) -> Any:
    """Declare a dataclass field with its default and its search range.

    Args:
        default: The shipped value.
        low: Lowest value to try.
        high: Highest value to try; whole numbers are tried if `low` and `high` are whole numbers.
        options: The values to try, instead of `low` and `high`.
        log: Whether the range is searched on a logarithmic scale.

    Raises:
        ValueError: If neither a range nor options are given.
    """
    if options:
        return dataclasses.field(default=default, metadata={_KEY: Choice(tuple(options))})
    if low is None or high is None:
        raise ValueError("tunable() needs low and high, or options. Pass one or the other.")
    integer = isinstance(low, int) and isinstance(high, int)
    return dataclasses.field(default=default, metadata={_KEY: Range(low, high, log, integer)})


def search_space(settings: Any) -> dict[str, Dimension]:
    """Find all tunable fields below a dataclass, a list or a tuple of them.

    A schedule's fields that end in ``value`` inherit the range of the field that holds the schedule.

    Returns:
        The dimensions by dotted path, such as ``"techniques.1.p"``.
    """
    return dict(_walk(settings, "", None))


def numbers(settings: Any) -> dict[str, TunableNumber]:
    """Find all fields below a dataclass, a list or a tuple of them that have a range of numbers.

    A field that holds a schedule counts once; the schedule's own fields are not looked at.

    Returns:
        By the names of class and field, such as ``"Dropout.p"``; a field of `settings` itself by its own name. Where
        two have the same name, both by their paths.
    """
    found = list(_numbers(settings, "", ""))
    count = Counter(name for name, _ in found)
    return {each.path if count[name] > 1 else name: each for name, each in found}


def with_params(settings: T, params: Mapping[str, Any]) -> T:
    """Put values back by their dotted paths, through ``replace``, so that every check runs.

    Raises:
        KeyError: If a path leads nowhere.
    """
    for path, value in params.items():
        settings = _replaced(settings, path.split("."), value)
    return settings


def _walk(node: Any, path: str, inherited: Dimension | None) -> list[tuple[str, Dimension]]:
    if isinstance(node, (list, tuple)):
        return [pair for i, child in enumerate(node) for pair in _walk(child, f"{path}{i}.", None)]
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        return []
    found: list[tuple[str, Dimension]] = []
    for each in dataclasses.fields(node):
        value = getattr(node, each.name)
        dimension = each.metadata.get(_KEY)
        if isinstance(node, Schedule) and each.name.endswith("value"):
            dimension = inherited or dimension
        if dataclasses.is_dataclass(value) or isinstance(value, (list, tuple)):
            found.extend(_walk(value, f"{path}{each.name}.", dimension))
        elif dimension is not None:
            found.append((f"{path}{each.name}", dimension))
    return found


def _numbers(node: Any, path: str, owner: str) -> Iterator[tuple[str, TunableNumber]]:
    if isinstance(node, (list, tuple)):
        for i, child in enumerate(node):
            yield from _numbers(child, f"{path}{i}.", f"{type(child).__name__}.")
    elif dataclasses.is_dataclass(node) and not isinstance(node, type):
        for each in dataclasses.fields(node):
            value, dimension = getattr(node, each.name), each.metadata.get(_KEY)
            if isinstance(dimension, Range) and isinstance(value, (int, float, Schedule)):
                yield f"{owner}{each.name}", TunableNumber(f"{path}{each.name}", _widened(dimension, value), value)
            elif not isinstance(value, Schedule):
                yield from _numbers(value, f"{path}{each.name}.", f"{type(value).__name__}.")


def _widened(dimension: Range, number: Number) -> Range:
    low, high = number.bounds() if isinstance(number, Schedule) else (number, number)
    if dimension.integer and isinstance(number, Schedule):
        low, high = dimension.low, round(high)  # what rounds to less may stand for the least, as in LearningRate
    return dataclasses.replace(dimension, low=min(dimension.low, low), high=max(dimension.high, high))


def _replaced(node: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(node, (list, tuple)):
        if not head.isdigit() or int(head) >= len(node):
            raise KeyError(f"no element {head!r} in {node!r}")
        items = list(node)
        items[int(head)] = _replaced(items[int(head)], rest, value)
        return type(node)(items)
    if not dataclasses.is_dataclass(node) or head not in {each.name for each in dataclasses.fields(node)}:
        raise KeyError(f"no field {head!r} in {node!r}")
    return dataclasses.replace(node, **{head: _replaced(getattr(node, head), rest, value)})  # type: ignore[type-var]
