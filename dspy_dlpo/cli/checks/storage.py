"""Whether the storage of tuning can be reached; nothing is made or written there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dspy_dlpo.cli.checks.checked import FAIL, OK, Checked

VARIABLE = "DLPO_STORAGE"
SECONDS = 10


def check_storage() -> Iterator[Checked]:
    """Check the storage that the environment names, if it names one."""
    if not os.environ.get(VARIABLE):
        return
    try:
        from dspy_dlpo.tuning.address import read_address
    except ImportError:
        yield Checked(FAIL, VARIABLE, "is set, and tuning is not installed", 'pip install "dspy-dlpo[tune]"')
        return
    try:
        address = read_address(None)
    except ValueError as error:
        yield Checked(FAIL, VARIABLE, str(error))
        return
    try:
        _reach(address)
    except Exception as error:  # noqa: BLE001 - whatever a driver raises; told without the password
        said = address.redact(str(error)).strip().splitlines()
        text = f"{address.shown} cannot be reached: {said[0] if said else type(error).__name__}"
        yield Checked(FAIL, VARIABLE, text, f"Start it, or set {VARIABLE} to another one.")
        return
    yield Checked(OK, VARIABLE, f"{address.shown} can be reached")


def _reach(address: Any) -> None:
    """Connect.

    Raises:
        Exception: Whatever the driver raises.
    """
    if address.file is not None:
        _look(Path(address.file))
    else:
        import sqlalchemy

        engine = sqlalchemy.create_engine(address.url, connect_args={"connect_timeout": SECONDS})
        with engine.connect():
            pass
        engine.dispose()


def _look(file: Path) -> None:
    place = file if file.exists() else file.absolute().parent
    if not os.access(place, os.W_OK):
        raise OSError(f"{place} {'cannot be written' if place.exists() else 'does not exist'}")
