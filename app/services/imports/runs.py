"""Imports that were made: which there are, and taking one back as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from app import db
from app.errors import Conflict, NotFound
from app.models import ImportRun, TimeEntry, User
from app.services.imports.time_entries import BATCH, Progress


@dataclass(frozen=True)
class Run:
    """An import; `entries` are those of it that nobody deleted."""

    id: int
    username: str
    source: str
    file_name: str
    created_at: datetime
    undone_at: datetime | None
    entries: int


def all_runs(session: Session) -> Sequence[Run]:
    """The newest first."""
    entries = (
        select(func.count())
        .where(TimeEntry.import_run_id == ImportRun.id, TimeEntry.deleted_at.is_(None))
        .scalar_subquery()
    )
    found = (
        select(
            ImportRun.id,
            User.username,
            ImportRun.source,
            ImportRun.file_name,
            ImportRun.created_at,
            ImportRun.undone_at,
            entries,
        )
        .join(User, User.id == ImportRun.user_id)
        .order_by(ImportRun.id.desc())
    )
    return [Run(*row) for row in session.execute(found)]


def undo(engine: Engine, run_id: int, *, now: datetime, progress: Progress = lambda _entries: None) -> int:
    """Deletes what a run brought, so that it can be brought again, and says how many entries that were.

    What its owner deleted before stays theirs to restore, and is not brought again. Interrupted, it goes on when it
    is called again. Raises NotFound; Conflict where there is nothing left to undo.
    """
    undone = 0
    while ids := _undo_some(engine, run_id, now, is_first=undone == 0):
        undone += len(ids)
        progress(len(ids))
    return undone


def _undo_some(engine: Engine, run_id: int, now: datetime, *, is_first: bool) -> Sequence[int]:
    with db.transaction(engine) as session:
        run = _locked(session, run_id)
        ids = _entries(session, run)
        if not ids and is_first and run.undone_at is not None:
            raise Conflict(f"Import {run_id} was undone already.")
        run.undone_at = run.undone_at or now  # from here on, an import that still runs stops
        gone = (
            update(TimeEntry)
            .where(TimeEntry.id.in_(ids))
            .values(deleted_at=now, import_key=None, version=TimeEntry.version + 1)
        )
        session.execute(gone, execution_options={"synchronize_session": False})
        session.get_one(User, run.user_id).changes += 1
    return ids


def _locked(session: Session, run_id: int) -> ImportRun:
    run = session.get(ImportRun, run_id)
    if run is None:
        raise NotFound(f"There is no import {run_id}; `timetracker import list` shows all.")
    db.lock(session, session.get_one(User, run.user_id))
    session.refresh(run)
    return run


def _entries(session: Session, run: ImportRun) -> Sequence[int]:
    of_run = select(TimeEntry.id).where(TimeEntry.import_run_id == run.id, TimeEntry.deleted_at.is_(None))
    return session.scalars(of_run.order_by(TimeEntry.id).limit(BATCH)).all()
