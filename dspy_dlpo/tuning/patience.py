"""A database that is away for a while is waited for."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import tenacity
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

logger = logging.getLogger(__name__)

# Seconds for which a database that does not answer is asked again.
PATIENCE = 300.0
T = TypeVar("T")


def is_away(error: BaseException | None) -> bool:
    """Whether an error says that the database could not be reached, so that asking again may help."""
    if isinstance(error, StorageInternalError):
        return is_away(error.__cause__)
    if isinstance(error, UnboundLocalError):  # Optuna's own, where a connection breaks in the middle of a read
        return "optuna" in str(error.__traceback__ and _file_of(error))
    if isinstance(error, (OperationalError, InterfaceError)):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    return type(error).__module__.partition(".")[0] == "grpc" and "UNAVAILABLE" in str(error)


def patiently(function: Callable[..., T], patience: float = PATIENCE) -> Callable[..., T]:
    """The function, called again, after longer and longer pauses, while the database is away.

    Args:
        function: Reads or writes a database; calling it twice does no harm.
        patience: Seconds after which its error is raised.
    """

    @functools.wraps(function)
    def asked(*args: Any, **kwargs: Any) -> T:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_away),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=10),
            stop=tenacity.stop_after_delay(patience),
            before_sleep=_log,
            reraise=True,
        )(function, *args, **kwargs)

    return asked


def make_patient(storage: BaseStorage, patience: float = PATIENCE) -> BaseStorage:
    """Have every method of a storage wait for its database.

    A write that was carried out although its answer was lost is repeated: a trial made twice stands idle and is given
    up by the queue, a trial told twice is seen to be finished.
    """
    for name in dir(BaseStorage):
        method = getattr(storage, name)
        if not name.startswith("_") and callable(method) and name != "remove_session":
            setattr(storage, name, patiently(method, patience))
    return storage


def _file_of(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else trace.tb_frame.f_code.co_filename


def _log(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    cause = (error.__cause__ if error is not None else None) or error
    logger.warning("the storage does not answer (%s); asking again", type(cause).__name__)
