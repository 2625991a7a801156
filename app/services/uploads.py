"""Stored files and their rows: written file first, then the row; removed after the commit (law 2)."""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from flask_babel import lazy_gettext as _
from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from app import clock, db, storage
from app.config import Settings
from app.errors import CannotStart, Unavailable
from app.models import Backup, FileKind, StoredFile, User, WaitingRemoval
from app.models.stored_file import FOLDERS
from app.services import installation, schema

log = logging.getLogger(__name__)

BATCH = 500  # files

_NOT_NOW = _("The file could not be stored just now. Nothing was changed; try again later.")


def keep(
    session: Session,
    kind: FileKind,
    name: str,
    source: BinaryIO,
    *,
    content_type: str,
    original_name: str,
    uploaded_by: User,
    now: datetime,
) -> StoredFile:
    """Stores the bytes durably, then takes the person's lock and adds the row.

    Raises Unavailable when the store takes nothing; then nothing has changed.
    """
    stored = put(session, kind, name, source)
    return enter(
        session,
        kind,
        name,
        stored,
        content_type=content_type,
        original_name=original_name,
        uploaded_by=uploaded_by,
        now=now,
    )


def put(session: Session, kind: FileKind, name: str, source: BinaryIO) -> storage.Stored:
    """Stores the bytes durably, before any lock. Raises Unavailable when the store takes nothing."""
    _make_sure_the_store_is_ours(session)
    try:
        return storage.store().put(f"{FOLDERS[kind]}/{name}", source)
    except OSError as error:
        log.exception("a %s could not be stored", kind)
        raise Unavailable(_NOT_NOW) from error


def enter(
    session: Session,
    kind: FileKind,
    name: str,
    stored: storage.Stored,
    *,
    content_type: str,
    original_name: str,
    uploaded_by: User,
    now: datetime,
) -> StoredFile:
    """Adds the row of stored bytes, under the person's lock."""
    db.lock(session, uploaded_by)  # before the row refers to the person: PostgreSQL would deadlock two uploads
    row = StoredFile(
        kind=kind,
        name=name,
        sha256=stored.sha256,
        size=stored.size,
        content_type=content_type,
        original_name=original_name[-255:],
        uploaded_by_id=uploaded_by.id,
        uploaded_at=now,
    )
    session.add(row)
    session.flush()
    return row


def is_taken(kind: FileKind, name: str) -> bool:
    """Whether the store has such a file. Raises Unavailable when it does not say."""
    try:
        return storage.store().stat(f"{FOLDERS[kind]}/{name}") is not None
    except OSError as error:
        log.error("upload refused: %s", error)  # noqa: TRY400 - the sentence says it all
        raise Unavailable(_NOT_NOW) from error


def remove(session: Session, kind: FileKind, name: str) -> None:
    """Forgets the row now and removes the bytes once that is committed. A file that stays is only an orphan.

    While a backup runs the bytes wait: it may hold the row and read them yet.
    """
    StoredFile.forget(session, kind, name)
    db.after_commit(session, lambda: _delete_or_put_off(session, [f"{FOLDERS[kind]}/{name}"]))


def remove_many(session: Session, files: Sequence[StoredFile]) -> None:
    """The same for several at once, in one statement."""
    keys = [file.key for file in files]
    gone = delete(StoredFile).where(StoredFile.id.in_([file.id for file in files]))
    session.execute(gone, execution_options={"synchronize_session": False})
    db.after_commit(session, lambda: _delete_or_put_off(session, keys))


def remove_what_waits(engine: Engine) -> int:
    """Removes the files that waited for the end of a backup, unless one runs still, and says how many."""
    removed = 0
    while batch := _remove_some_that_wait(engine):
        removed += batch
    return removed


def _remove_some_that_wait(engine: Engine) -> int:
    with db.reading(engine) as session:
        if Backup.reads_files(session, clock.now()):
            return 0
        waiting = {row.id: row.key for row in session.scalars(select(WaitingRemoval).limit(BATCH))}
        named = _named_by_rows(session, waiting.values())
    for key in waiting.values():
        if key not in named:  # a restore may have brought it back
            _delete(key)
    if waiting:
        with db.transaction(engine) as session:
            session.execute(delete(WaitingRemoval).where(WaitingRemoval.id.in_(waiting)))
    return len(waiting)


def discard(kind: FileKind, name: str) -> None:
    """Removes bytes that no row names, as what they were stored for came to nothing."""
    _delete(f"{FOLDERS[kind]}/{name}")


def open_file(file: StoredFile) -> BinaryIO:
    """The bytes of a row. Raises FileNotFoundError."""
    return storage.store().open(file.key)


def pictures_only_the_database_knows(settings: Settings, upload_root: Path) -> list[str] | None:
    """Names of profile pictures that rows hold and no file; None where there is no database to ask.

    It never creates a database: an SQLite file that is not there is not opened.
    """
    if settings.sqlite_file is not None and not settings.sqlite_file.is_file():
        return None
    engine = db.make_engine(settings)
    try:
        with engine.connect() as connection:
            if schema.state(connection) is schema.State.EMPTY:
                return None
        with db.reading(engine) as session:
            names = session.scalars(select(User.avatar_filename).where(User.avatar_filename.is_not(None))).all()
    except DatabaseError:
        return None
    finally:
        engine.dispose()
    return sorted(name for name in names if name and not (upload_root / storage.AVATARS / name).is_file())


def _make_sure_the_store_is_ours(session: Session) -> None:
    """The volume may have gone away since the start, or the files moved elsewhere; what is put here would be lost."""
    try:
        installation.recognise_uploads(session, storage.store())
    except CannotStart as error:
        log.error("upload refused: %s", error)  # noqa: TRY400 - the sentence says it all
        raise Unavailable(_NOT_NOW) from error


def _delete_or_put_off(session: Session, keys: Sequence[str]) -> None:
    """Asked after the commit: a backup that begins later does not know the files, one that began before is seen."""
    now = clock.now()
    try:
        if Backup.reads_files(session, now):
            with db.aside(session) as own:
                own.add_all(WaitingRemoval(key=key, at=now) for key in keys)
            return
    except DatabaseError:
        log.exception("%s could not be removed and stay as orphans", ", ".join(keys))
        return
    for key in keys:
        _delete(key)


def _named_by_rows(session: Session, keys: Collection[str]) -> set[str]:
    """Those of the keys that rows of stored files name."""
    names = [key.partition("/")[2] for key in keys]
    found = session.scalars(select(StoredFile).where(StoredFile.name.in_(names)))
    return {row.key for row in found}


def _delete(key: str) -> None:
    try:
        storage.store().delete(key)
    except OSError:
        log.exception("%s could not be removed and stays as an orphan", key)
