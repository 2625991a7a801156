"""A move of all stored files, killed at any moment while people upload: no row names a missing file (law 2)."""

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import create_app
from app.db import Application
from app.errors import Unavailable
from app.models import StoredFile, User
from app.services import installation
from app.storage import Store, places
from tests.conftest import add_person
from tests.s3 import KEYS, S3Server
from tests.services.test_avatars import drawn, upload

LIFE_SECONDS = (0.5, 1.8)  # most of it is the command's own start


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | KEYS


def test_killed_again_and_again_loses_nothing_and_comes_to_its_end(
    app: Application, session: Session, environment: dict[str, str], s3: S3Server, kills: int, seed: int
) -> None:
    chance, place = random.Random(seed), s3.environment()["STORAGE_URL"]
    people = [add_person(session, f"person{number}") for number in range(10)]
    for person in people:
        upload(app, person)
    old, new = places.chosen(app.settings), places.named(app.settings, place)

    for _ in range(kills // 2):
        installation.adopt_uploads(session, old)  # one that came to its end is taken back
        with people_uploading(app, people, chance):
            move = begun(environment, place)
            try:
                move.wait(chance.uniform(*LIFE_SECONDS))
            except subprocess.TimeoutExpired:
                move.send_signal(signal.SIGKILL)
            move.communicate()
        assert_whole(session, old)

    move = begun(environment, place)
    assert "Uploads wait now" in move.communicate()[0]
    assert_whole(session, new)
    there = create_app(app.settings.storing_at(place))
    upload(there, people[0])
    there.engine.dispose()
    assert_whole(session, new)


def begun(environment: dict[str, str], place: str) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("timetracker")), "uploads", "move", "--to", place]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@contextmanager
def people_uploading(app: Application, people: list[User], chance: random.Random) -> Iterator[None]:
    """One after the other, until the end; what the end of a move refuses is fine."""
    enough, failed = Event(), []

    def work() -> None:
        while not enough.is_set():
            try:
                upload(app, chance.choice(people), drawn(color=chance.choice(["red", "teal", "navy"])))
            except Unavailable:
                enough.wait(0.05)
            except BaseException as error:  # noqa: BLE001 - told below, in the test's own thread
                failed.append(error)
                return

    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()
    assert not failed


def assert_whole(session: Session, store: Store) -> None:
    """Every row's bytes lie in the store."""
    session.expire_all()
    for row in session.scalars(select(StoredFile)):
        with store.open(row.key) as stream:
            assert sha256(stream.read()).hexdigest() == row.sha256
