"""Passwords do not belong on a command line."""

from __future__ import annotations


def refuse_shown_password(storage: str | None) -> None:
    """Refuse an address of a command line that holds a password: every user of the machine can read it there.

    Raises:
        ValueError: If it does.
    """
    from dspy_dlpo.tuning.address import STORAGE_VARIABLE, read_address

    if storage and read_address(storage).secrets:
        raise ValueError(
            f"A password on the command line shows in the list of processes. Set {STORAGE_VARIABLE} in the environment "
            "instead."
        )
