"""The page as HTML: as much of its texts as fits, under a policy that lets nothing be loaded."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dspy_dlpo.core.result import DLPOResult
from dspy_dlpo.report.page import Page, make_page
from dspy_dlpo.report.templating import TEMPLATES, environment

# Bytes of a page; what is shown of each text, and how many of each kind, is halved until it fits.
LARGEST = 950_000
# Texts are cut down to so many characters before anything is left out.
SHORT = 500
# It always fits before so many times: then hardly anything is left of the texts.
MOST_TIMES = 14


@dataclass(frozen=True)
class Limits:
    """How much is shown.

    Args:
        text: Characters of a text.
        records: Records.
        rows: Edits in the ledger.
        examples: Examples.
    """

    text: int = 6000
    records: int = 500
    rows: int = 1000
    examples: int = 150

    def halved(self) -> Limits:
        """Half of each text; where little is left of them, half of it all."""
        if self.text > SHORT:
            return replace(self, text=self.text // 2)
        return Limits(max(60, self.text // 2), max(10, self.records // 2), self.rows // 2, self.examples // 2)


def write_page(result: DLPOResult, path: str | os.PathLike[str]) -> Path:
    """Write the report of a run.

    Raises:
        ImportError: If the extra "report" is not installed.
        OSError: If the file cannot be written.
    """
    text, target = render(make_page(result)), Path(path).expanduser()
    target.write_text(text, encoding="utf-8", newline="\n")
    return target


def render(page: Page) -> str:
    """The page as HTML, of at most `LARGEST` bytes.

    Raises:
        ImportError: If jinja2 is not installed.
    """
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    template, policy = environment().get_template("page.html"), _policy(style, script)
    limits, text = Limits(), ""
    for _ in range(MOST_TIMES):
        shown = _parts(page, limits)
        text = template.render(page=page, limits=limits, shown=shown, style=style, script=script, policy=policy)
        if len(text.encode()) <= LARGEST:
            break
        limits = limits.halved()
    return text


def _parts(page: Page, limits: Limits) -> dict[str, Any]:
    """The parts of a page that are shown, and how many are not."""
    told, rows, examples = page.records, page.ledger, page.examples
    half = limits.records // 2
    is_cut = len(told) > limits.records
    first, last = (told[:half], told[len(told) - half :]) if is_cut else (told, ())
    return {
        "first": first,
        "last": last,
        "left_out": len(told) - len(first) - len(last),
        "rows": rows[: limits.rows],
        "more_rows": max(0, len(rows) - limits.rows),
        "examples": examples[: limits.examples],
        "more_examples": max(0, len(examples) - limits.examples),
        # Only what is shown can be linked to.
        "example_numbers": {each.number for each in examples[: limits.examples]},
        "step_numbers": {each.step for each in (*first, *last)},
    }


def _policy(style: str, script: str) -> str:
    """A policy under which the page's own style and script run, and nothing else does or is loaded."""
    sources = (f"{kind}-src 'sha256-{_hash(text)}'" for kind, text in (("style", style), ("script", script)))
    return "; ".join(["default-src 'none'", *sources, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
