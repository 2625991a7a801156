"""Whatever version somebody comes from: all they entered is there after the upgrade, on both engines."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app import config, db
from app.config import Settings
from app.services import doctor, installation, schema
from tests.services import old_databases
from tests.services.old_databases import ROWS, make, read, rows_at


@pytest.fixture
def empty(tmp_path: Path, engine_name: str, request: pytest.FixtureRequest) -> Settings:
    environment = {"DATA_DIR": str(tmp_path / "data")}
    if engine_name == "postgresql":
        environment["DATABASE_URL"] = request.getfixturevalue("postgres").fresh_database(empty=True)
    settings = config.load(environment)
    installation.prepare_data_root(settings)
    return settings


@pytest.fixture
def engine(empty: Settings) -> Iterator[Engine]:
    engine = db.make_engine(empty)
    yield engine
    engine.dispose()


@pytest.mark.engines
@pytest.mark.parametrize("revision", schema.revisions())
def test_all_that_was_entered_survives_an_upgrade(empty: Settings, engine: Engine, revision: str) -> None:
    before = make(engine, revision)
    counts = old_databases.count(engine)

    schema.migrate(engine, empty)

    assert read(engine, before) == before
    assert old_databases.count(engine).items() >= counts.items()
    assert not doctor.has_errors(
        [finding for finding in doctor.examine(empty) if finding.code in {"database", "schema"}]
    )


@pytest.mark.parametrize("revision", schema.revisions())
def test_every_column_of_every_schema_is_filled(engine: Engine, revision: str) -> None:
    rows = make(engine, revision)
    with engine.connect() as connection:
        columns = {(table.name, column.name) for table in old_databases.tables(connection) for column in table.columns}

    filled = {
        (table, name)
        for table, found in rows.items()
        for row in found
        for name, value in row.items()
        if value is not None
    }

    assert columns - filled == set(), (
        "add rows to tests/services/old_databases.py that a migration of this data must keep"
    )


def test_the_rows_are_of_schemas_that_there_are() -> None:
    assert set(ROWS) <= set(schema.revisions())
    assert rows_at(schema.revisions()[0]) == ROWS[schema.revisions()[0]]
