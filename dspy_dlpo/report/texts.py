"""Texts of data and models, made fit for a page: nothing that a file cannot hold, and never longer than a limit."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

# Control characters that no file of text should hold, and halves of pairs that none can.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Marks that nobody sees and that reorder what stands around them: a prompt could read otherwise than a model reads it.
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_UNFIT = re.compile("[\x80-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def clean(text: str) -> str:
    """A text in which control characters and marks that reorder are seen; what no file can hold is U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub(lambda found: "\u2421" if found.group() == "\x7f" else chr(0x2400 + ord(found.group())), text)
    text = _REORDERING.sub(lambda found: f"[U+{ord(found.group()):04X}]", text)
    return _UNFIT.sub("\ufffd", text)


def cut(text: str, limit: int) -> Markup:
    """A text, escaped; of one that is longer than a limit its beginning, and a note that says what is left out."""
    text = clean(str(text))
    if len(text) <= limit:
        return escape(text)
    note = Markup(' <span class="cut">[cut here: {:,} more characters]</span>')
    return escape(text[:limit].rstrip()) + note.format(len(text) - limit)


def exact(text: str) -> Markup:
    """A text for an attribute, escaped, letter by letter what it was, as far as a file can hold it."""
    held = text.encode("utf-8", "replace").decode("utf-8")
    return Markup(escape(held).replace("\r", Markup("&#13;")))
