"""A run of the program as plain data, so that another process can show it to the metric as it was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import dspy

from dspy_dlpo.core.roles import Row
from dspy_dlpo.host.program import TAG

Step = tuple[Any, Mapping[str, Any], Any]


def is_step(step: Step) -> bool:
    """Whether a step of a trace is a call that answered, as in the traces of DSPy; ours hold failed calls too."""
    return isinstance(step[2], dspy.Prediction)


def values_of(row: Row, prediction: Any, trace: Sequence[Step]) -> dict[str, Any] | None:
    """What the texts of a row do not tell of its run: the values that are no text, and which steps were answered.

    Args:
        row: The run as text.
        prediction: What the program answered.
        trace: All that was traced, in the order of `Row.trace`.

    Returns:
        Plain data; None if the run is more than that, such as an object of a user's own class or an image.
    """
    outputs = _beside_text(prediction, row.outputs)
    steps = []
    for i, (step, told) in enumerate(zip(trace, row.trace, strict=True)):
        if not is_step(step):
            continue
        given, answered = _beside_text(step[1], told.inputs), _beside_text(step[2], told.outputs)
        if given is None or answered is None or not told.predictor:
            return None
        steps.append([i, given, answered])
    return None if outputs is None else {"outputs": outputs, "steps": steps}


def run_of(row: Row, program: dspy.Module) -> tuple[dspy.Prediction, list[Step]] | None:
    """The prediction and the trace of a run that is there as a row alone; None if they were more than plain data."""
    if not row.values:
        return None
    predictors = {getattr(each, TAG, name): each for name, each in program.named_sub_modules(type_=dspy.Predict)}
    steps: list[Step] = []
    for i, given, answered in row.values["steps"]:
        told = row.trace[i]
        if told.predictor not in predictors:
            return None
        answer = dspy.Prediction(**{**told.outputs, **answered})
        steps.append((predictors[told.predictor], {**told.inputs, **given}, answer))
    return dspy.Prediction(**{**row.outputs, **row.values["outputs"]}), steps


def _beside_text(fields: Any, texts: Mapping[str, str]) -> dict[str, Any] | None:
    """The fields that are no text; None if one is no plain data, or its text is not what was written down."""
    if isinstance(fields, dspy.Prediction):
        if type(fields) is not dspy.Prediction or fields.get_lm_usage() or len(fields.completions or ()) > 1:
            return None
    elif not isinstance(fields, Mapping):
        return None
    items = dict(fields.items())
    other = {name: value for name, value in items.items() if type(value) is not str}
    same = all(texts.get(name) == value for name, value in items.items() if name not in other)
    return other if same and all(map(is_plain, other.values())) else None


def is_plain(value: Any) -> bool:
    """Whether JSON gives a value back as it is."""
    if type(value) is dict:
        return all(type(key) is str and is_plain(each) for key, each in value.items())
    if type(value) is list:
        return all(map(is_plain, value))
    return value is None or type(value) in (str, int, bool) or (type(value) is float and math.isfinite(value))
