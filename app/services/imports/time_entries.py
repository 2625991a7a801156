"""Writes the rows of any source as time entries: in batches, each row once, whatever was interrupted or runs beside.

A row that was ever imported for the person is known again by its key, also when they changed or deleted the entry
since. Each batch is a short transaction of its own under the person's lock, so that nobody waits for an import.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session

from app import db
from app.errors import Conflict
from app.models import ImportRun, Source, TimeEntry, User, time_entry_tags
from app.services.imports import subjects
from app.services.imports.rows import Row
from app.services.imports.subjects import Directory, Kind

BATCH = 250  # rows: well under half a second, also on a small machine

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Origin:
    """Whose time is brought, and from where."""

    user_id: int
    source: Source
    file_name: str


@dataclass(frozen=True)
class Outcome:
    """What an import did, or would do. `run_id` is None where nothing was written."""

    taken: Sequence[Row]
    already_there: int
    made: Counter[Kind]
    run_id: int | None = None

    @property
    def seconds(self) -> int:
        return sum(row.seconds for row in self.taken)


def write(
    engine: Engine, rows: Sequence[Row], origin: Origin, *, now: datetime, progress: Progress = lambda _rows: None
) -> Outcome:
    """Imports the rows that were not imported before; all hang on one run, by which they are undone."""
    known, taken, run_id = subjects.directory(rows), list[Row](), None
    for batch in _batches(rows):
        with db.transaction(engine) as session:
            owner = session.get_one(User, origin.user_id)
            db.lock(session, owner)
            new = _not_there(session, origin.user_id, batch)
            if new:
                run_id = _run(session, run_id, origin, now)
                subjects.find_or_make(session, known, new, user_id=origin.user_id, now=now)
                _insert(session, new, known, _Same(origin, run_id, now))
                owner.changes += 1
        taken += new
        progress(len(batch))
    return Outcome(taken, len(rows) - len(taken), known.count_made(), run_id)


def preview(engine: Engine, rows: Sequence[Row], user_id: int, *, progress: Progress = lambda _rows: None) -> Outcome:
    """What `write` would do now."""
    known, taken = subjects.directory(rows), list[Row]()
    for batch in _batches(rows):
        with db.reading(engine) as session:
            new = _not_there(session, user_id, batch)
            known.made |= dict.fromkeys(subjects.find(session, known, new))
        taken += new
        progress(len(batch))
    return Outcome(taken, len(rows) - len(taken), known.count_made())


@dataclass(frozen=True)
class _Same:
    """What all entries of a run have in common."""

    origin: Origin
    run_id: int
    now: datetime


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _not_there(session: Session, user_id: int, batch: Sequence[Row]) -> list[Row]:
    keys = [row.key for row in batch]
    of_person = select(TimeEntry.import_key).where(TimeEntry.user_id == user_id, TimeEntry.import_key.in_(keys))
    there = set(session.scalars(of_person))
    return [row for row in batch if row.key not in there]


def _run(session: Session, run_id: int | None, origin: Origin, now: datetime) -> int:
    """The run all batches share, made with the first row there is to write."""
    if run_id is None:
        run = ImportRun(user_id=origin.user_id, source=origin.source, file_name=origin.file_name[:255], created_at=now)
        session.add(run)
        session.flush()
        return run.id
    if session.get_one(ImportRun, run_id).undone_at is not None:
        raise Conflict(f"Import {run_id} was undone while it ran. It stopped; run it again to bring its rows.")
    return run_id


def _insert(session: Session, rows: Sequence[Row], known: Directory, same: _Same) -> None:
    billable = _billable_by_project(session, rows, known)
    values = [_values(row, known, billable, same) for row in rows]
    added = insert(TimeEntry).returning(TimeEntry.import_key, TimeEntry.id)
    ids = dict(session.execute(added, values).all())
    pairs = [
        {"time_entry_id": ids[row.key], "tag_id": tag_id}
        for row in rows
        for tag_id in {known.ids[name] for name in subjects.tag_names(row)}
    ]
    if pairs:
        session.execute(insert(time_entry_tags), pairs)


def _billable_by_project(session: Session, rows: Iterable[Row], known: Directory) -> set[int]:
    """Asked only where a row leaves it to its project."""
    open_ = {known.ids[subjects.project_name(row)] for row in rows if row.billable is None and row.project}
    return subjects.billable_projects(session, open_) if open_ else set()


def _values(row: Row, known: Directory, billable: set[int], same: _Same) -> dict[str, Any]:
    project_id = known.ids[subjects.project_name(row)] if row.project else None
    return {
        "user_id": same.origin.user_id,
        "project_id": project_id,
        "task_id": known.ids[subjects.task_name(row)] if row.task else None,
        "description": row.description,
        "billable": project_id in billable if row.billable is None else row.billable,
        "started_at": row.start,
        "ended_at": row.end,
        "time_zone": row.time_zone,
        "local_date": row.local_date,
        "source": same.origin.source,
        "import_run_id": same.run_id,
        "import_key": row.key,
        "import_row": row.raw,
        "created_at": same.now,
        "updated_at": same.now,
    }
