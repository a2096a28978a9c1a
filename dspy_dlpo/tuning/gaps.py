"""What Optuna 5 leaves open between many workers and one study, closed here and nowhere else.

1. SQLite hands one waiting trial to two workers. `take_turns` locks when a transaction begins.
2. Workers that meet on an empty database race to make its tables, and the losers fail. `open_database` tries again.
3. The thread that beats for a trial ends at the first beat that fails. `Database` logs it and goes on.
4. A trial whose worker was killed before its first beat is never missed. `Database` misses it after the grace.
5. A dead worker is missed only after the grace. Where it ran on this machine `Database` sees at once that it let go of
   its `SignOfLife`.
"""

from __future__ import annotations

import logging
import random
import socket
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from filelock import FileLock, Timeout
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

logger = logging.getLogger(__name__)

# Of a trial: its number and who runs it. A retry inherits what the dead attempt had, and has another number.
WORKER = "dlpo:worker"
# How often a worker tries to make the tables of an empty database.
TRIES = 8


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's warnings that something is experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def take_turns(engine: sa.Engine) -> None:
    """Have SQLite lock when a transaction begins: else one waiting trial may be handed to two workers."""

    def connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("busy_timeout=60000", "journal_mode=WAL", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {pragma}")

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    engine.dispose()


def machine() -> str:
    """A name of this machine since it was started: what runs on it sees the same locks."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # not a Linux machine
        return f"{socket.gethostname().partition('.')[0]}-{uuid.getnode():x}"


class SignOfLife:
    """A file that this process keeps locked; when it dies, whatever way, the system lets go of the lock."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.name = f"{machine()}.{uuid.uuid4().hex[:12]}"
        self._path = folder / self.name
        self._lock = FileLock(self._path, timeout=0, mode=0o600)
        self._lock.acquire()

    def end(self) -> None:
        """Let go of it at the end of the work."""
        self._lock.release()
        self._path.unlink(missing_ok=True)


def is_dead(folder: Path, name: str) -> bool:
    """Whether a worker is known to have died; False where that cannot be told from here."""
    path = folder / name
    if name.partition(".")[0] != machine() or not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return True
    except (Timeout, OSError):
        return False


class Database(RDBStorage):
    """Optuna's storage, whose heartbeat outlives failures and misses all who died; signs of life are in `workers`."""

    def __init__(self, url: str, workers: Path, **options: Any) -> None:
        with quiet():
            super().__init__(url, **options)
        self._workers, self._without_beat = workers, dict[int, float]()

    def record_heartbeat(self, trial_id: int) -> None:
        """Beat; that it failed is logged."""
        try:
            super().record_heartbeat(trial_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next beat may come through
            logger.warning("a heartbeat failed: %s", type(error.__cause__ or error).__name__)

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        running = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
        dead = {each._trial_id for each in running if self._is_dead(each)}
        return sorted(dead | self._never_heard_of(study_id) | set(super()._get_stale_trial_ids(study_id)))

    def _is_dead(self, trial: FrozenTrial) -> bool:
        number, _, name = str(trial.system_attrs.get(WORKER, "")).partition("/")
        return number == str(trial.number) and is_dead(self._workers, name)

    def _never_heard_of(self, study_id: int) -> set[int]:
        """Running trials that have been without a beat for the whole grace, by the clock of this process."""
        query = sa.text(
            "SELECT trials.trial_id FROM trials LEFT JOIN trial_heartbeats ON trial_heartbeats.trial_id = "
            "trials.trial_id WHERE study_id = :study AND state = 'RUNNING' AND trial_heartbeats.trial_id IS NULL"
        )
        with self.engine.connect() as connection:
            silent = set(connection.execute(query, {"study": study_id}).scalars())
        now = time.monotonic()
        self._without_beat = {each: self._without_beat.get(each, now) for each in silent}
        return {each for each, since in self._without_beat.items() if now - since > float(self.grace_period or 0)}


def open_database(url: sa.URL, workers: Path, **options: Any) -> Database:
    """Open a database of studies, and make its tables if it has none; the options are those of `RDBStorage`."""
    is_sqlite = url.get_backend_name() == "sqlite"
    engine: dict[str, Any] = {"connect_args": {"timeout": 60}} if is_sqlite else {"pool_pre_ping": True}
    text = url.render_as_string(hide_password=False).replace("{", "%7B").replace("}", "%7D")  # Optuna formats it
    raced = ("already exists", "unique", "duplicate", "locked", "no such table")
    for left in reversed(range(TRIES)):
        try:
            database = Database(text, workers, engine_kwargs=engine, **options)
            break
        except (sa.exc.DBAPIError, optuna.exceptions.StorageInternalError) as error:
            if not left or not any(each in str(error).lower() for each in raced):
                raise
            time.sleep(random.SystemRandom().random())
    if is_sqlite:
        take_turns(database.engine)
    return database
