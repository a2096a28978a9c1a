"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, FAIL = "ok", "warning", "fail"


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Args:
        level: ``"ok"``, ``"warning"`` (it works, but) or ``"fail"``.
        about: What was checked.
        said: What was found, in words.
        way_out: What to do about it; empty if nothing is to be done.
    """

    level: str
    about: str
    said: str
    way_out: str = ""
