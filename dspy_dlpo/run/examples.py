"""Examples as users bring them: made a list, checked, and told apart by the content of their inputs."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import dspy

from dspy_dlpo.host.content import ContentHasher

# How the rows of a table become examples, by the package of the table.
_ROWS = {
    "pandas": '{name}.to_dict("records")',
    "polars": "{name}.to_dicts()",
    "pyarrow": "{name}.to_pylist()",
    "datasets": "{name}",
}


def as_examples(name: str, given: Any) -> list[dspy.Example]:
    """The examples as a list; an iterator is read to its end.

    Args:
        name: The argument, for errors.
        given: What the user passed.

    Raises:
        TypeError: If it is no collection of examples; it says how to make one of it.
        ValueError: If the inputs of an example are not marked, or it has no such fields.
    """
    examples = list(_iterable(name, given))
    for i, example in enumerate(examples):
        _check_example(f"{name}[{i}]", example)
    return examples


def _iterable(name: str, given: Any) -> Any:
    """What can be read one by one, and is no table, mapping or text."""
    kind, package = type(given).__name__, type(given).__module__.partition(".")[0]
    if package in _ROWS and kind not in ("Series", "Index"):
        if kind == "DatasetDict":
            raise TypeError(f"{name} is a DatasetDict. Pass examples of one split of it, such as {name}['train'].")
        rows = _ROWS[package].format(name=f"{name}.collect()" if kind == "LazyFrame" else name)
        raise TypeError(
            f"{name} is a {kind} of {package}. Pass [dspy.Example(**row).with_inputs(...) for row in {rows}]."
        )
    if isinstance(given, dspy.Example):
        raise TypeError(f"{name} is one {kind}. Pass a list of examples, such as [{name}].")
    if isinstance(given, (Mapping, str, bytes)):
        raise TypeError(f"{name} is a {kind}. Pass a list of dspy.Example objects.")
    try:
        return iter(given)
    except TypeError:
        raise TypeError(f"{name} is a {kind}. Pass a list of dspy.Example objects.") from None


def _check_example(where: str, example: Any) -> None:
    if not isinstance(example, dspy.Example):
        raise TypeError(f"{where} is a {type(example).__name__}. Pass dspy.Example objects{_way_out(example)}.")
    marked = getattr(example, "_input_keys", None)
    if marked is None:
        raise ValueError(f"{where} does not say which fields are inputs. Call .with_inputs(...) on it.")
    missing = sorted(set(marked) - set(example.keys(include_dspy=True)), key=str)
    if missing:
        raise ValueError(
            f"{where} marks {missing[0]!r} as an input and has no such field; its fields are "
            f"{', '.join(map(str, example.keys())) or 'none'}. Call .with_inputs(...) with names of these."
        )


def _way_out(example: Any) -> str:
    if isinstance(example, Mapping):
        return ": [dspy.Example(**row).with_inputs(...) for row in rows]"
    if isinstance(example, (tuple, list)):
        return ": [dspy.Example(question=q, answer=a).with_inputs('question') for q, a in rows]"
    return ""


def input_keys(examples: Sequence[dspy.Example]) -> list[str]:
    """A name for the inputs of each example: the same for equal content, whatever the labels; empty for no inputs."""
    hasher = ContentHasher()
    inputs = [dict(example.inputs().items()) for example in examples]
    return [hasher.digest(each, "inputs") if each else "" for each in inputs]


def unseen(examples: Sequence[dspy.Example], seen: Sequence[dspy.Example]) -> list[dspy.Example]:
    """The examples whose inputs are not among those of others."""
    known = set(input_keys(seen)) - {""}
    return [example for example, key in zip(examples, input_keys(examples), strict=True) if key not in known]


def distinct(examples: Sequence[dspy.Example]) -> list[dspy.Example]:
    """The first of each examples with the same inputs and labels: a copy is no further evidence."""
    hasher, found = ContentHasher(), dict[str, dspy.Example]()
    for example in examples:
        found.setdefault(hasher.digest(dict(example.items()), "example"), example)
    return list(found.values())


def split_holdout(examples: Sequence[Any], share: float, seed: int) -> tuple[list[Any], list[Any]]:
    """Split a trainset into what is learned from and what is held out, at random, in the order given.

    Examples with the same inputs stay on one side; so less is held out than `share` where no such group fits.
    """
    order = list(range(len(examples)))
    random.Random(f"{seed}/holdout").shuffle(order)
    keys, groups = input_keys(examples), dict[str, list[int]]()
    for i in order:
        groups.setdefault(keys[i] or str(i), []).append(i)
    held: set[int] = set()
    for group in groups.values():
        if len(held) + len(group) <= int(len(examples) * share):
            held.update(group)
    train = [example for i, example in enumerate(examples) if i not in held]
    return train, [example for i, example in enumerate(examples) if i in held]


def repeated(examples: Sequence[dspy.Example]) -> int:
    """How many examples have the inputs of an earlier one."""
    keys = [key for key in input_keys(examples) if key]
    return len(keys) - len(set(keys))


def input_fields(examples: Sequence[dspy.Example]) -> Iterator[tuple[int, Collection[str]]]:
    """Each set of input fields that examples have, with the number of the first that has it."""
    known: set[frozenset[str]] = set()
    for i, example in enumerate(examples):
        names = frozenset(map(str, example.inputs().keys()))
        if names not in known:
            known.add(names)
            yield i, sorted(names)
