"""The record of a run: made before it begins, alive while it runs, told the outcome.

Files that people remove meanwhile wait for its end (app/services/uploads.py); one that died holds nothing.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from sqlalchemy import Engine, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import clock, db
from app.models import Backup, BackupKind, BackupState
from app.services import uploads

log = logging.getLogger(__name__)

BEATS_EVERY_SECONDS = 10


class Run:
    """A run under way. `outcome` takes values for its record that are stored as it ends well."""

    def __init__(self, engine: Engine, record_id: int, total: int = 0) -> None:
        self._engine, self._id = engine, record_id
        self.done, self.total = 0, total
        self.outcome: dict[str, object] = {}

    def progress(self, count: int) -> None:
        self.done += count

    @property
    def percent(self) -> int:
        return min(100 * self.done // self.total, 100) if self.total else 0

    def note(self, **values: object) -> None:
        """Writes into the record."""
        with db.transaction(self._engine) as session:
            session.execute(update(Backup).where(Backup.id == self._id).values(beat_at=clock.now(), **values))


@contextmanager
def running(engine: Engine, kind: BackupKind, *, name: str = "", record_id: int | None = None) -> Iterator[Run]:
    """The record of what the block does, a new one or the one given; what it raises is noted and goes on up."""
    if record_id is None:
        with db.transaction(engine) as session:
            record_id = add(session, kind, name)
    run = Run(engine, record_id)
    try:
        run.note(name=name)
        with _beating(run):
            yield run
    except BaseException as error:
        _note_failure(run, str(error) or type(error).__name__)
        raise
    else:
        run.note(state=BackupState.DONE, ended_at=clock.now(), percent=100, **run.outcome)
    finally:
        _let_removals_go(engine)


def add(session: Session, kind: BackupKind, name: str, *, scheduled: bool = False) -> int:
    """The id of the record of a run that begins now."""
    now = clock.now()
    record = Backup(kind=kind, name=name, scheduled=scheduled, began_at=now, beat_at=now)
    session.add(record)
    session.flush()
    return record.id


@contextmanager
def _beating(run: Run) -> Iterator[None]:
    """A sign of life every few seconds, also while a slow store lets the run itself wait."""
    ended = Event()

    def beat() -> None:
        while not ended.wait(BEATS_EVERY_SECONDS):
            try:
                run.note(percent=run.percent)
            except DBAPIError:
                log.warning("The sign of life of a backup could not be written.", exc_info=True)

    thread = Thread(target=beat, name="backup-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _let_removals_go(engine: Engine) -> None:
    try:
        uploads.remove_what_waits(engine)
    except DBAPIError:
        log.warning("Files that waited for the end of a backup wait on.", exc_info=True)


def _note_failure(run: Run, problem: str) -> None:
    try:
        run.note(state=BackupState.FAILED, ended_at=clock.now(), problem=problem)
    except DBAPIError:
        log.exception("The failure of a backup could not be written down: %s", problem)
