"""Jinja2, set so that a text is escaped unless it says otherwise, and a name that does not exist is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dspy_dlpo.report.extras import extra

# The templates of the page and of the summary, and the page's style and script.
TEMPLATES = Path(__file__).with_name("templates")


def environment() -> Any:
    """The environment of all templates.

    Raises:
        ImportError: If jinja2 is not installed.
    """
    jinja2 = extra("jinja2", "The report")
    from dspy_dlpo.report.texts import clean, cut, exact

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    made.filters.update(cut=cut, exact=exact)
    return made
