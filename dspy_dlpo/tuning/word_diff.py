"""Two texts as one sequence of words that are unchanged, deleted or added, and its lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

from dspy_dlpo.tuning.svg_text import Run, clean, cut, width

# Where so many pairs of words would be compared, the text is shown as deleted and added whole.
MOST_PAIRS = 4_000_000
# A line break with the indentation after it; one character of a script that writes no spaces; a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_MARKS = "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u3099\u309a\ufe00-\ufe0f"
_WORD = re.compile(f"\n[ \t]*|[{_UNSPACED}][{_MARKS}]*|[^\\s{_UNSPACED}]+")
# Cells of indentation that are shown.
_DEEPEST = 40


@dataclass(frozen=True)
class Word:
    """A word of a difference: its kind as of a `Run`, and whether a space stands before it."""

    kind: str
    text: str
    spaced: bool = False


def word_diff(before: str, after: str) -> list[Word]:
    """Two texts as one sequence of words.

    Returns:
        Without the added words the words of `before`, without the deleted ones those of `after`; a line break with its
        indentation is a word.
    """
    old, new = _words(clean(before)), _words(clean(after))
    words: list[Word] = []
    for is_same, i, j, p, q in _blocks([text for text, _ in old], [text for text, _ in new]):
        if is_same:
            words += [Word(" ", *each) for each in new[p:q]]
        else:
            words += [Word("-", *each) for each in old[i:j]] + [Word("+", *each) for each in new[p:q]]
    return words


def _words(text: str) -> list[tuple[str, bool]]:
    """Every word of a text, and whether a space stands before it (before the first, if anything is shown there)."""
    found = _WORD.finditer(text.strip())
    return [(each.group(), each.start() == 0 or each.string[each.start() - 1].isspace()) for each in found]


def _blocks(old: list[str], new: list[str]) -> Iterator[tuple[bool, int, int, int, int]]:
    """Blocks of two lists that are equal or not; one or two equal words between longer changes count as changed."""
    if len(old) * len(new) > MOST_PAIRS:
        yield False, 0, len(old), 0, len(new)
        return
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    sizes = [max(j - i, q - p) for _, i, j, p, q in codes]

    def is_same(n: int) -> bool:
        lone = 0 < n < len(codes) - 1 and sizes[n] <= 2 and sizes[n - 1] + sizes[n + 1] >= 3 * sizes[n]
        return codes[n][0] == "equal" and not lone

    for same, group in groupby(range(len(codes)), is_same):
        members = list(group)
        (_, i, _, p, _), (_, _, j, _, q) = codes[members[0]], codes[members[-1]]
        yield same, i, j, p, q


def lines_of(words: Sequence[Word], columns: int) -> Iterator[list[Run]]:
    """Words broken into lines of so many cells; a deleted line break is not shown, the words around it are."""
    line: list[Run] = []
    used = 0
    for word in words:
        if word.text.startswith("\n"):
            if word.kind != "-":
                if line:
                    yield line
                indentation = word.text[1:].expandtabs(4)[:_DEEPEST]
                line, used = [Run(" ", indentation)] if indentation else [], len(indentation)
            continue
        for n, piece in enumerate(cut(word.text, columns)):
            space = int(word.spaced and n == 0 and any(run.text.strip() for run in line))
            if line and used + space + width(piece) > columns:
                yield line
                line, used, space = [], 0, 0
            if space:
                _append(line, word.kind if line[-1].kind == word.kind else " ", " ")
            _append(line, word.kind, piece)
            used += space + width(piece)
    if line:
        yield line


def _append(line: list[Run], kind: str, text: str) -> None:
    """Put a text at the end of a line, into the last run if it is of its kind."""
    if line and line[-1].kind == kind:
        line[-1] = Run(kind, line[-1].text + text)
    else:
        line.append(Run(kind, text))
