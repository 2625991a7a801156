"""Backups and drills by the clock, each made by one process of however many, and old backups let go."""

import logging
import shutil
import time as clockwork
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from app import clock, db
from app.config import Settings
from app.models import Backup, BackupKind, BackupState, Installation
from app.services.backup import drill, records
from app.services.backup.create import create, existing, folder, made_at
from app.storage.durable import TEMPORARY_PREFIX

log = logging.getLogger(__name__)

DRILL_EVERY = timedelta(days=7)
TRY_AGAIN_AFTER = timedelta(hours=1)
LEFTOVER_AFTER_SECONDS = 3600  # without being written to


def back_up_if_due(engine: Engine, settings: Settings, *, now: datetime) -> bool:
    """Makes the backup of the day, unless one was made or is under way, and says whether it did.

    A server that was off at that time makes it as soon as it runs. One that failed is tried again after an hour.
    """
    due = last_due(settings, now)
    if due is None or not _is_older(engine, due):
        return False
    record_id = _claim(engine, BackupKind.BACKUP, since=due, now=now)
    if record_id is None:
        return False
    clear(engine, settings, now=now)
    made = create(engine, settings, now=now, record_id=record_id)
    log.info("Backed up to %s.", made.path)
    for name, why in made.damaged.items():
        log.error("%s %s; the backup holds all the rest.", name, why)
    return True


def drill_if_due(engine: Engine, settings: Settings, *, now: datetime) -> bool:
    """Tries the newest backup out once a week, and says whether it did."""
    if last_due(settings, now) is None or not existing(settings, locked=False):
        return False
    record_id = _claim(engine, BackupKind.DRILL, since=now - DRILL_EVERY, now=now)
    if record_id is None:
        return False
    path, _manifest = drill.drill(engine, settings, record_id=record_id)
    log.info("%s was restored for a try and came back as it was.", path)
    return True


def last_due(settings: Settings, now: datetime) -> datetime | None:
    """When the latest backup should have begun; None where none are made by the clock."""
    if settings.backup_time is None:
        return None
    zone = clock.zone(settings.time_zone)
    today = clock.local_date(now, zone)
    times = (
        clock.to_instant(datetime.combine(day, settings.backup_time), zone).instant
        for day in (today, today - timedelta(days=1))
    )
    return next(due for due in times if due <= now)


def clear(engine: Engine, settings: Settings, *, now: datetime) -> list[Path]:
    """Removes backups past their time, but never the newest good one, and what killed runs left; says which."""
    with db.reading(engine) as session:
        bad = _bad_ones(session)
        drilling = session.scalar(Backup.alive(BackupKind.DRILL, now).limit(1)) is not None
    backups = existing(settings)
    newest_good = next((path for path in backups if path.name not in bad), next(iter(backups), None))
    until = now - timedelta(days=settings.backup_retention_days)
    gone = [path for path in backups if made_at(path) < until and path != newest_good]
    for path in gone:
        path.unlink(missing_ok=True)
    _remove_leftovers(folder(settings), scratch=not drilling)
    return gone


def _bad_ones(session: Session) -> set[str]:
    """Those that could not hold every file whole, and those whose last drill failed."""
    damaged = select(Backup.name).where(Backup.kind == BackupKind.BACKUP, Backup.problem != "")
    last = select(func.max(Backup.id)).where(Backup.kind == BackupKind.DRILL, Backup.ended_at.is_not(None))
    failed = select(Backup.name).where(Backup.id.in_(last.group_by(Backup.name)), Backup.state == BackupState.FAILED)
    return {*session.scalars(damaged), *session.scalars(failed)}


def _is_older(engine: Engine, due: datetime) -> bool:
    """An installation of this morning has nothing of the night to back up."""
    with db.reading(engine) as session:
        return Installation.this(session).created_at < due


def _claim(engine: Engine, kind: BackupKind, *, since: datetime, now: datetime) -> int | None:
    """The record of a run that is this process's to do, or None. Of several that ask at once one gets it."""
    with db.reading(engine) as session:
        if not _is_open(session, kind, since, now):
            return None
    with db.transaction(engine) as session:
        db.serialise(session, f"scheduled {kind}")
        return records.add(session, kind, "", scheduled=True) if _is_open(session, kind, since, now) else None


def _is_open(session: Session, kind: BackupKind, since: datetime, now: datetime) -> bool:
    """Whether nothing was done since, nothing runs, and the last failure is some time ago."""
    runs = session.scalars(select(Backup).where(Backup.kind == kind, Backup.scheduled, Backup.began_at >= since)).all()
    return not any(
        run.state == BackupState.DONE or run.is_alive(now) or run.began_at > now - TRY_AGAIN_AFTER for run in runs
    )


def _remove_leftovers(place: Path, *, scratch: bool) -> None:
    """Half archives of runs that were killed, and their `scratch` folders where no drill runs."""
    if not place.is_dir():
        return
    for path in place.iterdir():
        if clockwork.time() - path.lstat().st_mtime < LEFTOVER_AFTER_SECONDS:
            continue
        if scratch and path.name.startswith(drill.SCRATCH):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith(TEMPORARY_PREFIX):
            path.unlink(missing_ok=True)
