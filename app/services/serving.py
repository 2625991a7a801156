"""Whether a server runs on a data root: a lock that goes with its processes, however those end."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.config import Settings
from app.errors import CannotStart, Conflict
from app.services import installation
from app.storage.durable import make_folder

LOCK = "serving.lock"


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
