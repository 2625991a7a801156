"""Snapshots of an SQLite database: files, whole or absent (law 2)."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from app.config import Settings
from app.errors import CannotStart, Conflict
from app.storage.durable import TEMPORARY_PREFIX, fsync_folder, make_folder, temporary_path

MIB = 1024 * 1024


def folder(settings: Settings) -> Path:
    return settings.data_dir / "snapshots"


def path(settings: Settings, name: str) -> Path:
    return folder(settings) / f"{name}.db"


def names(settings: Settings) -> list[str]:
    return [found.stem for found in folder(settings).glob("*.db")]


def take(settings: Settings, name: str) -> None:
    """Others may read and write meanwhile, but for what the caller holds back. Raises CannotStart."""
    database = _database(settings)
    try:
        make_folder(folder(settings))
        _clear_away_halves(folder(settings))
        _refuse_without_room(database, folder(settings))
        with closing(sqlite3.connect(database)) as connection:
            _copy(connection, path(settings, name))
    except (OSError, sqlite3.Error) as error:
        raise CannotStart(
            f"The database was not migrated, as no snapshot of it could be made in {folder(settings)} first: {error}. "
            "Mend that, then start again. Nothing was changed."
        ) from error


def remove(settings: Settings, name: str) -> None:
    path(settings, name).unlink(missing_ok=True)


def bring_back(settings: Settings, name: str, *, keep_as: str) -> Path:
    """Puts a snapshot in the database's place and returns where that one is kept, beside it.

    Through SQLite itself and alone on the file, in one transaction: killed at any moment, the one or the other is
    there. Raises Conflict while somebody else uses the database; OSError and sqlite3.Error leave it as it is.
    """
    database = _database(settings)
    kept = database.with_name(f"{keep_as}.db")
    with _read_only(path(settings, name)) as snapshot, _alone(database) as connection:
        if snapshot.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise Conflict(f"{path(settings, name)} is damaged. Nothing was changed.")
        _copy(connection, kept)
        snapshot.backup(connection)
    return kept


def _database(settings: Settings) -> Path:
    assert settings.sqlite_file is not None  # noqa: S101 - whoever calls has asked for the engine
    return settings.sqlite_file


def _clear_away_halves(where: Path) -> None:
    """What a killed process left; the caller holds the lock under which they are made."""
    for half in where.glob(f"{TEMPORARY_PREFIX}*"):
        half.unlink()


def _refuse_without_room(database: Path, where: Path) -> None:
    """The snapshot, and the migration itself may write every table anew."""
    log = database.with_name(f"{database.name}-wal")
    size = database.stat().st_size + (log.stat().st_size if log.exists() else 0)
    needed, free = 2 * size + MIB, shutil.disk_usage(where).free
    if free < needed:
        raise OSError(f"the disk has {free // MIB} MiB free, and {-(-needed // MIB)} MiB are needed")


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    """VACUUM INTO reads every row: a damaged database is noticed here, not after its migration."""
    temporary = temporary_path(target.parent)
    try:
        connection.execute("VACUUM INTO ?", (str(temporary),))
        temporary.chmod(0o600)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.rename(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(target.parent)


@contextmanager
def _read_only(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


@contextmanager
def _alone(database: Path) -> Iterator[sqlite3.Connection]:
    """The database with nobody else in it, not even readers, until the block ends. Raises Conflict."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=1)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise Conflict(f"Another program uses {database}: end it first. Nothing was changed.") from error
        connection.execute("COMMIT")  # the lock stays
        yield connection
