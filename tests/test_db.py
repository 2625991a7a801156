"""The session, the write lock and the one commit: what holds on SQLite and PostgreSQL (law 4)."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import cast, event, func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError
from sqlalchemy.orm import Session

from app import db
from app.db import Application, Instant, seconds_between
from app.errors import Refused
from app.models import SignInAttempt, Tag, User
from app.routes import access
from tests.conftest import NOON, Browser


def tag(name: str, **more: Any) -> Tag:
    return Tag(name=name, created_at=NOON, **more)


def tag_names(app: Application) -> list[str]:
    with Session(app.engine) as session:
        return list(session.scalars(select(Tag.name).order_by(Tag.name)))


class TestSQLite:
    PROMISED = [  # noqa: RUF012 - read only
        ("journal_mode", "wal"),
        ("synchronous", 2),  # FULL
        ("foreign_keys", 1),
        ("busy_timeout", 15_000),
    ]

    @pytest.mark.parametrize(("pragma", "value"), PROMISED)
    def test_keeps_its_promises_on_every_connection_of_the_pool(
        self, app: Application, pragma: str, value: object
    ) -> None:
        with ExitStack() as stack:
            connections = [stack.enter_context(app.engine.connect()) for _ in range(db.POOL_SIZE + 2)]

            assert {connection.scalar(text(f"PRAGMA {pragma}")) for connection in connections} == {value}

    @pytest.mark.parametrize(("pragma", "value"), PROMISED)
    def test_keeps_its_promises_when_a_connection_comes_back(
        self, app: Application, pragma: str, value: object
    ) -> None:
        with app.engine.begin() as connection:
            connection.execute(text("DELETE FROM tags"))
        with app.engine.connect() as connection:
            assert connection.scalar(text(f"PRAGMA {pragma}")) == value

    def test_reads_hold_no_transaction_and_see_what_others_commit(self, app: Application, session: Session) -> None:
        with Session(app.engine) as reader:
            assert reader.scalar(select(func.count()).select_from(Tag)) == 0
            session.add(tag("new"))
            session.commit()

            assert reader.scalar(select(func.count()).select_from(Tag)) == 1
            assert not db.is_writing(reader)

    def test_takes_the_write_lock_at_the_first_write_and_not_before(self, session: Session) -> None:
        session.scalar(select(func.count()).select_from(Tag))
        assert not db.is_writing(session)

        session.add(tag("one"))
        session.flush()

        assert db.is_writing(session)
        session.commit()
        assert not db.is_writing(session)

    def test_begins_immediately(self, app: Application, session: Session) -> None:
        session.add(tag("one"))
        session.flush()

        other = sqlite3.connect(str(app.settings.sqlite_file), timeout=0, isolation_level=None)
        with closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")

    def test_a_rollback_undoes_and_gives_the_lock_back(self, app: Application, session: Session) -> None:
        session.add(tag("one"))
        session.flush()

        session.rollback()

        assert not db.is_writing(session)
        assert tag_names(app) == []

    def test_a_writer_waits_for_its_turn_and_not_by_asking_again(self, app: Application, session: Session) -> None:
        """SQLite's own waiting is switched off here: where writers are many, it may never find the file free."""
        event.listen(app.engine, "connect", lambda connection, _record: connection.execute("PRAGMA busy_timeout = 0"))
        session.add(tag("first"))
        session.flush()

        def write_second() -> None:
            with db.transaction(app.engine) as own:
                own.add(tag("second"))

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(write_second)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
            session.commit()
            waiting.result(30)

        assert tag_names(app) == ["first", "second"]

    def test_a_turn_that_came_to_nothing_is_passed_on(self, app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(db, "BUSY_TIMEOUT_MS", 0)
        with closing(sqlite3.connect(str(app.settings.sqlite_file), isolation_level=None)) as another_program:
            another_program.execute("BEGIN IMMEDIATE")
            with app.engine.connect() as connection:
                with pytest.raises(OperationalError, match="locked"):
                    connection.execute(text("DELETE FROM tags"))
                another_program.execute("ROLLBACK")
                connection.execute(text("DELETE FROM tags"))
        with app.engine.connect() as connection:
            connection.execute(text("DELETE FROM tags"))
            connection.invalidate()

        with db.transaction(app.engine) as session:
            session.add(tag("afterwards"))

        assert tag_names(app) == ["afterwards"]

    def test_a_connection_that_can_only_read_is_given_up(self, app: Application) -> None:
        """Opened while the file could not be written, it would refuse for ever what the others of the pool take."""
        with app.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")

        with pytest.raises(OperationalError, match="readonly"), db.transaction(app.engine) as session:
            session.add(tag("too early"))
        with db.transaction(app.engine) as session:
            session.add(tag("afterwards"))

        assert tag_names(app) == ["afterwards"]

    def test_a_reference_to_nobody_is_refused(self, session: Session) -> None:
        session.add(tag("one", created_by_id=999))

        with pytest.raises(IntegrityError, match="FOREIGN KEY"):
            session.commit()

    def test_forty_writers_at_once_all_get_through(self, app: Application) -> None:
        together = threading.Barrier(40)

        def write(number: int) -> None:
            together.wait()
            for step in range(5):
                with db.transaction(app.engine) as session:
                    session.scalar(select(func.count()).select_from(Tag))
                    session.add(tag(f"{number}-{step}"))

        with ThreadPoolExecutor(40) as pool:
            list(pool.map(write, range(40)))

        assert len(tag_names(app)) == 200


@pytest.mark.engines
class TestLocks:
    def test_who_decides_by_what_is_read_waits_for_the_one_before(self, app: Application, owner: User) -> None:
        """Without the lock all would read the same full name and most additions would be lost."""
        together = threading.Barrier(8)

        def add_a_letter(letter: str) -> None:
            together.wait()
            with db.transaction(app.engine) as session:
                user = session.get_one(User, owner.id)
                db.lock(session, user)
                user.full_name += letter

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(add_a_letter, "abcdefgh"))

        with Session(app.engine) as session:
            assert sorted(session.get_one(User, owner.id).full_name) == list("abcdefgh")

    def test_one_name_is_one_stretch_of_code(self, app: Application) -> None:
        inside, most = [0], [0]

        def enter(_: int) -> None:
            with db.transaction(app.engine) as session:
                db.serialise(session, "stretch")
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                session.execute(select(func.count()).select_from(Tag))
                inside[0] -= 1

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(enter, range(24)))

        assert most == [1]


@pytest.mark.engines
class TestAside:
    def test_outlives_a_rollback(self, app: Application, session: Session) -> None:
        with db.aside(session) as own:
            own.add(tag("kept"))
        session.rollback()

        assert tag_names(app) == ["kept"]

    def test_is_undone_by_its_own_error(self, app: Application, session: Session) -> None:
        with pytest.raises(Refused), db.aside(session) as own:  # noqa: PT012 - the error comes after the write
            own.add(tag("lost"))
            own.flush()
            raise Refused("no")

        assert tag_names(app) == []


def test_aside_is_refused_while_the_request_writes(session: Session) -> None:
    session.add(tag("one"))
    session.flush()

    with pytest.raises(RuntimeError, match="holds the write lock"), db.aside(session):
        pass


def berlin(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, fold: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=ZoneInfo("Europe/Berlin"), fold=fold)


@pytest.mark.engines
class TestInstants:
    def test_come_back_in_utc_to_the_second(self, app: Application, session: Session) -> None:
        at = datetime(2026, 7, 1, 12, 0, 5, tzinfo=timezone(timedelta(hours=5, minutes=30)))
        session.add(SignInAttempt(account_hash="x", address="y", at=at))
        session.commit()

        with Session(app.engine) as other:
            found = other.scalars(select(SignInAttempt.at)).one()

        assert found == at
        assert found.tzinfo is UTC

    def test_without_a_zone_are_refused(self, session: Session) -> None:
        session.add(SignInAttempt(account_hash="x", address="y", at=datetime(2026, 7, 1)))  # noqa: DTZ001

        with pytest.raises(StatementError, match="naive datetime"):
            session.flush()

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            (berlin(2026, 3, 29, 1, 30), berlin(2026, 3, 29, 3, 30)),
            (berlin(2026, 10, 25, 1, 30), berlin(2026, 10, 25, 3, 30)),
            (berlin(2026, 10, 25, 2, 30), berlin(2026, 10, 25, 2, 30, fold=1)),
            (berlin(2025, 12, 31, 23, 59, 59), berlin(2026, 12, 31, 23, 59, 58)),
            (berlin(1965, 1, 1), berlin(2026, 1, 1)),
            (berlin(2026, 1, 2), berlin(2026, 1, 1)),
        ],
    )
    def test_lie_as_many_seconds_apart_in_sql_as_in_python(
        self, session: Session, start: datetime, end: datetime
    ) -> None:
        instants = [start.astimezone(UTC), end.astimezone(UTC)]
        session.add_all(SignInAttempt(account_hash=str(i), address="y", at=at) for i, at in enumerate(instants))
        session.flush()
        first, second = (
            select(SignInAttempt.at).where(SignInAttempt.account_hash == name).scalar_subquery() for name in "01"
        )

        assert session.scalar(select(seconds_between(first, second))) == (instants[1] - instants[0]).total_seconds()

    def test_compare_as_moments(self, session: Session) -> None:
        for second in (1, 2, 3):
            session.add(SignInAttempt(account_hash="x", address="y", at=NOON + timedelta(seconds=second)))
        session.flush()

        later = select(func.count()).where(SignInAttempt.at >= NOON + timedelta(seconds=2))

        assert session.scalar(later) == 2

    def test_a_missing_one_stays_missing(self, session: Session) -> None:
        assert session.scalar(select(cast(None, Instant))) is None


Act = Callable[[Session], Any]


class Edge:
    """A page of the test's own: it adds a tag, does what it is told to, and answers."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.act: Act = lambda _session: "done"
        self.ran: list[str] = []

    def view(self) -> Any:
        session = db.session()
        session.add(tag("edge"))
        db.after_commit(session, lambda: self.ran.append("after"))
        return self.act(session)

    def answer(self, act: Act) -> int:
        self.act = act
        return self.browser.get("/edge").status_code


@pytest.fixture
def edge(app: Application, browser: Callable[[], Browser], monkeypatch: pytest.MonkeyPatch) -> Edge:
    edge = Edge(browser())
    app.add_url_rule("/edge", "edge", edge.view)
    monkeypatch.setattr(access, "PUBLIC", access.PUBLIC | {"edge"})
    with db.transaction(app.engine) as session:
        session.add(tag("taken"))
    return edge


def refuse(_session: Session) -> Any:
    raise Refused("no")


def add_a_name_that_is_taken(session: Session) -> str:
    session.add(tag("taken"))
    return "done"


def fail(_session: Session) -> Any:
    raise ZeroDivisionError


@pytest.mark.engines
@pytest.mark.usefixtures("administrator")
class TestTheOneCommit:
    @pytest.mark.parametrize("status", [200, 201, 204, 303, 399])
    def test_keeps_what_an_answer_below_400_wrote(self, app: Application, edge: Edge, status: int) -> None:
        assert edge.answer(lambda _session: ("done", status)) == status

        assert tag_names(app) == ["edge", "taken"]
        assert edge.ran == ["after"]

    @pytest.mark.parametrize("status", [400, 404, 409, 422, 500, 503])
    def test_drops_what_an_answer_from_400_on_wrote(self, app: Application, edge: Edge, status: int) -> None:
        def flush_and_answer(session: Session) -> tuple[str, int]:
            session.flush()
            return "no", status

        assert edge.answer(flush_and_answer) == status

        assert tag_names(app) == ["taken"]
        assert edge.ran == []

    @pytest.mark.parametrize(("act", "status"), [(refuse, 422), (fail, 500), (add_a_name_that_is_taken, 409)])
    def test_drops_all_when_the_view_or_the_commit_raises(
        self, app: Application, edge: Edge, act: Act, status: int
    ) -> None:
        assert edge.answer(act) == status

        assert tag_names(app) == ["taken"]
        assert edge.ran == []

    def test_that_the_disk_refuses_gives_the_page_for_that(
        self, app: Application, edge: Edge, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(session: Session) -> None:
            session.rollback()
            raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

        monkeypatch.setattr(db, "_commit", full)

        assert edge.answer(lambda _session: "done") == 503
        assert tag_names(app) == ["taken"]

    def test_comes_before_the_acts_that_wait_for_it(self, app: Application, edge: Edge) -> None:
        seen: list[list[str]] = []

        def look_afterwards(session: Session) -> str:
            db.after_commit(session, lambda: seen.append(tag_names(app)))
            return "done"

        edge.answer(look_afterwards)

        assert seen == [["edge", "taken"]]


def test_acts_that_wait_for_a_commit_run_once(app: Application) -> None:
    ran: list[str] = []
    with db.transaction(app.engine) as session:
        db.after_commit(session, lambda: ran.append("first"))
        db.after_commit(session, lambda: ran.append("second"))
        assert ran == []
    db._commit(session)

    assert ran == ["first", "second"]


def test_acts_that_wait_for_a_commit_are_forgotten_at_a_rollback(app: Application) -> None:
    ran: list[str] = []
    with db.transaction(app.engine) as session:
        db.after_commit(session, lambda: ran.append("of what was undone"))
        session.rollback()

    assert ran == []


def test_a_command_that_fails_commits_nothing(app: Application) -> None:
    with pytest.raises(ZeroDivisionError), db.transaction(app.engine) as session:  # noqa: PT012
        session.add(tag("lost"))
        session.flush()
        raise ZeroDivisionError

    assert tag_names(app) == []


def test_a_reader_of_its_own_never_commits(app: Application) -> None:
    with db.reading(app.engine) as session:
        session.add(tag("lost"))
        session.flush()

    assert tag_names(app) == []
