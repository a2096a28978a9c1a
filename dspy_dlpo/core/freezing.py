"""Sentences that must stay as they are: drawn by a technique, or holding text that the user froze."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from dspy_dlpo.core.edits import Dropped, Edits, apply
from dspy_dlpo.core.sentences import count_words, split
from dspy_dlpo.core.update import Constraint

# Headings, and lines that say in which form to answer: DSPy's field markers, XML tags, JSON, "Output format: ...".
_STRUCTURE = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t].*|.*\[\[ ## .*? ## \]\].*|<(\w+)>.*</\1>.*|[{\[][ \t]*[\"'].*|"
    r"(?:\*\*)?(?:output|answer|response|reply)[ -]?(?:format|schema)\b.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_FENCE = re.compile(r"\s*(?:```|~~~)")
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{[A-Za-z_]\w*\}|^\s*(?:```|~~~)", re.DOTALL)


def check_frozen(frozen: Iterable[object]) -> None:
    """Check what a user passed as ``frozen=``.

    Raises:
        TypeError: If something is neither a text nor a regular expression, or empty.
    """
    if not all(isinstance(each, (str, re.Pattern)) and each for each in frozen):
        raise TypeError(
            f"frozen={frozen!r} must hold non-empty strings. Pass names of predictors, text, or regular expressions "
            "made by re.compile."
        )


def keep_sentences(
    edits: Edits, prompt: str, frozen: Collection[int], reason: str
) -> tuple[Edits, tuple[Dropped, ...]]:
    """Keep the edits after which every frozen sentence (numbers from 0) is still there, byte for byte."""
    sentences = split(prompt)
    wanted = Counter(sentences[i].strip() for i in frozen if i < len(sentences))
    kept = [edit for edit in edits if edit.op == "add" or edit.at not in frozen]
    # An addition can melt into a frozen neighbour; what counts is the text that comes out.
    while kept and wanted - Counter(piece.strip() for piece in split(apply(tuple(kept), prompt))):
        kept.pop()
    return tuple(kept), tuple(Dropped(edit, reason) for edit in edits if edit not in kept)


def structure(prompt: str) -> tuple[str, ...]:
    """The headings and output-format lines of a prompt, each whole."""
    return tuple(match.group().strip() for match in _STRUCTURE.finditer(prompt))


def fenced(prompt: str) -> tuple[str, ...]:
    """The blocks of fenced code of a prompt, each whole."""
    return tuple(sentence.strip() for sentence in split(prompt) if _FENCE.match(sentence))


def frozen_texts(constraints: Iterable[Constraint]) -> tuple[str, ...]:
    """All text that constraints keep word for word: no edit can shorten it, so that it counts against no limit."""
    frozen = [each for each in constraints if isinstance(each, FreezeText)]
    return tuple(dict.fromkeys(text for each in frozen for text in (*each.texts, *each.code)))


def free_words(prompt: str, frozen: Iterable[str]) -> int:
    """Words of a prompt outside of frozen texts.

    Each text is left out once, where it first stands, so that no room is won by saying it again.
    """
    rest = list(prompt)
    for text in frozen:
        start = prompt.find(text) if text else -1
        if start >= 0:
            rest[start : start + len(text)] = " " * len(text)
    return count_words("".join(rest))


@dataclass(frozen=True)
class FreezeSentences(Constraint):
    """The named sentences stay byte-identical.

    Args:
        frozen: Sentence numbers, from 0.
    """

    frozen: tuple[int, ...]

    @property
    def text(self) -> str:
        """The rule in words."""
        numbers = ", ".join(str(i + 1) for i in self.frozen)
        return f"Leave sentence {numbers} exactly as it is." if numbers else ""

    def admit(self, edits: Edits, prompt: str) -> tuple[Edits, tuple[Dropped, ...]]:
        """Keep the edits that leave the frozen sentences alone."""
        return keep_sentences(edits, prompt, self.frozen, "the sentence is frozen")


@dataclass(frozen=True)
class FreezeText(Constraint):
    """Sentences that hold frozen text, a template hole such as ``{name}`` or fenced code stay byte-identical.

    Args:
        texts: Text that must survive verbatim; one that the prompt does not hold is no concern of that prompt.
        code: The fenced code of the start prompt, which the rule covers without naming it.
    """

    texts: tuple[str, ...] = ()
    code: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The rule in words."""
        named = "".join(f" Keep this text word for word: {text!r}." for text in self.texts)
        return "Leave sentences with template holes such as {name}, and code blocks, exactly as they are." + named

    def admit(self, edits: Edits, prompt: str) -> tuple[Edits, tuple[Dropped, ...]]:
        """Keep the edits that leave frozen text alone."""
        held = [text for text in self.texts if text in prompt]
        kept, dropped = keep_sentences(edits, prompt, self._sentences(prompt, held), "the text is frozen")
        while kept and not all(text in apply(kept, prompt) for text in held):
            kept, dropped = kept[:-1], (*dropped, Dropped(kept[-1], "the text is frozen"))
        return kept, dropped

    def _sentences(self, prompt: str, held: list[str]) -> set[int]:
        spans = [match.span() for text in held for match in re.finditer(re.escape(text), prompt)]
        frozen, position = set(), 0
        for i, sentence in enumerate(split(prompt)):
            end = position + len(sentence)
            if _TEMPLATE.search(sentence) or any(start < end and stop > position for start, stop in spans):
                frozen.add(i)
            position = end
        return frozen
