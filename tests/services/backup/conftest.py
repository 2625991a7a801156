"""What tests of backups share: a company with faces, and other installations to restore into."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from app import config, db, storage
from app.config import Settings
from app.db import Application
from app.models import Client, User
from app.models.stored_file import FOLDERS
from app.services import attachments, demo, installation, logos, schema
from app.services.attachments import Sent
from app.services.backup import rows
from app.services.backup.create import create
from app.services.quotas import Quotas
from app.storage.local import LocalStore
from tests.conftest import NOON
from tests.visitor import picture

PLAN = demo.Plan(users=3, projects=6, entries=60, years=1)
FILES = 7  # three faces, two attachments, a thumbnail and a logo


@pytest.fixture
def company(app: Application) -> Application:
    """An installation with people, faces, time, a file on a client, and a logo."""
    add_company(app.engine, PLAN)
    return app


def add_company(engine: Engine, plan: demo.Plan) -> None:
    """Into the store in use."""
    demo.add(engine, plan, now=NOON)
    with db.transaction(engine) as session:
        person, client = session.scalars(select(User)).first(), session.scalars(select(Client)).first()
        assert person is not None
        assert client is not None
        sent = [Sent(BytesIO(picture()), "plan.png"), Sent(BytesIO(b"%PDF-"), "receipt.pdf")]
        attachments.add(session, person, client, sent, quotas=Quotas(), now=NOON)
        logos.replace(session, person, BytesIO(picture()), "logo.png", NOON)


class Place:
    """An installation with a fresh, migrated database."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.engine = settings, db.make_engine(settings)
        self.store = LocalStore(settings.upload_folder)
        installation.prepare_data_root(settings)
        schema.migrate(self.engine, settings)

    def use(self) -> "Place":
        storage.use(self.store)
        return self


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Place]]:
    """Makes further installations, in SQLite or in PostgreSQL."""
    made: list[Place] = []

    def make(engine_name: str = "sqlite") -> Place:
        environment = {"DATA_DIR": str(tmp_path / f"place{len(made)}"), "TZ": "Europe/Berlin"}
        if engine_name == "postgresql":
            environment["DATABASE_URL"] = request.getfixturevalue("postgres").fresh_database()
        made.append(Place(config.load(environment)))
        return made[-1]

    yield make
    for each in made:
        each.engine.dispose()


@pytest.fixture
def backup(company: Application) -> Path:
    """A backup of the company."""
    return create(company.engine, company.settings, now=NOON).path


def told(engine: Engine) -> dict[str, bytes]:
    """Each table as a backup tells it."""
    found = {}
    with db.snapshot(engine) as connection:
        for table in rows.tables():
            lines = Lines()
            rows.write(connection, table, lines)
            found[table.name] = bytes(lines.content)
    return found


def files(store: LocalStore) -> dict[str, bytes]:
    found = {}
    for key in sorted(key for folder in FOLDERS.values() for key in store.list(folder)):
        with store.open(key) as stream:
            found[key] = stream.read()
    return found


class Lines:
    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, content: bytes) -> int:
        self.content += content
        return len(content)
