"""The schema of the database: what state it is in, and bringing it up to date.

Migrations are linear and dated; the revision is the stamp a file's name begins with, so that the newest is known
without loading Alembic, which a start with nothing to migrate cannot afford.
"""

import logging
import re
import time
import uuid
from collections.abc import Callable
from enum import Enum
from functools import cache

from sqlalchemy import Connection, Engine, func, insert, inspect, select, text
from sqlalchemy.exc import OperationalError

from app import clock
from app.config import CHECKOUT, Settings
from app.db import use_wal
from app.errors import CannotStart
from app.models import Installation
from app.models.installation import ONLY
from app.services import snapshots

log = logging.getLogger(__name__)

MIGRATIONS = CHECKOUT / "migrations"
STAMP = len("20261122_1300")
LONGEST_WAIT_SECONDS = 600
NEWER = (
    "The database was written by a newer version of TimeTracker than this one, which would damage it: "
    "install that version again. Nothing was changed."
)
FOREIGN = (
    "The database belongs to another program, perhaps the TimeTracker of old: keep it, and set DATABASE_URL or "
    "DATA_DIR to a place of this one's own. Nothing was changed."
)
_STAMPED = re.compile(r"2\d{7}_\d{4}")
_LOCK = 0x7133_7AC8  # the advisory lock of PostgreSQL under which one process migrates


class State(Enum):
    EMPTY = "empty"
    OUTDATED = "outdated"
    CURRENT = "current"
    NEWER = "newer"
    FOREIGN = "foreign"  # another program's, such as the TimeTracker of old


@cache
def revisions() -> tuple[str, ...]:
    """All revisions of this version, the oldest first."""
    return tuple(sorted(path.stem[:STAMP] for path in (MIGRATIONS / "versions").glob("2*.py")))


def head() -> str:
    return revisions()[-1]


def current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def state(connection: Connection) -> State:
    found = current_revision(connection)
    if found is None:
        return State.FOREIGN if inspect(connection).get_table_names() else State.EMPTY
    if found == head():
        return State.CURRENT
    if found in revisions():
        return State.OUTDATED
    return State.NEWER if _STAMPED.fullmatch(found) else State.FOREIGN


def refuse_unless_current(engine: Engine) -> None:
    """Raises CannotStart."""
    with engine.connect() as connection:
        found = state(connection)
    _refuse_what_is_not_ours(found)
    if found is not State.CURRENT:
        raise CannotStart("The database is not up to date: run `timetracker migrate`, then start again.")


def migrate(engine: Engine, settings: Settings, *, waiting: Callable[[], None] = lambda: None) -> bool:
    """Brings the schema up to date, in one transaction, and says whether there was anything to do.

    A database that is there is kept as a snapshot first. Of several processes at once one migrates and the others
    wait; `waiting` is called once when this one does.
    Raises CannotStart when the schema is newer than this version, or no snapshot can be made.
    """
    with engine.connect() as connection:
        found = state(connection)
        _refuse_what_is_not_ours(found)
        if connection.dialect.name == "sqlite":
            use_wal(connection)
        if found is State.CURRENT:
            return False
    try:
        with engine.connect() as connection:
            _take_lock(connection, waiting)
            found = state(connection)
            _refuse_what_is_not_ours(found)
            if found is State.OUTDATED:
                _take_snapshot(connection, settings)
            if found is not State.CURRENT:
                _upgrade(connection, settings)
            connection.commit()
    finally:
        engine.dispose()  # this connection had its foreign keys switched off
    return found is not State.CURRENT


def upgrade_to(connection: Connection, revision: str) -> None:
    """Runs the migrations up to that one, in the connection's transaction."""
    from alembic import command  # noqa: PLC0415 - heavy, and hardly any start migrates
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _refuse_what_is_not_ours(found: State) -> None:
    if found is State.NEWER:
        raise CannotStart(NEWER)
    if found is State.FOREIGN:
        raise CannotStart(FOREIGN)


def _take_lock(connection: Connection, waiting: Callable[[], None]) -> None:
    if connection.dialect.name == "postgresql":
        if not connection.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
            waiting()
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        return
    # Tables are rebuilt during migrations; the switch has no effect inside a transaction.
    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    _begin_immediate(connection, waiting)


def _begin_immediate(connection: Connection, waiting: Callable[[], None]) -> None:
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    connection.exec_driver_sql("PRAGMA busy_timeout = 1000")
    told = False
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if "locked" not in str(error.orig) or time.monotonic() > deadline:
                raise
            if not told:
                waiting()
            told = True
        else:
            return


def _take_snapshot(connection: Connection, settings: Settings) -> None:
    revision = current_revision(connection)
    assert revision is not None  # noqa: S101 - an outdated database says which one it is at
    snapshots.take(connection, settings, revision, clock.now())
    log.info("Before its migration the database was kept as a snapshot of schema %s.", revision)


def _upgrade(connection: Connection, settings: Settings) -> None:
    upgrade_to(connection, "head")
    _refuse_broken_references(connection)
    _ensure_installation(connection, settings)


def _refuse_broken_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise RuntimeError("the migration left a reference to a row that is not there; nothing was changed")


def _ensure_installation(connection: Connection, settings: Settings) -> None:
    if connection.scalar(select(Installation.id)) is not None:
        return
    connection.execute(
        insert(Installation).values(
            id=ONLY,
            installation_id=str(uuid.uuid4()),
            company_name="",
            time_zone=settings.time_zone,
            currency=settings.currency,
            created_at=clock.now(),
        )
    )
