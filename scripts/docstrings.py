"""How docstrings become pages: "Source" stays one paragraph, examples are code, and public names become links.

An extension of Griffe, which mkdocstrings reads the code with.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_SOURCE = re.compile(r"^Source: (.*(?:\n[ ]+\S.*)*)", re.MULTILINE)
_EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
_NAME = re.compile(r"(?<![`\[])`([A-Za-z_]+)`(?![`\]])")
_LITERAL = re.compile(r"``([^`]+)``")


class ForPages(griffe.Extension):
    """Change the docstrings of the package as they are read."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Change every docstring of a package."""
        exports = {str(name) for name in pkg.exports or ()}
        _walk(pkg, pkg.path, exports)


def _walk(thing: griffe.Object, package: str, exports: set[str]) -> None:
    if thing.docstring is not None:
        thing.docstring.value = _for_pages(thing.docstring.value, package, exports)
    for member in thing.members.values():
        if not member.is_alias:
            _walk(member, package, exports)


def _for_pages(text: str, package: str, exports: set[str]) -> str:
    text = _SOURCE.sub(lambda found: "*Source:* " + " ".join(found[1].split()), text)
    text = _EXAMPLE.sub("Examples:", text)
    text = _LITERAL.sub(r"`` \1 ``", text)
    return _NAME.sub(lambda found: f"[`{found[1]}`][{package}.{found[1]}]" if found[1] in exports else found[0], text)
