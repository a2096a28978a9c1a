"""Paths as users write them, made absolute once, so that a change of the working directory moves nothing."""

from __future__ import annotations

import os
from pathlib import Path


def absolute_path(name: str, given: str | os.PathLike[str]) -> str:
    """A path with ``~`` expanded, from the working directory of now.

    Args:
        name: The argument, for errors.
        given: What the user passed.

    Raises:
        TypeError: If it is no path.
        ValueError: If it is empty, or names the home directory of nobody.
    """
    if not isinstance(given, (str, os.PathLike)) or not isinstance(os.fspath(given), str):
        raise TypeError(f"{name}={given!r} is no path. Pass a string or a pathlib.Path.")
    if not os.fspath(given).strip():
        raise ValueError(f"{name}={given!r} is empty. Pass a path, or None.")
    try:
        return str(Path(given).expanduser().absolute())
    except RuntimeError as error:
        raise ValueError(f"{name}={given!r} cannot be expanded: {error} Pass the whole path.") from error
