"""Whether a server runs on a data root: a lock that goes with its processes, however those end."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError

from app.config import Settings
from app.errors import CannotStart, Conflict
from app.services import installation
from app.storage.durable import make_folder

log = logging.getLogger(__name__)

LOCK = "serving.lock"
BEING_REPLACED = "The database is being replaced just now: start again when that is done."
_LOCK = 0x7133_5E12  # the advisory lock of PostgreSQL

_held: Connection | None = None


@contextmanager
def hold(settings: Settings) -> Iterator[None]:
    """For a server, as long as it serves; the workers it forks hold it, too. Several servers may.

    Raises CannotStart while somebody has the data root to themselves.
    """
    with _opened(settings) as lock:
        if not _taken(lock, fcntl.LOCK_SH):
            raise CannotStart(
                f"The database of {settings.data_dir} is being replaced just now: start again when that is done."
            )
        yield


@contextmanager
def refuse_while_serving(settings: Settings) -> Iterator[None]:
    """For what replaces the database: no server runs in the block, and none starts. Raises Conflict, CannotStart."""
    with _opened(settings) as lock:
        if not _taken(lock, fcntl.LOCK_EX):
            raise Conflict(f"A server runs on {settings.data_dir}: stop it first. Nothing was changed.")
        yield


@contextmanager
def _opened(settings: Settings) -> Iterator[int]:
    with installation.mending_sentence(settings.data_dir):
        make_folder(settings.data_dir)
        lock = _open(settings.data_dir / LOCK)
    try:
        yield lock
    finally:
        os.close(lock)


def _open(file: Path) -> int:
    """Not to be inherited by programs that are started, only by forks."""
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _taken(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# PostgreSQL, which servers of several machines may use, has a lock of its own besides


def hold_database(engine: Engine) -> None:
    """Tells the database that a server runs. For the worker, again and again, as a connection may be lost."""
    global _held  # noqa: PLW0603 - a process serves one installation
    if engine.dialect.name != "postgresql" or _is_held(_held):
        return
    try:
        connection = _autocommitting(engine)
        if not connection.scalar(select(func.pg_try_advisory_lock_shared(_LOCK))):
            log.warning(BEING_REPLACED)
        _held = connection
    except DBAPIError as error:
        log.warning("The database could not be told that a server runs: %s", error.orig)


def refuse_while_replaced(engine: Engine) -> None:
    """For a start. Raises CannotStart while somebody, perhaps on another machine, has the database to themselves."""
    if engine.dialect.name != "postgresql":
        return
    with engine.connect() as connection:  # the lock ends with the transaction, and that with the block
        if not connection.scalar(select(func.pg_try_advisory_xact_lock_shared(_LOCK))):
            raise CannotStart(BEING_REPLACED)


@contextmanager
def alone_in_database(engine: Engine) -> Iterator[None]:
    """No server of any machine runs on the database in this block, and none starts. Raises Conflict."""
    if engine.dialect.name != "postgresql":
        yield
        return
    with _autocommitting(engine) as connection:
        if not connection.scalar(select(func.pg_try_advisory_lock(_LOCK))):
            raise Conflict("A server runs on this database, perhaps on another machine: stop it first.")
        try:
            yield
        finally:
            connection.execute(select(func.pg_advisory_unlock(_LOCK)))


def _is_held(connection: Connection | None) -> bool:
    if connection is None:
        return False
    try:
        connection.execute(select(1))
    except DBAPIError:
        connection.invalidate()
        connection.close()
        return False
    return True


def _autocommitting(engine: Engine) -> Connection:
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")
