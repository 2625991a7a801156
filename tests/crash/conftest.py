"""An installation with eight people, whose server is killed again and again."""

import io
import os
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
from sqlalchemy.orm import Session, joinedload

from app import db
from app.config import Settings
from app.models import Attachment, Client, Installation, Role, StoredFile, TimeEntry, User, WaitingRemoval
from app.services import doctor
from app.services.doctor.files import AN_HOUR
from app.storage.local import LocalStore
from tests.conftest import NOON, add_person
from tests.crash import commands
from tests.crash.ledger import COLORS, Found, Person, content_of
from tests.crash.server import Server, Visit, running

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
        said = server.log.read_text()
        assert "Traceback" not in said, said
        assert "locked" not in said, said
        self.examine_file()

    def sign_in(self, port: int) -> None:
        """Once: a sign-in outlives every kill."""
        for person in self.people:
            if not person.cookie:
                person.sign_in(port)

    def wake(self) -> None:
        """A start after the last kill, and a look, before and after what the kills left is swept up."""
        with running(self.environment, self.log) as server:
            self.examine(server.port)
            self.sweep(server.port)
            self.examine(server.port)

    def sweep(self, port: int) -> None:
        """What no row names and is older than an hour goes to quarantine, and nothing else does."""
        with self.people[0].visit(port) as visit:
            assert self.people[0].does(visit, "attach")[0] == 303  # where no file is known nothing is swept
        uploads, quarantine = self.settings.upload_folder, self.settings.data_dir / "quarantine"
        for name in ("old", "young"):
            (uploads / "attachments").mkdir(parents=True, exist_ok=True)
            (uploads / "attachments" / f"att_{name}").write_bytes(b"left by a kill")
        before, named = _files_in(uploads), self._named_files()
        for key in before - {"attachments/att_young"}:
            _make_old(uploads / key)

        done = commands.run(self.environment, "doctor --fix")
        assert (done.returncode, "not mended" in done.stderr) == (0, False), done.stdout + done.stderr

        gone = before - named - {"attachments/att_young"}
        assert _files_in(uploads) == before - gone
        swept = {path.relative_to(quarantine).as_posix().partition("/")[2] for path in quarantine.rglob("*")}
        assert swept >= gone

    def _named_files(self) -> set[str]:
        engine = db.make_engine(self.settings)
        with db.reading(engine) as session:
            named = {row.key for row in session.scalars(select(StoredFile))}
            waiting = set(session.scalars(select(WaitingRemoval.key)))  # for the end of a backup
        engine.dispose()
        return named | waiting

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
                examine_files(session, LocalStore(self.settings.upload_folder))
                for person in self.people:
                    self._examine(session, person, port)
        finally:
            engine.dispose()

    def _examine(self, session: Session, person: Person, port: int) -> None:
        user = session.scalars(select(User).where(User.username == person.name)).one()
        rows = session.scalars(select(TimeEntry).where(TimeEntry.user_id == user.id).order_by(TimeEntry.id)).all()
        face = _of_name(session, user.avatar_filename)
        logo = _of_name(session, Installation.this(session).logo_filename) if person.is_admin else None
        attached = session.scalars(_ATTACHED.where(Attachment.client_id == person.client)).all()
        for each in attached:
            assert each.file.sha256 == sha256(content_of(each.name)).hexdigest(), each.name
        person.compare(
            Found(
                rows=list(rows),
                picture=face.original_name if face else None,
                attachments={each.name: each.deleted_at is not None for each in attached},
                logo=logo.original_name if logo else None,
            )
        )
        with person.visit(port) as visit:
            status, page = visit.get("/profile/edit")
            assert status == 200  # the sign-in was acknowledged, too
            if face is not None:
                assert f'src="/uploads/avatars/{face.name}"' in page.decode()
                assert _color(visit.get(f"/uploads/avatars/{face.name}")) == _color_in(face.original_name)
            if logo is not None:
                assert f'src="/uploads/logos/{logo.name}"' in page.decode()
                assert _color(visit.get(f"/uploads/logos/{logo.name}")) == _color_in(logo.original_name)
            for each in [each for each in attached if each.deleted_at is None][-2:]:
                _examine_served(visit, each)


_ATTACHED = (
    select(Attachment).options(joinedload(Attachment.file), joinedload(Attachment.thumbnail)).order_by(Attachment.id)
)


def examine_files(session: Session, store: LocalStore) -> None:
    """No row names a missing file, and none a cut-off one; files without a row may lie there."""
    kept = {row.key: row for row in session.scalars(select(StoredFile))}
    for key, row in kept.items():
        with store.open(key) as stream:
            data = stream.read()
        assert (row.size, row.sha256) == (len(data), sha256(data).hexdigest()), key
    assert _named_by_others(session) == sorted(kept)


def _named_by_others(session: Session) -> list[str]:
    """The keys of all files that people, attachments and the installation name, each as often as it is named."""
    faces = session.scalars(select(User.avatar_filename).where(User.avatar_filename.is_not(None)))
    attached = session.scalars(_ATTACHED).all()
    files = [file for each in attached for file in (each.file, each.thumbnail) if file is not None]
    logo = Installation.this(session).logo_filename
    logos = [f"logos/{logo}"] if logo else []
    return sorted([*(f"avatars/{face}" for face in faces), *(file.key for file in files), *logos])


def _of_name(session: Session, name: str | None) -> StoredFile | None:
    return session.scalar(select(StoredFile).where(StoredFile.name == name))


def _examine_served(visit: Visit, attachment: Attachment) -> None:
    """Byte for byte, and the small picture of a picture."""
    name = attachment.name
    assert visit.get(f"/attachments/{attachment.id}/{name}") == (200, content_of(name))
    if attachment.thumbnail is not None:
        assert _color(visit.get(f"/thumbnails/{attachment.id}")) == _color_in(name)


def _files_in(uploads: Path) -> set[str]:
    """In folders of a kind; the marker is nobody's file."""
    return {path.relative_to(uploads).as_posix() for path in uploads.glob("*/*")}


def _make_old(path: Path) -> None:
    when = path.stat().st_mtime - 2 * AN_HOUR.total_seconds()
    os.utime(path, (when, when))


def _color_in(name: str) -> str:
    return re.split(r"[-.]", name)[1]


def _color(answer: tuple[int, bytes]) -> str:
    """Decodes the picture whole and tells which one of ours it is."""
    status, data = answer
    assert status == 200
    with Image.open(io.BytesIO(data)) as opened:
        found = opened.convert("RGB").getpixel((opened.width // 2, opened.height // 2))
    assert isinstance(found, tuple)
    return min(COLORS, key=lambda color: sum((a - b) ** 2 for a, b in zip(COLORS[color], found, strict=True)))


@pytest.fixture
def house(settings: Settings, environment: dict[str, str], tmp_path: Path) -> House:
    """Eight people, each with a browser and a client of their own; the first one administers."""
    made = House(settings, environment, tmp_path, [Person(f"writer{number}") for number in range(WRITERS)])
    engine = db.make_engine(settings)
    with Session(engine) as session:
        for number, person in enumerate(made.people):
            person.is_admin = number == 0
            user = add_person(session, person.name, Role.ADMIN if person.is_admin else Role.MEMBER)
            client = Client(name=person.name, created_by_id=user.id, created_at=NOON)
            session.add(client)
            session.commit()
            person.client = client.id
    engine.dispose()
    return made
