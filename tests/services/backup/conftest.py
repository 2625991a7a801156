"""What tests of backups share: a company with faces, and other installations to restore into."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app import config, db, storage
from app.config import Settings
from app.db import Application
from app.services import demo, installation, schema
from app.services.backup import rows
from app.services.backup.create import create
from app.storage.local import LocalStore
from tests.conftest import NOON

PLAN = demo.Plan(users=3, projects=6, entries=60, years=1)


@pytest.fixture
def company(app: Application) -> Application:
    """An installation with people, faces and time."""
    demo.add(app.engine, PLAN, now=NOON)
    return app


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
    for key in sorted(store.list(storage.AVATARS)):
        with store.open(key) as stream:
            found[key] = stream.read()
    return found


class Lines:
    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, content: bytes) -> int:
        self.content += content
        return len(content)
