"""Large things beside a study, by name: in its own database, so that no shared disk is needed, or in a directory."""

from __future__ import annotations

import io
import os
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote

import sqlalchemy as sa
from optuna.artifacts.exceptions import ArtifactNotFound

from dspy_dlpo.tuning.patience import patiently

# Of a name in the database, at most.
_LONGEST = 512
_ARTIFACT = "artifact/"


class Blobs(ABC):
    """Bytes by name."""

    @abstractmethod
    def put(self, name: str, body: bytes) -> None:
        """Store bytes under a name; what it held before is replaced."""

    @abstractmethod
    def get(self, name: str) -> bytes | None:
        """The bytes of a name; None if there are none."""

    @abstractmethod
    def names(self, prefix: str) -> list[str]:
        """All names that begin so, sorted."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Forget a name; nothing happens if it is not there."""

    def remove_all(self, prefix: str) -> None:
        """Forget all names that begin so."""
        for name in self.names(prefix):
            self.remove(name)


class SqlBlobs(Blobs):
    """Bytes in a table ``dlpo_blobs`` of a database.

    Args:
        engine: The database.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine, metadata = engine, sa.MetaData()
        self._table = sa.Table(
            "dlpo_blobs",
            metadata,
            sa.Column("name", sa.String(_LONGEST), primary_key=True),
            sa.Column("body", sa.LargeBinary(2**24), nullable=False),
        )
        patiently(self._create)(metadata)
        for method in ("put", "get", "names", "remove"):
            setattr(self, method, patiently(getattr(self, method)))

    def put(self, name: str, body: bytes) -> None:
        """Store bytes under a name."""
        with self._engine.begin() as connection:
            connection.execute(self._table.delete().where(self._table.c.name == name))
            connection.execute(self._table.insert().values(name=name, body=body))

    def get(self, name: str) -> bytes | None:
        """The bytes of a name."""
        with self._engine.connect() as connection:
            body = connection.execute(sa.select(self._table.c.body).where(self._table.c.name == name)).scalar()
        return None if body is None else bytes(body)

    def names(self, prefix: str) -> list[str]:
        """All names that begin so, sorted."""
        chosen = sa.select(self._table.c.name).where(self._table.c.name.startswith(prefix, autoescape=True))
        with self._engine.connect() as connection:
            return sorted(connection.execute(chosen).scalars())

    def remove(self, name: str) -> None:
        """Forget a name."""
        with self._engine.begin() as connection:
            connection.execute(self._table.delete().where(self._table.c.name == name))

    def _create(self, metadata: sa.MetaData) -> None:
        try:
            metadata.create_all(self._engine)
        except (sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.OperationalError):
            # Another worker has made it in the same moment; if not, this says why.
            metadata.create_all(self._engine)


class FolderBlobs(Blobs):
    """Bytes in the files of a directory, which all workers share.

    Args:
        folder: The directory; made if there is none, private to the user.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, name: str, body: bytes) -> None:
        """Store bytes under a name, whole or not at all."""
        handle, draft = tempfile.mkstemp(dir=self._folder, prefix=".draft-")
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        os.replace(draft, self._path(name))

    def get(self, name: str) -> bytes | None:
        """The bytes of a name."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None

    def names(self, prefix: str) -> list[str]:
        """All names that begin so, sorted."""
        found = (unquote(path.name) for path in self._folder.iterdir() if not path.name.startswith(".draft-"))
        return sorted(name for name in found if name.startswith(prefix))

    def remove(self, name: str) -> None:
        """Forget a name."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / quote(name, safe="")


class BlobArtifacts:
    """Optuna's artifacts, kept as blobs; the protocol of an artifact store.

    Args:
        blobs: Where they are kept.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The artifact's bytes, as a file.

        Raises:
            ArtifactNotFound: If there is none.
        """
        body = self._blobs.get(_ARTIFACT + artifact_id)
        if body is None:
            raise ArtifactNotFound(f"There is no artifact {artifact_id!r}.")
        return io.BytesIO(body)

    def write(self, artifact_id: str, content_body: Any) -> None:
        """Keep an artifact."""
        self._blobs.put(_ARTIFACT + artifact_id, content_body.read())

    def remove(self, artifact_id: str) -> None:
        """Forget an artifact."""
        self._blobs.remove(_ARTIFACT + artifact_id)
