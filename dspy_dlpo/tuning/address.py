"""The address of a storage: read, completed, and shown without its password."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from dspy_dlpo.core.paths import absolute_path

STORAGE_VARIABLE, ARTIFACTS_VARIABLE = "DLPO_STORAGE", "DLPO_ARTIFACTS"
DEFAULT = "sqlite:///dlpo-tuning.db"
_SECRET_QUERY = re.compile(r"pass|secret|token|key", re.IGNORECASE)
_FORMS = "sqlite:///FILE, postgresql://USER:PASSWORD@HOST/DATABASE, journal:///FILE or grpc://HOST:PORT"


@dataclass(frozen=True)
class Address:
    """Where a study lives.

    Args:
        kind: ``"sql"``, ``"journal"`` or ``"grpc"``.
        url: SQLAlchemy's URL with driver and password, for ``"sql"``.
        path: The file, for ``"journal"``.
        host: Host and port, for ``"grpc"``.
        shown: What may be shown: no password.
    """

    kind: str
    shown: str
    url: URL | None = field(default=None, repr=False)
    path: Path | None = None
    host: tuple[str, int] | None = None

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite."""
        return self.url is not None and self.url.get_backend_name() == "sqlite"

    @property
    def holds_secret(self) -> bool:
        """Whether it holds a password or another secret."""
        return bool(self._secrets())

    def redact(self, text: str) -> str:
        """A text without the address's secrets."""
        for secret in self._secrets():
            text = text.replace(secret, "[hidden]")
        return text

    def _secrets(self) -> list[str]:
        if self.url is None:
            return []
        found = [str(self.url.password)] if self.url.password else []
        found += [str(value) for name, value in self.url.query.items() if _SECRET_QUERY.search(name)]
        full = self.url.render_as_string(hide_password=False)
        quoted = re.findall(r"://[^:/@]*:([^@]*)@", full)
        return sorted({each for each in [*found, *quoted] if each}, key=len, reverse=True)


def read_address(storage: str | None) -> Address:
    """Read an address.

    Args:
        storage: A URL, or a path of an SQLite file; None for the one in the environment variable ``DLPO_STORAGE``, else
            the file ``dlpo-tuning.db`` in the working directory.

    Raises:
        ValueError: If it cannot be read; its text is not repeated, as it may hold a password.
    """
    text = storage or os.environ.get(STORAGE_VARIABLE) or DEFAULT
    if text.startswith("grpc://"):
        return _grpc(text)
    if text.startswith("journal://"):
        path = Path(absolute_path("storage", text.removeprefix("journal://")))
        return Address("journal", text, path=path)
    if "://" not in text:
        return _sql(f"sqlite:///{text}")
    return _sql(text)


def _grpc(text: str) -> Address:
    host, _, port = text.removeprefix("grpc://").rpartition(":")
    if not host or not port.isdigit():
        raise ValueError("The storage is no address of a gRPC proxy. Pass grpc://HOST:PORT.")
    return Address("grpc", text, host=(host, int(port)))


def _sql(text: str) -> Address:
    try:
        url = make_url(text)
        backend = url.get_backend_name()
        if backend != "postgres":
            url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ValueError(f"The storage is no URL that can be read. Pass {_FORMS}.") from None
    if backend in ("postgres", "postgresql") and "+" not in url.drivername:
        url = url.set(drivername="postgresql+psycopg")
    hidden = {name: "***" if _SECRET_QUERY.search(name) else value for name, value in url.query.items()}
    shown = url.set(query=hidden).render_as_string(hide_password=True)
    if backend == "sqlite" and url.database and not url.database.startswith((":memory:", "file:")):
        url = url.set(database=absolute_path("storage", url.database))  # each connection opens the file anew
    return Address("sql", shown.replace("+psycopg", "", 1), url=url)
