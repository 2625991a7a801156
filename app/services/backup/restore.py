"""Puts a backup back: into SQLite or PostgreSQL, whatever it was made from.

Everything is looked at before anything changes. Then files are put under their names, where they harm nothing, and all
rows, with the schema they belong to, are committed at once when the last file is safe. Killed at any moment, it leaves
the former installation as it was, or the restored one; a second run completes what the first began.
"""

import logging
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection, Engine, func, insert, inspect, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app import db, storage
from app.config import Settings
from app.db import Base
from app.errors import Conflict, Unavailable
from app.models import Backup, FileKind, Installation, StoredFile, TimeEntry, User
from app.models.stored_file import FOLDERS
from app.services import installation, schema, serving
from app.services.backup import rows
from app.services.backup.archive import Archive, Manifest, Member, Progress, TableOf, Unusable
from app.services.backup.create import HEADROOM, Made, create
from app.services.backup.opening import opened
from app.services.backup.verify import refuse_unknown, verify
from app.storage import Store
from app.storage.local import LocalStore

log = logging.getLogger(__name__)

_LOCK_TIMEOUT_MS = 15_000


@dataclass(frozen=True)
class Restored:
    """What is there now, and the backup of what was there before."""

    manifest: Manifest
    before: Made | None


def restore(
    engine: Engine,
    settings: Settings,
    path: Path,
    *,
    now: datetime,
    replace: bool = False,
    passphrase: str | None = None,
    progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> Restored:
    """Restores the archive. The store in use must be this installation's.

    Raises Unusable for a bad archive; Conflict where a server runs, or where people, time entries or stored files are
    and `replace` does not allow to back them up and replace them; Unavailable where a place takes nothing.
    """
    with serving.refuse_while_serving(settings), serving.alone_in_database(engine):
        holds_anything = _holds_anything(engine, allowed=replace)
        manifest = verify(path, passphrase=passphrase)
        refuse_without_room(storage.store(), sum(member.size for member in manifest.files))
        before = create(engine, settings, now=now, passphrase=passphrase) if holds_anything else None
        with db.reading(engine) as session:
            installation.claim_uploads(session, storage.store())
        done = 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            progress(done, manifest.size)

        into(engine, storage.store(), path, tell, passphrase=passphrase)
        with db.reading(engine) as session:
            installation.adopt_uploads(session, storage.store())
    return Restored(manifest, before)


def into(
    engine: Engine,
    store: Store,
    path: Path,
    progress: Progress = lambda _bytes: None,
    *,
    passphrase: str | None = None,
) -> None:
    """Replaces all that is in the database and store with the archive's. Raises Unusable, Conflict, Unavailable."""
    try:
        with opened(path, passphrase) as found, db.transaction(engine) as session:
            refuse_unknown(found.manifest)
            _replace(session, store, found, progress)
    finally:
        if engine.dialect.name == "sqlite":
            engine.dispose()  # this connection had its foreign keys switched off


def _holds_anything(engine: Engine, *, allowed: bool) -> bool:
    """Raises Conflict where it does and that is not allowed."""
    with db.reading(engine) as session:
        counts = [session.scalar(select(func.count()).select_from(of)) or 0 for of in (User, TimeEntry, StoredFile)]
    if any(counts) and not allowed:
        people, entries, files = counts
        raise Conflict(
            f"People: {people:,}, time entries: {entries:,}, stored files: {files:,} are here already. Restore into an "
            "installation without any, or say --replace, which makes a backup of them first. Nothing was changed."
        )
    return any(counts)


def refuse_without_room(store: Store, size: int) -> None:
    """Also what makes a bomb harmless: what it would unpack to is known, and compared with the room there is."""
    if not isinstance(store, LocalStore):
        return
    needed = size + HEADROOM
    free = shutil.disk_usage(store.root).free
    if free < needed:
        raise Unavailable(
            f"Its files need {needed / 2**20:,.0f} MiB, and {free / 2**20:,.0f} MiB are free in {store.root}. "
            "Nothing was changed."
        )


# Within the one transaction


def _replace(session: Session, store: Store, found: Archive, progress: Progress) -> None:
    connection = session.connection()
    _hold_everything(session, connection)
    own_id = connection.scalar(select(Installation.installation_id))
    former = {row.key: row.sha256 for row in session.scalars(select(StoredFile))}
    runs = [dict(row) for row in connection.execute(select(Backup.__table__)).mappings()]
    _drop_all(connection)
    schema.upgrade_to(connection, found.manifest.schema)
    _fill(connection, store, found, former, {"installation_id": own_id}, progress)
    _refuse_broken_references(connection)
    schema.upgrade_to(connection, "head")
    if runs:
        connection.execute(insert(Backup.__table__), runs)  # type: ignore[arg-type]
    _count_on(connection)
    named = connection.execute(select(StoredFile.kind, StoredFile.name))
    kept = {f"{FOLDERS[FileKind(kind)]}/{name}" for kind, name in named}
    gone = former.keys() - kept
    db.after_commit(session, lambda: _remove(store, gone))


def _hold_everything(session: Session, connection: Connection) -> None:
    """Tables are made anew, and SQLite must not look at references then: a switch that works before it begins."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        db.hold_writes(session)
    else:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")


def _drop_all(connection: Connection) -> None:
    quoted = [connection.dialect.identifier_preparer.quote(name) for name in inspect(connection).get_table_names()]
    if connection.dialect.name == "postgresql":
        _drop_in_postgresql(connection, quoted)
        return
    for name in quoted:
        connection.exec_driver_sql(f"DROP TABLE {name}")


def _drop_in_postgresql(connection: Connection, quoted: list[str]) -> None:
    try:
        connection.exec_driver_sql(f"DROP TABLE {', '.join(quoted)} CASCADE")
    except OperationalError as error:
        raise Conflict("Another program uses the database: end it, then restore. Nothing was changed.") from error


def _fill(
    connection: Connection,
    store: Store,
    found: Archive,
    former: dict[str, str],
    own: dict[str, Any],
    progress: Progress,
) -> None:
    tables = {f"rows/{table.name}.jsonl": table for table in found.manifest.tables}
    there = inspect(connection)
    for member, content in found.members(progress):
        table = tables.get(member.name)
        if table is None:
            if not _is_better_here(store, member, found.manifest):
                _put(store, member, content, former)
            continue
        _refuse_unknown_columns(table, {column["name"] for column in there.get_columns(table.name)})
        rows.write_back(connection, table, content, own if table.name == "installations" else {})


def _refuse_unknown_columns(table: TableOf, there: set[str]) -> None:
    if unknown := set(table.columns) - there:
        raise Unusable(f"Table {table.name} has no column {min(unknown)!r:.60} in its schema.")


def _is_better_here(store: Store, member: Member, told: Manifest) -> bool:
    """Whether the archive has it only as damaged, and it lies here already: that one can only be as good or better."""
    return member.name in told.damaged and store.stat(member.name.removeprefix("files/")) is not None


def _put(store: Store, member: Member, content: BinaryIO, former: dict[str, str]) -> None:
    """A file whose name is taken by another one would be lost if the restore did not come to its end."""
    key = member.name.removeprefix("files/")
    if former.get(key, member.sha256) != member.sha256:
        raise Conflict(f"{key} is another file here than in the backup: restore into an empty installation.")
    try:
        store.put(key, content)
    except OSError as error:
        raise Unavailable(f"{key} could not be stored ({error.strerror or error}). Nothing was changed.") from error


def _refuse_broken_references(connection: Connection) -> None:
    """PostgreSQL looks at them row by row."""
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise Unusable(f"A row of {broken[0]} refers to one of {broken[2]} that it does not hold.")


def _count_on(connection: Connection) -> None:
    """Makes PostgreSQL's sequences go on behind the ids that were restored."""
    if connection.dialect.name != "postgresql":
        return
    for table in Base.metadata.sorted_tables:
        for key in table.primary_key.columns:
            sequence = connection.scalar(select(func.pg_get_serial_sequence(table.name, key.name)))
            highest = connection.scalar(select(func.max(key)))
            if sequence and highest is not None:
                connection.execute(
                    text("SELECT setval(:sequence, :highest)"), {"sequence": sequence, "highest": highest}
                )


def _remove(store: Store, keys: Collection[str]) -> None:
    """One that stays is only an orphan: everything is restored by now."""
    for key in keys:
        try:
            store.delete(key)
        except OSError:
            log.exception("%s could not be removed and stays as an orphan", key)
