"""The address of a database: read, completed, and shown without its password."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from dspy_dlpo.core.paths import absolute_path

STORAGE_VARIABLE, ARTIFACTS_VARIABLE = "DLPO_STORAGE", "DLPO_ARTIFACTS"
DEFAULT = "sqlite:///dlpo-tuning.db"
_SECRET_QUERY = re.compile(r"pass|secret|token|key", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """Where a study lives: what may be shown, and SQLAlchemy's URL with driver and password."""

    shown: str
    url: URL = field(repr=False)

    @property
    def file(self) -> str | None:
        """The file of SQLite; None for a server, and for a database in memory."""
        name = self.url.database if self.url.get_backend_name() == "sqlite" else None
        return None if not name or name.startswith((":memory:", "file:")) else name

    @property
    def secrets(self) -> list[str]:
        """Passwords and the like, as they stand in it and as they are meant."""
        found = [str(self.url.password)] if self.url.password else []
        found += [str(value) for name, value in self.url.query.items() if _SECRET_QUERY.search(name)]
        found += re.findall(r"://[^:/@]*:([^@]*)@", self.url.render_as_string(hide_password=False))
        return sorted({each for each in found if each}, key=len, reverse=True)

    def redact(self, text: str) -> str:
        """A text without the address's secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "[hidden]")
        return text


def refuse_shown_password(storage: str | None) -> None:
    """Refuse an address of a command line that holds a password: every user of the machine can read it there.

    Raises:
        ValueError: If it does.
    """
    if storage and read_address(storage).secrets:
        raise ValueError(
            f"A password on the command line shows in the list of processes. Set {STORAGE_VARIABLE} in the environment "
            "instead."
        )


def read_address(storage: str | None) -> Address:
    """Read an address; None is the one in the environment variable ``DLPO_STORAGE``, else ``dlpo-tuning.db``.

    Raises:
        ValueError: If it cannot be read; its text is not repeated, as it may hold a password.
    """
    text = storage or os.environ.get(STORAGE_VARIABLE) or DEFAULT
    try:
        url = make_url(text if "://" in text else f"sqlite:///{text}")
        backend = url.get_backend_name()
        if backend != "postgres":
            url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ValueError(
            "The storage is no URL of a database that can be read. Pass sqlite:///FILE, "
            "postgresql://USER:PASSWORD@HOST/DATABASE, or another one that SQLAlchemy knows."
        ) from None
    if backend in ("postgres", "postgresql") and "+" not in url.drivername:
        url = url.set(drivername="postgresql+psycopg")
    hidden = {name: "***" if _SECRET_QUERY.search(name) else value for name, value in url.query.items()}
    shown = url.set(query=hidden).render_as_string(hide_password=True).replace("+psycopg", "", 1)
    file = Address(shown, url).file
    # Each connection opens the file anew.
    return Address(shown, url if file is None else url.set(database=absolute_path("storage", file)))
