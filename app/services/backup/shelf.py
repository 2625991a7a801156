"""All backups, for the page of them, and making one from there."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Thread

from flask_babel import lazy_gettext as _
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app import clock, db
from app.config import Settings
from app.errors import Conflict, DomainError, NotFound
from app.models import Backup, BackupKind, BackupState
from app.services.backup import records
from app.services.backup.archive import Unusable
from app.services.backup.create import create, existing, made_at
from app.services.backup.opening import opened
from app.services.backup.verify import verify

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """A backup in the folder. `size` is in bytes; `entries` and `files` are None where it cannot be read.

    `damaged` counts the stored files that were lost or changed before; `verified` is the last time all of it was read.
    """

    name: str
    size: int
    made_at: datetime
    entries: int | None
    files: int | None
    damaged: int = 0
    verified: Backup | None = None


@dataclass(frozen=True)
class Shelf:
    """The backups, the newest first; what is being done; the last backup, if it failed; the last drill."""

    kept: list[Kept]
    running: Backup | None
    failed: Backup | None
    drill: Backup | None


def shelf(session: Session, settings: Settings, *, now: datetime) -> Shelf:
    running = session.scalar(Backup.all_alive(now).order_by(Backup.id.desc()).limit(1))
    last = Backup.latest(session, BackupKind.BACKUP)
    ended = select(Backup).where(Backup.kind == BackupKind.DRILL, Backup.ended_at.is_not(None))
    return Shelf(
        kept=_all_kept(session, settings),
        running=running,
        failed=last if last is not None and last.state == BackupState.FAILED else None,
        drill=session.scalar(ended.order_by(Backup.began_at.desc(), Backup.id.desc()).limit(1)),
    )


def find(settings: Settings, name: str) -> Path:
    """The path of a backup by its name. Raises NotFound."""
    for path in existing(settings):
        if path.name == name:
            return path
    raise NotFound


def make_soon(session: Session, engine: Engine, settings: Settings, *, now: datetime) -> None:
    """Makes a backup in a thread of its own, once this is committed. Raises Conflict where one is being made."""
    record_id = _claimed(session, BackupKind.BACKUP, "", now)
    _do_soon(session, lambda: create(engine, settings, now=clock.now(), record_id=record_id))


def verify_soon(session: Session, engine: Engine, settings: Settings, name: str, *, now: datetime) -> None:
    """Reads all of a backup in a thread of its own. Raises NotFound, and Conflict where something runs."""
    path = find(settings, name)
    record_id = _claimed(session, BackupKind.VERIFICATION, name, now)
    _do_soon(session, lambda: _verify(engine, path, record_id))


def _claimed(session: Session, kind: BackupKind, name: str, now: datetime) -> int:
    """The id of a new record, where nothing else runs. Raises Conflict."""
    db.serialise(session, "backup by hand")
    if session.scalar(Backup.all_alive(now).limit(1)) is not None:
        raise Conflict(_("A backup is being made, read or tried out just now. Wait for its end."))
    return records.add(session, kind, name)


def _do_soon(session: Session, act: Callable[[], object]) -> None:
    def do() -> None:
        try:
            act()
        except DomainError as error:
            log.error("A backup by hand: %s", error)  # noqa: TRY400 - the sentence says it all

    db.after_commit(session, Thread(target=do, name="backup", daemon=True).start)


def _verify(engine: Engine, path: Path, record_id: int) -> None:
    with records.running(engine, BackupKind.VERIFICATION, name=path.name, record_id=record_id) as run:
        with opened(path) as found:
            run.total = found.manifest.size
        verify(path, run.progress)


def _all_kept(session: Session, settings: Settings) -> list[Kept]:
    """As recorded where they were made; the manifest of another one, copied here, is read."""
    paths = existing(settings)
    made = select(Backup).where(
        Backup.kind == BackupKind.BACKUP, Backup.state == BackupState.DONE, Backup.name.in_([p.name for p in paths])
    )
    records_of = {record.name: record for record in session.scalars(made)}
    verified = _verified(session, [path.name for path in paths])
    return [replace(_kept(path, records_of.get(path.name)), verified=verified.get(path.name)) for path in paths]


def _verified(session: Session, names: list[str]) -> dict[str, Backup]:
    """The last verification that ended, by the name of the backup."""
    ended = select(Backup).where(
        Backup.kind == BackupKind.VERIFICATION, Backup.ended_at.is_not(None), Backup.name.in_(names)
    )
    return {record.name: record for record in session.scalars(ended.order_by(Backup.id))}


def _kept(path: Path, record: Backup | None) -> Kept:
    size, at = path.stat().st_size, made_at(path)
    if record is not None and record.size == size:
        return Kept(path.name, size, at, record.entries, record.files, len(record.problem.splitlines()))
    try:
        with opened(path) as found:
            told = found.manifest
    except Unusable:
        return Kept(path.name, size, at, None, None)
    return Kept(path.name, size, at, told.rows_of("time_entries"), len(told.files), len(told.damaged))
