"""The storage of studies, and the directory beside it for what is large."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import optuna
import sqlalchemy as sa
from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import BaseStorage, get_storage

from dspy_dlpo.core.errors import DLPOError
from dspy_dlpo.core.paths import absolute_path
from dspy_dlpo.tuning.address import ARTIFACTS_VARIABLE, STORAGE_VARIABLE, Address, read_address
from dspy_dlpo.tuning.gaps import Database, open_database
from dspy_dlpo.tuning.slots import Pulse, retry

logger = logging.getLogger(__name__)

# Where large things are, if the database is no file beside which they could lie.
DEFAULT_FOLDER = "dlpo-tuning.artifacts"
# Seconds for which a database that does not answer is asked again, and what it raises then.
PATIENCE = 300.0
AWAY = (optuna.exceptions.StorageInternalError, sa.exc.SQLAlchemyError)

T = TypeVar("T")


class StorageError(DLPOError):
    """A study's storage cannot be opened or used; the text holds no password."""


@dataclass(frozen=True)
class Store(AbstractContextManager["Store"]):
    """An open storage; in a ``with`` block it is closed at the end.

    `database` is what is below Optuna's `storage`; `folder` holds run directories, artifacts and signs of life.
    """

    storage: BaseStorage
    database: Database
    folder: Path
    address: Address

    @property
    def artifacts(self) -> FileSystemArtifactStore:
        """Optuna's artifacts."""
        return FileSystemArtifactStore(self.folder / "artifacts")

    def close(self) -> None:
        """End the connections."""
        self.database.engine.dispose()

    def __exit__(self, *error: object) -> None:
        self.close()


def open_store(storage: str | None = None, artifacts: str | None = None, pulse: Pulse | None = None) -> Store:
    """Open the storage of studies, and make it if there is none; the arguments are those of `tune`."""
    address, pulse = read_address(storage), pulse or Pulse()
    folder = _folder(address, artifacts or os.environ.get(ARTIFACTS_VARIABLE))
    try:
        (folder / "artifacts").mkdir(parents=True, exist_ok=True, mode=0o700)
        if address.file is not None:
            Path(address.file).parent.mkdir(parents=True, exist_ok=True)
        beats = {"heartbeat_interval": pulse.every, "grace_period": pulse.grace}
        stale = {"heartbeat_stale_trial_callback": partial(retry, pulse.retries)}
        database = open_database(address.url, folder / "workers", **beats, **stale)
    except ImportError as error:
        raise ImportError(
            f"The storage {address.shown} needs a driver that is missing: {error}. Install it: "
            'pip install "dspy-dlpo[tune]"'
        ) from None
    except (sa.exc.SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError, OSError) as error:
        said = address.redact(str(error.__cause__ or error)).strip().splitlines()
        raise StorageError(
            f"The storage {address.shown} cannot be opened: {said[0] if said else type(error).__name__}. Start it, or "
            f"pass another one (--storage, or {STORAGE_VARIABLE})."
        ) from None
    return Store(get_storage(database), database, folder, address)


def _folder(address: Address, artifacts: str | None) -> Path:
    if artifacts and "://" in artifacts:
        raise ValueError("artifacts= is no directory. Pass one that all workers share.")
    if artifacts is None and address.file is not None:
        return Path(f"{address.file}.artifacts")
    if artifacts is None:
        logger.warning(
            "run directories and reports are kept in %s, where other machines do not see them: what they go on with is "
            "paid for anew. Set %s to a directory that all share",
            DEFAULT_FOLDER,
            ARTIFACTS_VARIABLE,
        )
    return Path(absolute_path("artifacts", artifacts or DEFAULT_FOLDER))


class Patience:
    """Waits for a database that is away, `PATIENCE` seconds from the first failure on.

    Args:
        poll: Seconds until it is asked again, about.
    """

    def __init__(self, poll: float = 2.0) -> None:
        self._poll, self._since = poll, 0.0

    def wait(self, error: Exception) -> None:
        """Wait before it is asked again.

        Raises:
            StorageError: If it was away for too long; another error as it is.
        """
        why, self._since = type(error.__cause__ or error).__name__, self._since or time.monotonic()
        if time.monotonic() - self._since > PATIENCE:
            if not isinstance(error, AWAY):
                raise error
            raise StorageError(
                f"The database of the study did not answer for {PATIENCE:.0f} s ({why}). Start it, and run the same "
                "again: what is done is kept."
            ) from None
        logger.warning("the study does not answer (%s); trying again", why)
        time.sleep(random.SystemRandom().uniform(0.1, self._poll + 0.1))


def patiently(ask: Callable[[], T]) -> T:
    """What a database answers, with `Patience`.

    Raises:
        StorageError: If it stays away.
    """
    patience = Patience()
    while True:
        try:
            return ask()
        except AWAY as error:
            patience.wait(error)
