"""Back to the database of before the last upgrade, without losing what was entered since: it is kept."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, FromClause, MetaData, Table, and_, func, or_, select

from app import db
from app.config import Settings
from app.errors import Conflict
from app.services import schema, snapshots
from app.services.snapshots import Snapshot, files, schemas

# Sign-ins, what makes a change undoable, and what ran by the clock: nobody entered them.
_NOT_ENTERED = frozenset(
    {
        "alembic_version",
        "backups",
        "one_time_links",
        "sign_in_attempts",
        "time_entry_changes",
        "user_devices",
        "user_sessions",
        "waiting_removals",
    }
)
_COUNTERS = frozenset({"changes"})  # columns that grow with every other change


@dataclass(frozen=True)
class Difference:
    """How many rows of a table were entered, changed and removed since a snapshot."""

    table: str
    added: int
    changed: int
    removed: int


@dataclass(frozen=True)
class Plan:
    """`revision` is what the database is at now, `snapshot` what it would go back to, losing the `differences`."""

    revision: str
    snapshot: Snapshot
    differences: list[Difference]


def plan(settings: Settings) -> Plan:
    """What a rollback would do. Raises Conflict where there is nothing to go back to."""
    with _engine(settings) as engine, engine.connect() as connection:
        revision = schema.current_revision(connection)
        if revision is None or schema.state(connection) is schema.State.FOREIGN:
            raise Conflict("There is no database of TimeTracker to roll back.")
        snapshot = _newest_before(connection, settings, revision)
        place = _within_reach(connection, settings, snapshot)
        _refuse_another_installation(connection, place)
        return Plan(revision, snapshot, list(_differences(connection, place)))


def roll_back(settings: Settings, chosen: Plan, now: datetime) -> str:
    """Returns where the database as it was is kept: a file or a schema. Raises Conflict; then nothing was changed."""
    keep_as = snapshots.kept_name(chosen.revision, now)
    if settings.sqlite_file is not None:
        try:
            return str(files.bring_back(settings, chosen.snapshot.name, keep_as=keep_as))
        except (OSError, sqlite3.Error) as error:
            raise Conflict(f"The database could not be rolled back: {error}. Nothing was changed.") from error
    with _engine(settings) as engine, engine.begin() as connection:
        return schemas.bring_back(
            connection,
            chosen.snapshot.name,
            keep_as=keep_as,
            rebuild=lambda connection: schema.upgrade_to(connection, chosen.snapshot.revision),
        )


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    """Closed at the end, or the rollback would meet its own connections."""
    if settings.sqlite_file is not None and not settings.sqlite_file.is_file():
        raise Conflict("There is no database of TimeTracker to roll back.")
    engine = db.make_engine(settings)
    try:
        yield engine
    finally:
        engine.dispose()


def _newest_before(connection: Connection, settings: Settings, revision: str) -> Snapshot:
    older = [found for found in snapshots.all_of(connection, settings) if found.revision < revision]
    if not older:
        raise Conflict(f"There is no snapshot of a schema before {revision}: nothing to roll back to.")
    return older[0]


def _within_reach(connection: Connection, settings: Settings, snapshot: Snapshot) -> str:
    """The schema under which the connection sees the snapshot's tables."""
    if connection.dialect.name == "postgresql":
        return snapshot.name
    file = files.path(settings, snapshot.name)
    raw = connection.connection.cursor()  # within no transaction, where nothing can be attached
    raw.execute("ATTACH DATABASE ? AS snapshot", (str(file),))
    return "snapshot"


def _refuse_another_installation(connection: Connection, place: str) -> None:
    ids = {
        connection.scalar(select(_table(connection, "installations", schema).c.installation_id))
        for schema in (None, place)
    }
    if len(ids) != 1:
        raise Conflict("The newest snapshot is of another installation. Nothing was changed.")


def _table(connection: Connection, name: str, schema: str | None) -> Table:
    return Table(name, MetaData(), schema=schema, autoload_with=connection, resolve_fks=False)


def _differences(connection: Connection, place: str) -> Iterator[Difference]:
    """For each table whose rows are no longer those of the snapshot."""
    present, former = MetaData(), MetaData()
    present.reflect(connection)
    former.reflect(connection, schema=place)
    for table in present.sorted_tables:
        if table.name not in _NOT_ENTERED:
            before = former.tables.get(f"{place}.{table.name}")
            # Under another name: SQLite would take columns of the two for each other.
            found = _difference(connection, table, before.alias("before") if before is not None else None)
            if found.added or found.changed or found.removed:
                yield found


def _difference(connection: Connection, table: Table, former: FromClause | None) -> Difference:
    if former is None:
        return Difference(table.name, _count(connection, table), 0, 0)
    key = [column.name for column in table.primary_key]
    same = and_(*(table.c[name] == former.c[name] for name in key))
    other = [
        table.c[name].is_distinct_from(former.c[name])
        for name in set(table.columns.keys()) & set(former.columns.keys()) - set(key) - _COUNTERS
    ]
    return Difference(
        table.name,
        added=_count(connection, table.outerjoin(former, same), former.c[key[0]].is_(None)),
        changed=_count(connection, table.join(former, same), or_(*other)) if other else 0,
        removed=_count(connection, former.outerjoin(table, same), table.c[key[0]].is_(None)),
    )


def _count(connection: Connection, rows: FromClause, *conditions: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(rows).where(*conditions)) or 0
