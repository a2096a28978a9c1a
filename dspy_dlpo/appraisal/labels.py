"""What people said of outputs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy

from dspy_dlpo.core.checks import check_real
from dspy_dlpo.host.values import as_text

_FORM = '{"example": {"question": "..."}, "output": {"answer": "..."}, "score": 1}'


@dataclass(frozen=True)
class HumanLabel:
    """An output of the program, and how a person scores it.

    Args:
        example: Fields of the example, by name: its inputs, and what else the metric reads. What is left out is taken
            from the task's example with the same inputs.
        output: Fields of the program's output, by name.
        score: In the metric's units; True and False are 1 and 0.

    Raises:
        TypeError: If example or output have no names, or the score is no number.
        ValueError: If the score is not finite.
    """

    example: Mapping[str, Any]
    output: Mapping[str, Any]
    score: float

    def __post_init__(self) -> None:
        for name in ("example", "output"):
            if not isinstance(getattr(self, name), Mapping):
                raise TypeError(f"HumanLabel({name}={getattr(self, name)!r}) must map names of fields to values.")
        if not isinstance(self.score, bool):
            check_real("HumanLabel", "score", self.score, float("-inf"), way_out="Pass a number, or True or False.")


def read_labels(path: str | os.PathLike[str]) -> list[HumanLabel]:
    """Read labels from a file of JSON lines, each with ``example``, ``output`` and ``score``.

    Raises:
        ValueError: If a line has another form, or there is none.
        OSError: If the file cannot be read.
    """
    labels = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                labels.append(HumanLabel(**json.loads(line)))
            except (TypeError, ValueError) as error:
                raise ValueError(f"Line {number} of {str(path)!r} is no label: {error}. Write {_FORM}.") from error
    if not labels:
        raise ValueError(f"{str(path)!r} holds no labels. Write lines such as {_FORM}.")
    return labels


def completed(labels: Sequence[HumanLabel], known: Iterable[dspy.Example]) -> list[tuple[dspy.Example, Any]]:
    """The example and the prediction of each label, as a metric takes them.

    Args:
        labels: The labels.
        known: The task's examples, at least one.

    Raises:
        ValueError: If a label has not all inputs.
    """
    examples = list(known)
    inputs = tuple(examples[0].inputs().keys())
    by_inputs = {_key(example, inputs): example for example in reversed(examples)}
    pairs = []
    for number, label in enumerate(labels):
        missing = [name for name in inputs if name not in label.example]
        if missing:
            raise ValueError(f"labels[{number}].example has no {', '.join(missing)}. Give it all inputs of an example.")
        known_fields = dict(by_inputs.get(_key(label.example, inputs), {}))
        example = dspy.Example(**{**known_fields, **label.example}).with_inputs(*inputs)
        pairs.append((example, dspy.Prediction(**label.output)))
    return pairs


def _key(example: Any, inputs: Sequence[str]) -> str:
    return json.dumps([as_text({name: example.get(name)}) for name in inputs])
