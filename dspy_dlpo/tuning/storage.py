"""The storage of a study: SQLite, PostgreSQL, a journal file or a gRPC proxy, made safe for many workers."""

from __future__ import annotations

import os
import random
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend

from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.core.paths import absolute_path
from dspy_dlpo.tuning.address import ARTIFACTS_VARIABLE, STORAGE_VARIABLE, Address, read_address
from dspy_dlpo.tuning.blobs import BlobArtifacts, Blobs, FolderBlobs, SqlBlobs
from dspy_dlpo.tuning.patience import make_patient

# Workers that meet on an empty database race to make its tables; the losers try again so often.
TRIES = 8


class StorageError(DLPOError):
    """A study's storage cannot be opened or used; the text holds no password."""


@dataclass(frozen=True)
class Store:
    """An open storage, and where large things are kept beside it; in a ``with`` block it is closed at the end.

    Args:
        storage: Optuna's storage; it waits for a database that is away.
        blobs: Checkpoints, programs and artifacts.
        address: Where it is.
        closes: What ends its connections.
    """

    storage: BaseStorage
    blobs: Blobs
    address: Address
    closes: tuple[Callable[[], None], ...] = ()

    @property
    def artifacts(self) -> BlobArtifacts:
        """The blobs as Optuna's artifact store."""
        return BlobArtifacts(self.blobs)

    @property
    def shown(self) -> str:
        """The address without its password."""
        return self.address.shown

    def close(self) -> None:
        """End the connections."""
        for close in self.closes:
            close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def open_store(storage: str | None = None, artifacts: str | None = None) -> Store:
    """Open the storage of studies, and make it if there is none.

    Args:
        storage: A URL (``sqlite:///``, ``postgresql://``, ``journal:///`` or ``grpc://``) or a path of an SQLite file;
            None for the environment variable ``DLPO_STORAGE``, else ``dlpo-tuning.db`` in the working directory.
        artifacts: A database's URL or a directory for checkpoints and artifacts, where they are not to lie beside the
            study; None for the environment variable ``DLPO_ARTIFACTS``, else beside it. A gRPC proxy needs it.

    Raises:
        ValueError: If an address cannot be read.
        StorageError: If it cannot be opened.
        ImportError: If a driver is missing.
    """
    address = read_address(storage)
    artifacts = artifacts or os.environ.get(ARTIFACTS_VARIABLE)
    if address.kind == "grpc" and not artifacts:
        raise ValueError(
            f"A gRPC proxy keeps no large things. Pass artifacts= (or set {ARTIFACTS_VARIABLE}): the URL of a database "
            "or a directory that all workers share."
        )
    if address.url is not None:
        store: Store = _guarded(address, lambda: _in_database(address, artifacts))
        return store
    opened, closes = _guarded(address, lambda: _elsewhere(address))
    blobs, also = _blobs(artifacts or f"{address.path}.artifacts")
    return Store(opened, blobs, address, (*closes, *also))


def refuse_shown_password(*addresses: str | None) -> None:
    """Refuse addresses of a command line that hold a password.

    Raises:
        ValueError: If one does: every user of the machine can read the command lines of its processes.
    """
    for text in addresses:
        if text and "://" in text and read_address(text).holds_secret:
            raise ValueError(
                f"A password on the command line shows in the list of processes. Set {STORAGE_VARIABLE} (or "
                f"{ARTIFACTS_VARIABLE}) in the environment instead."
            )


Closes = tuple[Callable[[], None], ...]


def _in_database(address: Address, artifacts: str | None) -> Store:
    database = _database(address)
    blobs, closes = _blobs(artifacts) if artifacts else (SqlBlobs(database.engine), ())
    return Store(make_patient(get_storage(database)), blobs, address, (database.engine.dispose, *closes))


def _blobs(artifacts: str) -> tuple[Blobs, Closes]:
    if "://" not in artifacts:
        return FolderBlobs(Path(absolute_path("artifacts", artifacts))), ()
    address = read_address(artifacts)
    if address.url is None:
        raise ValueError("artifacts= is neither a database nor a directory. Pass the URL of one, or a path.")
    engine = _guarded(address, lambda: _engine(address))
    return _guarded(address, lambda: SqlBlobs(engine)), (engine.dispose,)


def _elsewhere(address: Address) -> tuple[BaseStorage, Closes]:
    if address.path is not None:
        address.path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(address.path))), ()
    assert address.host is not None
    proxy = _proxy(*address.host)
    return make_patient(proxy), (proxy.close,)


def _proxy(host: str, port: int) -> optuna.storages.GrpcStorageProxy:
    try:
        import grpc  # noqa: F401
    except ImportError:
        raise ImportError('A gRPC proxy needs grpcio. Install it: pip install "dspy-dlpo[grpc]"') from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.storages.GrpcStorageProxy(host=host, port=port)


def _database(address: Address) -> RDBStorage:
    assert address.url is not None
    options: dict[str, Any] = {"pool_pre_ping": True}
    if address.is_sqlite:
        _make_folder(address.url)
        options = {"connect_args": {"timeout": 60}}
    url = address.url.render_as_string(hide_password=False)
    for number in range(TRIES):
        try:
            database = RDBStorage(url, engine_kwargs=options)
            break
        except (sa.exc.DBAPIError, optuna.exceptions.StorageInternalError) as error:
            if number == TRIES - 1 or not _is_race(error):
                raise
            time.sleep(random.SystemRandom().random() * 2 ** min(number, 3) / 4)
    if address.is_sqlite:
        take_turns(database.engine)
    return database


def _is_race(error: Exception) -> bool:
    """Whether another worker made the tables in the same moment, or SQLite was busy with it."""
    text = str(error).lower()
    return any(each in text for each in ("already exists", "unique", "duplicate", "locked", "no such table"))


def _make_folder(url: sa.URL) -> None:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)


def _engine(address: Address) -> sa.Engine:
    assert address.url is not None
    if not address.is_sqlite:
        return sa.create_engine(address.url, pool_pre_ping=True)
    engine = sa.create_engine(address.url, connect_args={"timeout": 60})
    take_turns(engine)
    return engine


def take_turns(engine: sa.Engine) -> None:
    """Have SQLite lock when a transaction begins: else one waiting trial may be handed to two workers."""

    def connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("busy_timeout=60000", "journal_mode=WAL", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {pragma}")

    def begun(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", begun)
    engine.dispose()


def _guarded(address: Address, make: Any) -> Any:
    """What `make` returns; its errors without a password, in one line."""
    try:
        return make()
    except ImportError as error:
        if "dspy-dlpo" in str(error):
            raise
        raise ImportError(
            f"The storage {address.shown} needs a driver that is missing: {error}. Install it: "
            'pip install "dspy-dlpo[tune]"'
        ) from None
    except (sa.exc.SQLAlchemyError, optuna.exceptions.OptunaError, OSError) as error:
        cause = error.__cause__ or error
        said = address.redact(str(cause)).strip().splitlines()
        raise StorageError(
            f"The storage {address.shown} cannot be opened: {said[0] if said else type(cause).__name__}. Start it, or "
            f"pass another one (--storage, or {STORAGE_VARIABLE})."
        ) from None
