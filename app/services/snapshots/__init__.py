"""The database as it was before its schema changed: taken by itself, kept for `timetracker rollback`.

On SQLite a snapshot is a file in `DATA_DIR/snapshots`. On PostgreSQL it is a schema of the same database with a copy
of every table, made in the very transaction that migrates: it is there if and only if the migration is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from app.config import Settings
from app.services.snapshots import files, schemas

KEEP = 3  # each of another schema; of several of one schema the newest
STAMP = "%Y%m%dt%H%M%Sz"  # PostgreSQL folds names to small letters
_NAME = re.compile(r"snapshot_(2\d{7}_\d{4})_(\d{8}t\d{6}z)")


@dataclass(frozen=True)
class Snapshot:
    """`name` is that of a file without `.db`, or of a schema; `revision` is what the database was at."""

    name: str
    revision: str
    taken_at: datetime


def take(connection: Connection, settings: Settings, revision: str, now: datetime) -> None:
    """Keeps the database as it is; `connection` holds the lock under which it will be migrated. Raises CannotStart."""
    name = _free_name(revision, now, {taken.name for taken in all_of(connection, settings)})
    if connection.dialect.name == "postgresql":
        schemas.take(connection, name)
    else:
        files.take(settings, name)
    for old in _superfluous(all_of(connection, settings)):
        _remove(connection, settings, old)


def _free_name(revision: str, now: datetime, taken: set[str]) -> str:
    """Two within a second would have one name."""
    while (name := f"snapshot_{revision}_{now.strftime(STAMP)}") in taken:
        now += timedelta(seconds=1)
    return name


def all_of(connection: Connection, settings: Settings) -> list[Snapshot]:
    """The newest first."""
    postgresql = connection.dialect.name == "postgresql"
    names = schemas.names(connection) if postgresql else files.names(settings)
    return sorted(_snapshots(names), key=lambda snapshot: snapshot.taken_at, reverse=True)


def kept_name(revision: str, now: datetime) -> str:
    """What the database is kept as that a snapshot replaces."""
    return f"before_rollback_{revision}_{now.strftime(STAMP)}"


def _snapshots(names: list[str]) -> Iterator[Snapshot]:
    for name in names:
        found = _NAME.fullmatch(name)
        if found:
            yield Snapshot(name, found[1], datetime.strptime(found[2], STAMP).replace(tzinfo=UTC))


def _superfluous(newest_first: list[Snapshot]) -> list[Snapshot]:
    """All but the newest of each schema, and of those all but the newest few.

    So a start that fails again and again pushes no snapshot of an earlier schema out.
    """
    newest: dict[str, Snapshot] = {}
    for snapshot in newest_first:
        newest.setdefault(snapshot.revision, snapshot)
    kept = list(newest.values())[:KEEP]
    return [snapshot for snapshot in newest_first if snapshot not in kept]


def _remove(connection: Connection, settings: Settings, old: Snapshot) -> None:
    if connection.dialect.name == "postgresql":
        schemas.remove(connection, old.name)
    else:
        files.remove(settings, old.name)
