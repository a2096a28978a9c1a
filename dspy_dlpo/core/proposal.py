"""A proposal: the prompts after edits."""

from __future__ import annotations

from collections.abc import Sequence

from dspy_dlpo.core.edits import Edit, apply
from dspy_dlpo.core.history import Prompts


def proposal(prompts: Prompts, edits: Sequence[Edit]) -> Prompts:
    """The prompts after edits, each applied to the prompt of its predictor; a prompt that would be empty stays."""
    changed = dict(prompts)
    for name in {edit.predictor for edit in edits}:
        text = apply(tuple(edit for edit in edits if edit.predictor == name), prompts[name])
        if not prompts[name][-1:].isspace():
            text = text.rstrip()  # what is now the last sentence needs no space after it
        changed[name] = text if text.strip() else prompts[name]
    return changed
