"""Base, column types, the session of a request, the write lock, and the one commit.

Reads run in autocommit, as PostgreSQL's READ COMMITTED does statement by statement. The first statement that
writes opens the transaction: on SQLite with BEGIN IMMEDIATE, so that two writers queue (busy_timeout) and never
fail half-way with "database is locked". A verb that decides by what it reads calls `lock()` first.
"""

import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Lock
from typing import Any, cast

from flask import Flask, Response, current_app, g
from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    MetaData,
    TypeDecorator,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.engine.interfaces import Dialect, ExceptionContext
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from app.config import Settings

BUSY_TIMEOUT_MS = 15_000
POOL_SIZE = 64  # one connection for each request at work
POSTGRES_POOL = 30  # kept; under load up to 90, as a server allows 100 by default
_PRIMARY = 0xFF  # of a result code of SQLite; what lies above says more closely why
_READS = ("SELECT", "PRAGMA", "EXPLAIN", "WITH", "BEGIN")


class Base(DeclarativeBase):
    """All tables. Constraint names are fixed, so that migrations can name them on both engines."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Instant(TypeDecorator[datetime]):
    """A moment as an aware datetime in UTC, to the second.

    PostgreSQL keeps it as timestamptz(0), SQLite as seconds since 1970, so that both compare, index and
    subtract exactly.
    """

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True, precision=0))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a zone: a naive datetime reached the database")
        return value if dialect.name == "postgresql" else int(value.timestamp())

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "postgresql":
            return value.astimezone(UTC)  # type: ignore[no-any-return]
        return datetime.fromtimestamp(value, UTC)


class seconds_between(FunctionElement[int]):  # noqa: N801 - used like an SQL function
    """Whole seconds from the first instant to the second, in SQL."""

    type = BigInteger()
    name = "seconds_between"
    inherit_cache = True

    def __init__(self, start: Any, end: Any) -> None:
        super().__init__(start, end)


@compiles(seconds_between)
def _seconds_between(element: Any, compiler: Any, **kw: Any) -> str:
    start, end = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({end} - {start})"


@compiles(seconds_between, "postgresql")
def _seconds_between_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    start, end = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"CAST(EXTRACT(EPOCH FROM ({end} - {start})) AS BIGINT)"


def make_engine(settings: Settings) -> Engine:
    """The engine for `settings`; nothing is connected yet."""
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_size=POSTGRES_POOL, max_overflow=2 * POSTGRES_POOL, pool_pre_ping=True)
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_MS / 1000, "factory": _in_turn()},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "before_cursor_execute", _begin_before_writing)
    event.listen(engine, "handle_error", _give_up_read_only)
    return engine


class Waiting(sqlite3.Connection):
    """A connection that begins to write when it is its turn in this process, and not by trying again and again.

    SQLite's own waiting (busy_timeout) looks every tenth of a second whether the file is free; where writers follow
    one another closely somebody may find it taken for all of the 15 seconds. It is left for other processes.
    """

    turn: Lock
    is_its_turn = False

    def begin_writing(self) -> None:
        """Raises OperationalError, as SQLite does, when others write for too long."""
        if not self.turn.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise sqlite3.OperationalError("database is locked")
        self.is_its_turn = True
        try:
            self.execute("BEGIN IMMEDIATE")
        finally:
            self._pass_on()

    def commit(self) -> None:
        try:
            super().commit()
        finally:
            self._pass_on()

    def rollback(self) -> None:
        try:
            super().rollback()
        finally:
            self._pass_on()

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._pass_on(closed=True)

    def _pass_on(self, *, closed: bool = False) -> None:
        """Once nothing is being written any more; a commit that failed may have left the transaction open."""
        if self.is_its_turn and (closed or not self.in_transaction):
            self.is_its_turn = False
            self.turn.release()


def _in_turn() -> type[Waiting]:
    """Connections that share one turn: those of one engine."""
    return type("Waiting", (Waiting,), {"turn": Lock()})


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """FULL syncs: what was acknowledged survives a power cut (NORMAL loses it). The file itself is in WAL mode."""
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_before_writing(
    _conn: Connection, cursor: sqlite3.Cursor, statement: str, _parameters: Any, _context: Any, _many: bool
) -> None:
    connection = cursor.connection
    assert isinstance(connection, Waiting)  # noqa: S101 - the engine makes no others
    if not connection.in_transaction and not statement.lstrip().upper().startswith(_READS):
        connection.begin_writing()


def _give_up_read_only(context: ExceptionContext) -> None:
    """What was opened while the file could not be written stays read-only for good: all is opened anew after that."""
    code = getattr(context.original_exception, "sqlite_errorcode", sqlite3.SQLITE_OK)
    if code & _PRIMARY == sqlite3.SQLITE_READONLY:
        context.is_disconnect = True


def use_wal(connection: Connection) -> None:
    """Makes readers and the writer not wait for each other; the file remembers it.

    Changing the mode needs the file alone and does not heed busy_timeout, so it asks again for a while.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
        try:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def hold_writes(session: Session) -> None:
    """Takes the write lock of an SQLite database until the commit; PostgreSQL locks rows instead."""
    connection = session.connection().connection.dbapi_connection
    if isinstance(connection, Waiting) and not connection.in_transaction:
        connection.begin_writing()


def serialise(session: Session, name: str) -> None:
    """Until the commit nobody else is in a stretch of code of this `name` (the advisory lock of PostgreSQL)."""
    hold_writes(session)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(zlib.crc32(name.encode()))))


def lock(session: Session, record: Base) -> None:
    """Until the commit nobody else changes what hangs on `record`; it is read anew, as it may have changed."""
    hold_writes(session)
    session.refresh(record, with_for_update=True)


def is_writing(session: Session) -> bool:
    """Whether the session holds an open transaction on SQLite's file."""
    if not session.in_transaction():
        return False
    connection = session.connection().connection.dbapi_connection
    return isinstance(connection, sqlite3.Connection) and connection.in_transaction


def after_commit(session: Session, act: Callable[[], None]) -> None:
    """Runs `act` once the rows are safe: for removing files and sending mail (law 4). Forgotten at a rollback."""
    if not session.in_transaction():
        session.begin()  # or a rollback would have nothing to forget
    session.info.setdefault("after_commit", []).append(act)


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session that commits once at the end: for commands and jobs."""
    with Session(engine, expire_on_commit=False) as session:
        yield session
        _commit(session)


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session of its own for an answer that is streamed after the request's session has ended."""
    with Session(engine, expire_on_commit=False) as session:
        yield session


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection whose reads all see the database as it is at the first of them; others write meanwhile."""
    consistent = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection.execution_options(**consistent)
        yield connection


@contextmanager
def aside(session: Session) -> Iterator[Session]:
    """A short transaction of its own, for what must outlive a refusal (sign-in attempts, last seen).

    Never while `session` holds a write: on SQLite the two would wait for each other.
    """
    if is_writing(session):
        raise RuntimeError("db.aside() while this request holds the write lock")
    engine = session.get_bind()
    assert isinstance(engine, Engine)  # noqa: S101 - sessions here are bound to the engine, never to a connection
    with transaction(engine) as own:
        yield own


def _commit(session: Session) -> None:
    session.commit()
    for act in session.info.pop("after_commit", ()):
        act()


@event.listens_for(Session, "after_rollback")
def _forget_acts(session: Session) -> None:
    session.info.pop("after_commit", None)


class Application(Flask):
    """Flask with the one commit at the edge (law 4) and the settings every floor of HTTP needs."""

    settings: Settings
    engine: Engine

    def dispatch_request(self) -> Response:
        """Commits when the answer is a success or a redirect and rolls back otherwise.

        Here rather than in an after-request hook, so that errors of the commit reach the error handlers too.
        """
        response = self.make_response(super().dispatch_request())
        opened: Session | None = g.get("session")
        if opened is not None:
            if response.status_code < HTTPStatus.BAD_REQUEST:
                _commit(opened)
            else:
                opened.rollback()
        return response


def application() -> Application:
    """The running application, typed."""
    return cast("Application", current_app)


def session() -> Session:
    """The session of this request, opened on first use."""
    if "session" not in g:
        g.session = Session(application().engine, expire_on_commit=False)
    return cast("Session", g.session)


def close_session(_error: BaseException | None = None) -> None:
    opened: Session | None = g.pop("session", None)
    if opened is not None:
        opened.close()
