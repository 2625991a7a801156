"""An installation with eight people, whose server is killed again and again."""

import io
import random
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import db
from app.config import Settings
from app.models import Role, StoredFile, TimeEntry, User
from app.services import doctor
from tests.conftest import add_person
from tests.crash.ledger import COLORS, Person
from tests.crash.server import Server, running

WRITERS = 8
End = Callable[[Server], None]  # what ends a life; whatever lives after it is killed


@pytest.fixture(autouse=True)
def _on_linux() -> None:
    if sys.platform != "linux":
        pytest.skip("processes are watched through what Linux says of them")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """What chance is made of; a failing test shows it, and `--crash-seed` brings it back."""
    chosen = request.config.getoption("--crash-seed")
    found = random.SystemRandom().randrange(1_000_000) if chosen is None else int(chosen)
    sys.stdout.write(f"repeat with --crash-seed={found}\n")  # shown when the test fails
    return found


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--kills"))


@dataclass
class House:
    """An installation, its people, and the server that is killed."""

    settings: Settings
    environment: dict[str, str]
    folder: Path
    people: list[Person]

    @property
    def log(self) -> Path:
        return self.folder / "serve.log"

    def live(self, chance: random.Random, end: End) -> None:
        """One life of a server: it is held against the ledgers, then all write until `end`, which ends in a kill."""
        with running(self.environment, self.log) as server:
            self.sign_in(server.port)
            self.examine(server.port)
            with ThreadPoolExecutor(WRITERS) as pool:
                working = [pool.submit(p.work, server, random.Random(chance.random())) for p in self.people]
                try:
                    end(server)
                finally:
                    server.kill()
            for done in working:
                done.result()
        assert "Traceback" not in server.log.read_text(), server.log.read_text()
        self.examine_file()

    def sign_in(self, port: int) -> None:
        """Once: a sign-in outlives every kill."""
        for person in self.people:
            if not person.cookie:
                person.sign_in(port)

    def wake(self) -> None:
        """A start after the last kill, and a look."""
        with running(self.environment, self.log) as server:
            self.examine(server.port)

    def examine_file(self) -> None:
        """The database's own check of what lies there, on a copy: the next start finds all as the kill left it."""
        file = self.settings.sqlite_file
        if file is None:
            return
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for path in (file, file.with_name(file.name + "-wal")):
            if path.exists():
                shutil.copy(path, copy)
        with closing(sqlite3.connect(copy / file.name)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []

    def examine(self, port: int) -> None:
        """Holds what a running server has against what was acknowledged."""
        findings = doctor.examine(self.settings)
        assert not doctor.has_errors(findings), findings
        engine = db.make_engine(self.settings)
        try:
            with Session(engine) as session:
                self._examine_files(session)
                for person in self.people:
                    self._examine(session, person, port)
        finally:
            engine.dispose()

    def _examine_files(self, session: Session) -> None:
        """No row names a missing file, and none a cut-off one; files without a row may lie there."""
        kept = {row.name: row for row in session.scalars(select(StoredFile))}
        for name, row in kept.items():
            data = (self.settings.upload_folder / "avatars" / name).read_bytes()
            assert (row.size, row.sha256) == (len(data), sha256(data).hexdigest()), name
        named = session.scalars(select(User.avatar_filename).where(User.avatar_filename.is_not(None))).all()
        assert set(named) == set(kept)

    def _examine(self, session: Session, person: Person, port: int) -> None:
        user = session.scalars(select(User).where(User.username == person.name)).one()
        rows = list(session.scalars(select(TimeEntry).where(TimeEntry.user_id == user.id).order_by(TimeEntry.id)))
        file = session.scalar(select(StoredFile).where(StoredFile.name == user.avatar_filename))
        person.compare(rows, file.original_name if file else None)
        with person.visit(port) as visit:
            status, page = visit.get("/profile/edit")
            assert status == 200  # the sign-in was acknowledged, too
            if file is not None:
                assert f'src="/uploads/avatars/{file.name}"' in page.decode()
                assert _color(visit.get(f"/uploads/avatars/{file.name}")) == re.split(r"[-.]", file.original_name)[1]


def _color(answer: tuple[int, bytes]) -> str:
    """Decodes the picture whole and tells which one of ours it is."""
    status, data = answer
    assert status == 200
    with Image.open(io.BytesIO(data)) as opened:
        found = opened.convert("RGB").getpixel((128, 128))
    assert isinstance(found, tuple)
    return min(COLORS, key=lambda color: sum((a - b) ** 2 for a, b in zip(COLORS[color], found, strict=True)))


@pytest.fixture
def house(settings: Settings, environment: dict[str, str], tmp_path: Path) -> House:
    """Eight people, each with a browser of their own."""
    made = House(settings, environment, tmp_path, [Person(f"writer{number}") for number in range(WRITERS)])
    engine = db.make_engine(settings)
    with Session(engine) as session:
        for person in made.people:
            add_person(session, person.name, Role.MEMBER if person.name[-1] != "0" else Role.ADMIN)
    engine.dispose()
    return made
