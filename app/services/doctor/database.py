"""The database: it answers, is whole, of this version, and holds what it may hold."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from flask_babel import lazy_gettext as _
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import db
from app.config import Settings
from app.models import TimeEntry, User
from app.services import installation, schema
from app.services.doctor import backups, files
from app.services.doctor.finding import Code, Finding, Severity, fine
from app.storage import StoreRefuses, places

TOLERANCE = timedelta(minutes=5)  # for clocks of two machines


def examine(settings: Settings, *, thorough: bool, now: datetime) -> Iterator[Finding]:
    if settings.sqlite_file is not None and not os.path.isfile(settings.sqlite_file):  # noqa: PTH113 - below a closed folder Path.is_file raises
        yield Finding(
            Code.DATABASE,
            Severity.ERROR,
            _("There is no database yet."),
            _("Run `%(command)s`.", command="timetracker migrate"),
            _("Nothing can be shown or entered."),
        )
        return
    try:
        with _engine(settings) as engine:
            yield from _examine(engine, settings, thorough=thorough, now=now)
    except SQLAlchemyError as error:
        mend = _("Check DATABASE_URL and the server.")
        yield Finding(Code.DATABASE, Severity.ERROR, what_it_says(error), mend, _("Nothing can be shown or entered."))


def what_it_says(error: SQLAlchemyError) -> str:
    """Why it could not be asked, as one sentence."""
    words = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return f"The database does not answer: {words.rstrip('.')}."


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    engine = db.make_engine(settings)
    try:
        yield engine
    finally:
        engine.dispose()


def _examine(engine: Engine, settings: Settings, *, thorough: bool, now: datetime) -> Iterator[Finding]:
    with engine.connect() as connection:
        found = schema.state(connection)
        yield fine(Code.DATABASE, _("The database answers."))
        if thorough and connection.dialect.name == "sqlite":
            yield _integrity(connection)
    yield _schema(found)
    with db.reading(engine) as session:
        yield _marker(session, settings)
        if found is schema.State.CURRENT:
            yield from files.examine(session, settings, thorough=thorough, now=now)
            yield from _timers(session, settings)
            yield from _clock(session, now)
            yield from backups.examine(session, settings, now=now)


def _integrity(connection: Connection) -> Finding:
    """Pages, rows, indexes and references. On PostgreSQL the server keeps watch over these itself."""
    told = [str(line) for (line,) in connection.exec_driver_sql("PRAGMA integrity_check").all() if line != "ok"]
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    told += [f"{table} {row} names a row of {parent} that is not there" for table, row, parent, _id in broken]
    if not told:
        return fine(Code.INTEGRITY, _("The database is whole."))
    return Finding(
        Code.INTEGRITY,
        Severity.ERROR,
        _("The database is damaged."),
        _("Stop TimeTracker, copy the whole data folder away, and restore the newest backup."),
        _("Rows are lost or wrong, and it may get worse with each write."),
        tuple(told),
    )


def _schema(found: schema.State) -> Finding:
    if found is schema.State.CURRENT:
        return fine(Code.SCHEMA, _("The schema is up to date."))
    if found is schema.State.NEWER:
        what, mend = _("The schema is of a newer version than this one."), _("Install that version again.")
    elif found is schema.State.FOREIGN:
        what, mend = schema.FOREIGN, ""
    else:
        what, mend = _("The schema is not up to date."), _("Run `%(command)s`.", command="timetracker migrate")
    return Finding(Code.SCHEMA, Severity.ERROR, what, mend, _("TimeTracker does not start on it."))


def _marker(session: Session, settings: Settings) -> Finding:
    try:
        problem = installation.uploads_problem(session, places.chosen(settings))
    except StoreRefuses:
        return Finding(Code.MARKER, Severity.WARNING, _("The marker could not be compared: the store comes first."))
    except SQLAlchemyError:
        return Finding(Code.MARKER, Severity.WARNING, _("The marker could not be compared: the schema comes first."))
    if problem:
        why = _("On a wrong folder, all files would seem lost.")
        return Finding(Code.MARKER, Severity.ERROR, problem, why=why)
    return fine(Code.MARKER, _("The upload folder is this installation's."))


def _timers(session: Session, settings: Settings) -> Iterator[Finding]:
    if not settings.single_active_timer:
        return
    running = select(User.username).join(TimeEntry, TimeEntry.user_id == User.id)
    running = running.where(TimeEntry.ended_at.is_(None), TimeEntry.deleted_at.is_(None))
    names = session.scalars(running.group_by(User.username).having(func.count() > 1).order_by(User.username)).all()
    if names:
        yield Finding(
            Code.TIMERS,
            Severity.WARNING,
            _("Several timers run for one person, but only one is allowed."),
            _("Each of them stops all but one on the page “Timer”, or set SINGLE_ACTIVE_TIMER to false."),
            _("The same hours are counted twice."),
            tuple(names),
        )
    else:
        yield fine(Code.TIMERS, _("Nobody runs more timers than allowed."))


def _clock(session: Session, now: datetime) -> Iterator[Finding]:
    problem = _clock_of_the_server(session, now) or _newest_row(session, now)
    if problem:
        yield Finding(
            Code.CLOCK,
            Severity.WARNING,
            problem,
            _("Set the clocks, best by NTP."),
            _("Timers would start and stop at wrong times."),
        )
    else:
        yield fine(Code.CLOCK, _("The clock is right, as far as can be told."))


def _clock_of_the_server(session: Session, now: datetime) -> Any:
    if session.get_bind().dialect.name != "postgresql":
        return None
    off = session.scalar(select(func.now()))
    if off is None or abs(off - now) <= TOLERANCE:
        return None
    return _(
        "The database's clock and this machine's differ by %(seconds)s seconds.",
        seconds=int(abs(off - now).total_seconds()),
    )


def _newest_row(session: Session, now: datetime) -> Any:
    newest = session.scalar(select(func.max(TimeEntry.updated_at)))
    if newest is None or newest <= now + TOLERANCE:
        return None
    return _(
        "The clock is before the newest change of a time entry, %(moment)s UTC.", moment=newest.replace(tzinfo=None)
    )
