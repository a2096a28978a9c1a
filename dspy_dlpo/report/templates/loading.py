"""Jinja2, set so that a text is escaped unless it says otherwise, and a name that does not exist is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dspy_dlpo.report.extras import extra

FOLDER = Path(__file__).parent


def environment() -> Any:
    """The environment of all templates here.

    Raises:
        ImportError: If jinja2 is not installed.
    """
    jinja2 = extra("jinja2", "The report")
    from dspy_dlpo.report.texts import clean, cut, exact

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    made.filters.update(cut=cut, exact=exact)
    return made


def read_asset(name: str) -> Any:
    """A style or a script of the page as it stands; ours, so it is not escaped.

    Raises:
        ImportError: If jinja2 is not installed.
    """
    extra("jinja2", "The report")
    from markupsafe import Markup

    return Markup((FOLDER / name).read_text(encoding="utf-8"))
