"""100,000 entries and 2,000 files, backed up while people write, from SQLite to PostgreSQL and back again."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, config, db
from app.models import Attachment, Client, User
from app.models.subject import Subject
from app.services import attachments, logos, time_entries, timer
from app.services.attachments import AT_ONCE, Sent
from app.services.backup.create import create
from app.services.backup.restore import restore
from app.services.quotas import Quotas
from app.services.time_entries import Span
from bench.seed import seed
from tests.crash.conftest import examine_files
from tests.crash.server import drawn
from tests.postgres import PostgresServer
from tests.services.backup.conftest import Place, files, told
from tests.services.backup.hostile import members_of

ENTRIES, FILES = 100_000, 2_000
A_SECOND = 20
LEAST_A_SECOND = 5  # on a machine that has much else to do
PICTURE = drawn("teal")


@pytest.fixture(autouse=True)
def _only_when_asked(kills: int) -> None:
    if kills < 100:
        pytest.skip("takes a minute or more: make test-crash")


def test_comes_back_row_by_row_and_byte_by_byte(tmp_path: Path, postgres: PostgresServer) -> None:
    first, second, third = (
        made(tmp_path),
        place(tmp_path / "second", postgres.fresh_database()),
        place(tmp_path / "third"),
    )
    for source, target in ((first, second), (second, third)):
        archive = backed_up_while_writing(source)
        restore(target.use().engine, target.settings, archive, now=clock.now())

        assert_is_told_by(archive, target)
    again = create(third.engine, third.settings, now=clock.now()).path
    assert_is_told_by(again, third)
    for each in (first, second, third):
        each.engine.dispose()


def place(data: Path, database: str = "") -> Place:
    return Place(config.load({"DATA_DIR": str(data), "TZ": "Europe/Berlin", "DATABASE_URL": database}))


def made(folder: Path) -> Place:
    """Someone's 100,000 entries, with files on a client."""
    found = place(folder / "first").use()
    seed(found.settings, ENTRIES)
    for first in range(0, FILES, AT_ONCE):
        with db.transaction(found.engine) as session:
            attach(session, *(f"{number}.txt" for number in range(first, first + AT_ONCE)))
    return found


def backed_up_while_writing(source: Place) -> Path:
    with people_writing(source.use()) as acts:
        began = time.monotonic()
        made = create(source.engine, source.settings, now=clock.now())
        seconds = time.monotonic() - began
    print(f"{made.size:,} bytes in {seconds:.1f} s, {len(acts) / seconds:.0f} writes a second")  # noqa: T201
    assert len(acts) / seconds > LEAST_A_SECOND
    assert not made.damaged
    return made.path


def assert_is_told_by(archive: Path, found: Place) -> None:
    """All that the archive holds is there, and nothing else; no row refers to what is not."""
    members = members_of(archive)
    rows = {f"rows/{table}.jsonl": lines for table, lines in told(found.engine).items()}
    assert {name for name in members if name.startswith("rows/")} == rows.keys()
    assert [name for name, lines in rows.items() if members[name] != lines] == []
    stored = {f"files/{key}": data for key, data in files(found.store).items()}
    assert {name for name in members if name.startswith("files/")} == stored.keys()
    assert [name for name, data in stored.items() if members[name] != data] == []
    with db.reading(found.engine) as session:
        examine_files(session, found.store)


@contextmanager
def people_writing(there: Place) -> Iterator[list[int]]:
    """About 20 acts a second until the end of the block; the list grows with each."""
    enough, done, failed = Event(), list[int](), list[BaseException]()

    def work() -> None:
        began = time.monotonic()
        try:
            for number in count():
                with db.transaction(there.engine) as session:
                    ACTS[number % len(ACTS)](session, number)
                done.append(number)
                if enough.wait(max(0, began + len(done) / A_SECOND - time.monotonic())):
                    return
        except BaseException as error:  # noqa: BLE001 - told below, in the test's own thread
            failed.append(error)

    thread = Thread(target=work)
    thread.start()
    try:
        yield done
    finally:
        enough.set()
        thread.join()
    assert failed == []


# Acts


def attach(session: Session, *names: str) -> None:
    client = session.scalars(select(Client).order_by(Client.id)).first()
    assert client is not None
    sent = [Sent(BytesIO(name.encode() * 50), name) for name in names]
    attachments.add(session, anna(session), client, sent, quotas=Quotas(), now=clock.now())


def enter(session: Session, number: int) -> None:
    now, user = clock.now(), anna(session)
    span = Span(now - timedelta(hours=1), now, user.zone)
    time_entries.add(session, user, Subject(f"meanwhile {number}"), span, now=now)


def start(session: Session, number: int) -> None:
    timer.start(session, anna(session), Subject(f"runs {number}"))


def delete(session: Session, _number: int) -> None:
    attachment = session.scalars(select(Attachment).where(Attachment.deleted_at.is_(None)).limit(1)).one()
    attachments.delete(session, anna(session), attachment, now=clock.now())


def remove(session: Session, _number: int) -> None:
    """For good: its bytes wait for the end of the backup."""
    attachments.remove(session, session.scalars(select(Attachment.id).order_by(Attachment.id.desc()).limit(3)).all())


def change_logo(session: Session, number: int) -> None:
    logos.replace(session, anna(session), BytesIO(PICTURE), f"{number}.png", clock.now())


def anna(session: Session) -> User:
    return session.scalars(select(User)).one()


ACTS: list[Callable[[Session, int], None]] = [
    enter,
    start,
    lambda session, number: attach(session, f"meanwhile {number}.txt"),
    delete,
    remove,
    change_logo,
]
