"""The parts of a proposal: which of its edits were tried together, and on which examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dspy_dlpo.core.edits import Edit, Edits, apply
from dspy_dlpo.core.history import Prompts, prompts_key


def proposal(prompts: Prompts, edits: Sequence[Edit]) -> Prompts:
    """The prompts after edits, each applied to the prompt of its predictor; a prompt that would be empty stays."""
    changed = dict(prompts)
    for name in {edit.predictor for edit in edits}:
        text = apply(tuple(edit for edit in edits if edit.predictor == name), prompts[name])
        if not prompts[name][-1:].isspace():
            text = text.rstrip()  # what is now the last sentence needs no space after it
        changed[name] = text if text.strip() else prompts[name]
    return changed


@dataclass(frozen=True)
class Part:
    """Some edits of a proposal.

    Args:
        edits: The edits.
        prompts: The prompts that they lead to.
        asked: The examples that a decision asked for; what went out ahead of one is not among them.
    """

    edits: Edits
    prompts: Prompts
    asked: set[int] = field(default_factory=set)


class Parts:
    """The parts that one proposal was tried in."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts.values())

    def of(self, prompts: Prompts, edits: Sequence[Edit]) -> Prompts:
        """The prompts after edits, remembered as a part."""
        part = Part(tuple(edits), proposal(prompts, edits))
        if edits:
            self._parts.setdefault(prompts_key(part.prompts), part)
        return part.prompts

    def ask(self, pairs: Iterable[tuple[Prompts, int]]) -> None:
        """Note that prompts were asked to run on examples."""
        for prompts, example in pairs:
            part = self._parts.get(prompts_key(prompts))
            if part is not None:
                part.asked.add(example)
