"""What happens around one predictor in a program: what ran before it, where its inputs come from and its outputs go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dspy_dlpo.core.roles import Row, TraceStep

# A text of fewer characters is taken for another's only where it is the whole of it: "yes" stands in many texts.
SHORT = 12
# At most so many sentences; a program whose fields all feed each other would fill a page.
MOST = 10


def account_of(name: str, rows: Sequence[Row]) -> str:
    """A short account of the program around a predictor, read off the traces of its runs.

    Args:
        name: The predictor.
        rows: Runs of the program.

    Returns:
        Sentences on what ran before it, where its inputs came from and where its outputs went; empty for a predictor
        that runs alone.
    """
    if not any(call.predictor != name for row in rows for call in row.trace):
        return ""
    said = dict.fromkeys(sentence for row in rows for sentence in _sentences(name, row))
    return " ".join([_order(name, rows), *list(said)[:MOST]])


def _order(name: str, rows: Sequence[Row]) -> str:
    before: dict[str, None] = {}
    ran = False
    for row in rows:
        first = next((i for i, call in enumerate(row.trace) if call.predictor == name), None)
        if first is None:
            continue
        ran = True
        before.update(dict.fromkeys(call.predictor or "unknown" for call in row.trace[:first]))
    order = f"ran {'after ' + ', '.join(before) if before else 'first'}" if ran else "did not run"
    return f"Around {name}: it {order}."


def _sentences(name: str, row: Row) -> Iterator[str]:
    """Where the inputs of a predictor's calls in one run came from, and what became of its outputs."""
    for i, call in enumerate(row.trace):
        if call.predictor != name:
            continue
        for field, text in call.inputs.items():
            yield from (f"Its input {field} holds {source}." for source in _sources(text, row, row.trace[:i], name))
        for field, text in call.outputs.items():
            for step in row.trace[i + 1 :]:
                if step.predictor != name:
                    yield from _uses(f"Its {field} went to {step.predictor or 'unknown'} as", text, step.inputs)
            yield from _uses(f"Its {field} went into the program's output", text, row.outputs)


def _sources(text: str, row: Row, before: Sequence[TraceStep], name: str) -> Iterator[str]:
    yield from (f"the program's input {field}" for field, value in row.inputs.items() if _holds(text, value))
    for step in before:
        if step.predictor != name:
            found = (field for field, value in step.outputs.items() if _holds(text, value))
            yield from (f"what {step.predictor or 'unknown'} answered as {field}" for field in found)


def _uses(said: str, text: str, values: Mapping[str, str]) -> Iterator[str]:
    yield from (f"{said} {field}." for field, value in values.items() if _holds(value, text))


def _holds(text: str, part: str) -> bool:
    """Whether a text is another, or holds it where it is long enough not to do so by chance."""
    text, part = text.strip(), part.strip()
    return bool(part) and (text == part or (len(part) >= SHORT and part in text))
