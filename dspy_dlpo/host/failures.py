"""Runs as critic and writer see them: those that failed, and a few that went right."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from dspy_dlpo.core.acceptance import TOLERANCE
from dspy_dlpo.core.roles import Row, TraceStep
from dspy_dlpo.host.fitting import fits, tokens
from dspy_dlpo.host.prompting import quoted

# Of a longer value this many characters are shown, from its start and its end.
SHOWN = 1500
# Where even one example does not fit, its values are shortened, but not below this; then lines in its middle go.
SHORTEST = 60
# What an agent is given holds all its earlier steps: once, at its last step, is enough.
GROWING = ("trajectory", "history")

# So many runs that went right are shown beside those that failed.
RIGHT = 2

# A run: its lines, each a label and its value; a heading has none.
Lines = tuple[tuple[str, str | None], ...]


def successes(rows: Sequence[Row], failed: Sequence[Row], high: float | None, draw: str) -> list[Row]:
    """A few runs that went right, since a boundary cannot be seen from one side.

    Those come first whose answer is what a failed run gave wrongly; of these others are drawn at each step.

    Args:
        rows: All runs of the prompts in force.
        failed: The failed runs that are shown.
        high: The metric's best score; None if it is unknown, and none is taken to be right then.
        draw: Names the draw: the run's seed and the step.
    """
    if high is None:
        return []
    right = list({row.example: row for row in rows if row.score is not None and row.score >= high - TOLERANCE}.values())
    wrong = [row.outputs for row in failed]
    random.Random(f"successes/{draw}").shuffle(right)
    return sorted(right, key=lambda row: row.outputs not in wrong)[:RIGHT]


def lines_of(number: int, row: Row, name: str) -> Lines:
    """One run, for the critic of one predictor.

    Args:
        number: The number of the example in the request, from 1.
        row: The run.
        name: The predictor.
    """
    lines: list[tuple[str, str | None]] = [(f"Example {number}", None), *_fields("input", row.inputs)]
    says_more = len(row.trace) > 1 or any(call.outputs != row.outputs for call in row.trace)
    last = max((i for i, call in enumerate(row.trace) if call.predictor == name), default=-1)
    for i, call in enumerate(row.trace):
        if call.predictor == name and says_more:
            given = {field: text for field, text in call.inputs.items() if i == last or field not in GROWING}
            lines += _fields(f"{name} was given", _told_once(given, row.inputs))
            lines += _fields(f"{name} answered", call.outputs)
        elif call.predictor == name:
            lines += _fields(f"{name} was given", dict(_beyond_inputs(call, row.inputs)))
        else:
            lines += _fields(f"module {call.predictor or 'unknown'} answered", call.outputs)
    outputs = {field: text for field, text in row.outputs.items() if last < 0 or field not in GROWING}
    lines += _fields("program's output", outputs)
    lines += _fields("expected", row.expected)
    feedback = row.feedbacks.get(name) or row.feedback
    said = {"error": row.error, "feedback": feedback}
    lines += [(label, text) for label, text in said.items() if text]
    return (*lines, (f"score: {row.score:g}" if row.score is not None else "", None))


def rendered(lines: Lines, limit: int = SHOWN) -> str:
    """Lines as text; of longer values so many characters are shown."""
    return "\n".join(label if text is None else f"{label}: {quoted(text, limit)}" for label, text in lines)


def fitted(examples: Sequence[Lines], room: int) -> list[str]:
    """The first examples as text, as many as fit into so many tokens.

    Whole examples go, those last in the list first. Of the one that remains long values are shortened, and then, as
    where a loop made hundreds of calls, lines in the middle are left out.
    """
    texts: list[str] = []
    left = room
    for lines in examples:
        text = rendered(lines)
        if not fits(text, left):
            break
        texts.append(text)
        left -= tokens(text)
    return texts or [_shortened(lines, room) for lines in examples[:1]]


def _shortened(lines: Lines, room: int) -> str:
    limit = SHOWN
    while limit > SHORTEST and not fits(rendered(lines, limit), room):
        limit = max(SHORTEST, limit * 4 // 5)
    text, kept = rendered(lines, limit), len(lines)
    while kept > 4 and not fits(text, room):
        kept = max(4, kept * 3 // 4)
        head, tail = lines[: kept // 2], lines[kept // 2 - kept :]
        left_out = len(lines) - kept
        text = "\n".join([rendered(head, limit), f"[{left_out} lines are left out here]", rendered(tail, limit)])
    return text


def demo(number: int, fields: Mapping[str, str]) -> str:
    """A solved example that a predictor is shown with every request."""
    return rendered(((f"Demo {number}", None), *_fields("", fields)))


def _beyond_inputs(call: TraceStep, inputs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What a call was given that is not the example's own input of that name, in the form that it has there."""
    for field, text in call.inputs.items():
        if field not in inputs or text.strip() != inputs[field].strip():
            yield field, _same_as(text, inputs) or text


def _told_once(given: Mapping[str, str], inputs: Mapping[str, str]) -> dict[str, str]:
    """What a call was given, with a reference for long values that the example's inputs have shown."""
    return {field: (_same_as(text, inputs) if len(text) > SHOWN else "") or text for field, text in given.items()}


def _same_as(text: str, inputs: Mapping[str, str]) -> str:
    """A reference to the example's input that holds the same; empty if none does."""
    found = next((field for field, value in inputs.items() if text.strip() and value.strip() == text.strip()), None)
    return "" if found is None else f"the same as input {found}"


def _fields(title: str, values: object) -> list[tuple[str, str | None]]:
    items = values.items() if hasattr(values, "items") else ()
    return [(f"{title} {name}".lstrip(), value) for name, value in items]
