"""Tokens that the text of a request and its answer do not show: images among the inputs, and what a model thinks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dspy
from pydantic import BaseModel

from dspy_dlpo.estimate.estimate import Span

# Tokens of one image: 85 is the least of OpenAI's older models, 1,600 the most of Anthropic's.
IMAGE = Span(85, 1600)
# Tokens that a model thinks for one answer, by the effort asked for. Guesses from bills; hard questions take more.
THINKING = {
    "none": Span(0, 0),
    "disable": Span(0, 0),
    "minimal": Span(0, 200),
    "low": Span(50, 1000),
    "medium": Span(150, 3000),
    "high": Span(500, 10000),
    "xhigh": Span(500, 20000),
    "max": Span(500, 20000),
}
_ALWAYS_THINKS = re.compile(
    r"(^|[/.:-])(o[134](-|$)|gpt-5(?!.*chat)|deepseek-(r1|reasoner)|qwq|magistral|gemini-(2\.5-(pro|flash(?!-lite))|3)|grok-(3-mini|4)"
    r"|[\w.-]*(thinking|reasoning|reasoner)(?!\w)|[\w.-]*-r1(-|$))",
    re.IGNORECASE,
)
_NEVER_THINKS = re.compile(r"non-?(thinking|reasoning)", re.IGNORECASE)
_MEDIA = (dspy.Image, dspy.Audio, dspy.File)


def media_of(value: Any) -> Iterator[type]:
    """The class of every image, sound and file in a value, also in lists, dictionaries and pydantic objects."""
    if isinstance(value, _MEDIA):
        yield next(kind for kind in _MEDIA if isinstance(value, kind))
    elif isinstance(value, (Mapping, dspy.Example)):
        yield from (each for item in value.values() for each in media_of(item))
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from (each for item in value for each in media_of(item))
    elif isinstance(value, BaseModel):
        yield from (each for item in vars(value).values() for each in media_of(item))


def image_tokens(values: Sequence[Any]) -> Span:
    """Tokens of the images in one of several values, on average."""
    count = sum(kind is dspy.Image for value in values for kind in media_of(value)) / max(1, len(values))
    return Span(count * IMAGE.low, count * IMAGE.high)


def thinking_tokens(lm: Any, config: Mapping[str, Any] | None = None) -> Span | None:
    """Tokens that a model thinks before it answers once; None if nothing says that it does.

    Args:
        lm: The model.
        config: What a predictor asks it with.
    """
    options = {**(getattr(lm, "kwargs", None) or {}), **(config or {})}
    budget = _thinking_budget(options)
    if budget is not None:
        return Span(0.05 * budget, budget) if budget else None
    effort = _effort(options)
    if effort is not None:
        found = THINKING.get(effort, THINKING["medium"])
        return found if found.high else None
    model = str(getattr(lm, "model", ""))
    thinks = _ALWAYS_THINKS.search(model) and not _NEVER_THINKS.search(model)
    return THINKING["medium"] if thinks else None


def _thinking_budget(options: Mapping[str, Any]) -> float | None:
    """The most that may be thought, where that is said; 0 where thinking is switched off."""
    thinking = options.get("thinking")
    if thinking is None and isinstance(options.get("extra_body"), Mapping):
        thinking = options["extra_body"].get("thinking")
    if not isinstance(thinking, Mapping):
        return None
    if thinking.get("type") == "disabled":
        return 0.0
    budget = thinking.get("budget_tokens", thinking.get("thinking_budget"))
    return float(budget) if isinstance(budget, (int, float)) else THINKING["high"].high


def _effort(options: Mapping[str, Any]) -> str | None:
    """The effort that is asked for, as providers write it."""
    reasoning = options.get("reasoning")
    nested = reasoning.get("effort", "medium") if isinstance(reasoning, Mapping) else getattr(reasoning, "effort", None)
    effort = options.get("reasoning_effort", nested)
    if isinstance(effort, Mapping):
        effort = effort.get("effort", "medium")
    return None if effort is None else str(effort).lower()


def hidden_notes(thinkers: Sequence[str], values: Sequence[Any]) -> list[str]:
    """What an estimate must say of tokens that no text shows.

    Args:
        thinkers: The models that think and were not measured.
        values: Inputs and demos, as far as they were not measured.
    """
    kinds = {kind for value in values for kind in media_of(value)}
    notes = []
    if dspy.Image in kinds:
        notes.append(
            f"An image is taken to be {IMAGE.low:g} to {IMAGE.high:,g} tokens, by its size and the model: "
            "pass probe=3 to measure."
        )
    rest = [name for kind, name in ((dspy.Audio, "sound"), (dspy.File, "files")) if kind in kinds]
    if rest:
        notes.append(f"The tokens of {' and '.join(rest)} are not counted: pass probe=3 to measure them.")
    if thinkers:
        notes.append(
            f"{', '.join(thinkers)} may think before an answer, which is paid for as tokens out: what is told of these "
            "is a rough guess, and hard questions take more."
        )
    return notes
