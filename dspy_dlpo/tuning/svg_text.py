"""Text of any script on a grid of cells, as SVG: no script, no reference to anything outside."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# What XML forbids (control characters, lone surrogates), and the invisible marks that reorder what stands around them.
_FORBIDDEN = re.compile(
    "[^\\t\\n\\x20-\\x7e\\xa0-\\u2027\\u202f-\\u2065\\u206a-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]"
)
_BREAK = re.compile("\\r\\n?|[\\x0b\\x0c\\x1c-\\x1e\\x85\\u2028\\u2029]")
# Pixels of a cell, of a line, and beside the text.
CELL, LINE, MARGIN = 8.4, 20, 14
# Text colour and background of what was added and deleted; unchanged text has no background.
_COLOURS = {"+": ("#116329", "#d2f4d9"), "-": ("#a40e26", "#ffe1df"), " ": ("#1f2328", "")}


@dataclass(frozen=True)
class Run:
    """Words of one kind that stand side by side: ``"+"`` added, ``"-"`` deleted, ``" "`` unchanged."""

    kind: str
    text: str


def clean(text: str) -> str:
    """The text with line feeds only, and every character replaced that XML forbids or that would reorder others."""
    return _FORBIDDEN.sub("\ufffd", _BREAK.sub("\n", text))


def width(text: str) -> int:
    """Cells that a text takes: two for a wide character, none for one that stands on the character before."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> list[str]:
    """A text in pieces of at most so many cells."""
    if width(text) <= columns:
        return [text]
    pieces, start, used = [], 0, 0
    for position, character in enumerate(text):
        used += _cells(character)
        # A character that takes no cell still takes bytes: a piece must not grow for ever.
        if used > columns or position - start >= 4 * columns:
            pieces.append(text[start:position])
            start, used = position, _cells(character)
    return [*pieces, text[start:]]


def shorten(text: str, columns: int) -> str:
    """A text on one line, cut off at so many cells."""
    pieces = cut(" ".join(clean(text).split()), columns - 2)
    return pieces[0] + (" …" if len(pieces) > 1 else "")


def draw_line(runs: Sequence[Run], y: float) -> str:
    """One line of text; every run is held to its cells, whatever font shows it."""
    drawn, column = [], 0
    for run in runs:
        x, wide = MARGIN + CELL * column, CELL * width(run.text)
        colour, background = _COLOURS[run.kind]
        if background and wide:
            drawn.append(f'<rect x="{x - 1:.1f}" y="{y:g}" width="{wide + 2:.1f}" height="18" fill="{background}"/>')
        if run.text.strip():
            struck = ' text-decoration="line-through"' if run.kind == "-" else ""
            drawn.append(draw_text(run.text, x, y + 14, wide=wide, extra=f'fill="{colour}"{struck}'))
        column += width(run.text)
    return "".join(drawn)


def draw_text(text: str, x: float, y: float, *, wide: float = 0, extra: str = "") -> str:
    """A text at a place.

    Args:
        text: The text, already clean.
        x: Pixels from the left.
        y: Pixels from the top to the base line.
        wide: Pixels that it must take; 0 leaves it to the font.
        extra: Further attributes.
    """
    held = f' textLength="{wide:.1f}" lengthAdjust="spacingAndGlyphs"' if wide else ""
    spaced = ' xml:space="preserve"' if "  " in text or text != text.strip() else ""
    return f'<text x="{x:.1f}" y="{y:g}"{held}{spaced} {extra}>{html.escape(text)}</text>'


def document(body: str, *, wide: float, high: float, title: str) -> str:
    """A whole SVG of drawn parts, on a background of its own."""
    size = f'width="{wide:g}" height="{high:g}" viewBox="0 0 {wide:g} {high:g}"'
    font = 'font-family="ui-monospace, \'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="14"'
    name = f"<title>{html.escape(clean(title))}</title>"
    paper = f'<rect width="{wide:g}" height="{high:g}" fill="#ffffff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} {font}>{name}{paper}{body}</svg>'
