"""Killed during an upgrade or a rollback: the one schema or the other, whole; a second run completes it."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app import config, db
from app.config import Settings
from app.services import installation, schema
from app.services.snapshots import files
from app.storage import marker
from tests.crash.commands import kill, run
from tests.services import old_databases
from tests.services.old_databases import Rows

OLD, *_, NEW = schema.revisions()

# What a command does on SQLite and how often at most: its writes, syncs, new names, locks.
UPGRADE = {"pwrite64": 120, "fdatasync": 4, "fsync": 8, "rename": 2, "unlink": 6, "fcntl": 60, "openat": 900}
ROLLBACK = {"pwrite64": 100, "fdatasync": 4, "fsync": 3, "rename": 1, "unlink": 4, "fcntl": 40}
ON_A_SERVER = {"sendto": 160, "recvfrom": 160}


@pytest.fixture
def old(tmp_path: Path, environment: dict[str, str], engine_name: str, request: pytest.FixtureRequest) -> Settings:
    if engine_name == "postgresql":
        environment["DATABASE_URL"] = request.getfixturevalue("postgres").fresh_database(empty=True)
    settings = config.load(environment)
    installation.prepare_data_root(settings)
    marker.write(settings.upload_folder, old_databases.rows_at(OLD)["installations"][0]["installation_id"])
    return settings


@pytest.fixture
def engine(old: Settings) -> Iterator[Engine]:
    engine = db.make_engine(old)
    yield engine
    engine.dispose()


@pytest.mark.engines
def test_an_upgrade(old: Settings, engine: Engine, environment: dict[str, str], kills: int, seed: int) -> None:
    chance, rows = random.Random(seed), old_databases.make(engine, OLD)
    engine.dispose()
    for _ in range(max(1, kills // 5)):
        kill(environment, "migrate", UPGRADE if old.sqlite_file else ON_A_SERVER, chance)

        examine(old, engine, rows)

    assert run(environment, "migrate").returncode == 0
    assert revision(engine) == NEW
    examine(old, engine, rows)


@pytest.mark.engines
def test_a_rollback(old: Settings, engine: Engine, environment: dict[str, str], kills: int, seed: int) -> None:
    chance, rows = random.Random(seed), old_databases.make(engine, OLD)
    engine.dispose()
    for _ in range(max(1, kills // 10)):
        schema.migrate(engine, old)
        engine.dispose()
        kill(environment, "rollback --yes", ROLLBACK if old.sqlite_file else ON_A_SERVER, chance)

        examine(old, engine, rows)

    schema.migrate(engine, old)
    engine.dispose()
    assert run(environment, "rollback --yes").returncode == 0
    assert revision(engine) == OLD
    examine(old, engine, rows)


def examine(old: Settings, engine: Engine, rows: Rows) -> None:
    """All rows are there, at the one schema or the other; what is a snapshot by its name is whole."""
    assert revision(engine) in {OLD, NEW}
    assert old_databases.read(engine, rows) == rows
    engine.dispose()
    for file in [*old.data_dir.glob("*.db"), *files.folder(old).glob("*.db")]:
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], file
            assert connection.execute("SELECT count(*) FROM time_entries").fetchone() == (len(rows["time_entries"]),)


def revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return schema.current_revision(connection)
