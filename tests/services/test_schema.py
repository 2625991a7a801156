"""The schema: linear, dated, the same as the models on both engines, brought up to date whole or not at all."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.orm import Session

from app import config, db
from app.config import Settings
from app.db import Base
from app.errors import CannotStart
from app.models import Installation
from app.services import installation, schema


@pytest.fixture
def empty(tmp_path: Path, engine_name: str, request: pytest.FixtureRequest) -> Settings:
    """Settings of an installation whose database was never migrated, beside that of `settings`."""
    environment = {"DATA_DIR": str(tmp_path / "empty"), "TZ": "Europe/Berlin"}
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


@pytest.fixture
def migrated(settings: Settings) -> Iterator[Engine]:
    engine = db.make_engine(settings)
    yield engine
    engine.dispose()


def state(engine: Engine) -> schema.State:
    with engine.connect() as connection:
        return schema.state(connection)


def tables(engine: Engine) -> list[str]:
    return sorted(inspect(engine).get_table_names())


class TestTheMigrations:
    scripts = ScriptDirectory(str(schema.MIGRATIONS))

    def test_end_in_the_one_head_that_is_found_without_alembic(self) -> None:
        assert self.scripts.get_heads() == [schema.head()]

    def test_are_one_line_in_the_order_of_their_dates(self) -> None:
        line = [script.revision for script in self.scripts.walk_revisions()][::-1]

        assert tuple(line) == schema.revisions()
        assert all(not script.is_merge_point for script in self.scripts.walk_revisions())

    def test_are_named_by_date_and_purpose(self) -> None:
        wrong = [
            script.path
            for script in self.scripts.walk_revisions()
            if not Path(script.path).name.startswith(f"{script.revision}_")
        ]

        assert not wrong, "name a migration YYYYMMDD_HHMM_its_purpose.py, and give it that stamp as its revision"


@pytest.mark.engines
class TestModelsAndMigrations:
    def test_agree(self, migrated: Engine) -> None:
        with migrated.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            differences = compare_metadata(context, Base.metadata)

        assert differences == [], "write a migration for what the models say now"

    def test_agree_in_checks_and_names(self, migrated: Engine, engine: Engine) -> None:
        Base.metadata.create_all(engine)

        assert {name: rules(migrated, name) for name in Base.metadata.tables} == {
            name: rules(engine, name) for name in Base.metadata.tables
        }


def rules(engine: Engine, table: str) -> dict[str, Any]:
    """What the database itself demands of a table, as it tells it."""
    found = inspect(engine)
    return {
        "checks": sorted((str(check["name"]), check["sqltext"]) for check in found.get_check_constraints(table)),
        "unique": sorted(
            (str(rule["name"]), tuple(rule["column_names"])) for rule in found.get_unique_constraints(table)
        ),
        "foreign": sorted((str(key["name"]), str(key["options"])) for key in found.get_foreign_keys(table)),
        "indexes": sorted(
            (
                str(index["name"]),
                bool(index["unique"]),
                sorted((key, str(value)) for key, value in index.get("dialect_options", {}).items()),
            )
            for index in found.get_indexes(table)
        ),
        "columns": [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(table)],
        "primary": found.get_pk_constraint(table)["name"],
    }


@pytest.mark.engines
class TestMigrate:
    def test_makes_an_empty_database_current_with_one_installation(self, empty: Settings, engine: Engine) -> None:
        assert state(engine) is schema.State.EMPTY

        assert schema.migrate(engine, empty) is True

        assert state(engine) is schema.State.CURRENT
        with Session(engine) as session:
            assert Installation.this(session).time_zone == "Europe/Berlin"

    def test_has_nothing_to_do_the_second_time(self, empty: Settings, engine: Engine) -> None:
        schema.migrate(engine, empty)
        with Session(engine) as session:
            before = Installation.this(session).installation_id

        assert schema.migrate(engine, empty) is False

        with Session(engine) as session:
            assert Installation.this(session).installation_id == before

    def test_that_fails_leaves_the_old_schema(
        self, empty: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upgrade = command.upgrade

        def break_half_way(alembic: Any, revision: str) -> None:
            upgrade(alembic, revision)
            alembic.attributes["connection"].execute(text("CREATE TABLE half (id INTEGER)"))
            raise RuntimeError("half-way")

        monkeypatch.setattr(command, "upgrade", break_half_way)
        with pytest.raises(RuntimeError, match="half-way"):
            schema.migrate(engine, empty)

        assert tables(engine) == []
        assert state(engine) is schema.State.EMPTY
        monkeypatch.undo()
        assert schema.migrate(engine, empty) is True

    def test_of_the_timetracker_of_old_is_refused_and_changes_nothing(
        self, settings: Settings, migrated: Engine
    ) -> None:
        _stamp(migrated, "021_add_extra_goods_table")
        before = tables(migrated)

        with pytest.raises(CannotStart, match=r"another program.*Nothing was changed"):
            schema.migrate(migrated, settings)

        assert state(migrated) is schema.State.FOREIGN
        assert tables(migrated) == before

    def test_of_a_newer_schema_is_refused_and_changes_nothing(self, settings: Settings, migrated: Engine) -> None:
        _stamp(migrated, "29990101_0000")
        before = tables(migrated)

        with pytest.raises(CannotStart, match=r"newer version.*Nothing was changed"):
            schema.migrate(migrated, settings)
        with pytest.raises(CannotStart, match="newer version"):
            schema.refuse_unless_current(migrated)

        assert state(migrated) is schema.State.NEWER
        assert tables(migrated) == before

    def test_by_many_at_once_is_done_by_one(self, empty: Settings, engine: Engine) -> None:
        start = threading.Barrier(6)

        def migrate(_: int) -> bool:
            start.wait()
            own = db.make_engine(empty)
            try:
                return schema.migrate(own, empty)
            finally:
                own.dispose()

        with ThreadPoolExecutor(6) as pool:
            did = list(pool.map(migrate, range(6)))

        assert sorted(did) == [False] * 5 + [True]
        assert state(engine) is schema.State.CURRENT

    def test_says_that_it_waits_and_then_finds_the_work_done(
        self, empty: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told, upgrade = threading.Event(), schema._upgrade
        other = db.make_engine(empty)

        def while_the_other_waits(connection: Connection, settings: Settings) -> None:
            waiter = pool.submit(schema.migrate, other, empty, waiting=told.set)
            assert told.wait(20)
            upgrade(connection, settings)
            results.append(waiter)

        results: list[Any] = []
        monkeypatch.setattr(schema, "_upgrade", while_the_other_waits)
        with ThreadPoolExecutor(1) as pool:
            assert schema.migrate(engine, empty) is True
            assert results[0].result(30) is False
        other.dispose()

    def test_leaves_no_connection_behind_with_its_switches(self, empty: Settings, engine: Engine) -> None:
        schema.migrate(engine, empty)

        if engine.dialect.name == "sqlite":
            with engine.connect() as connection:
                assert connection.scalar(text("PRAGMA foreign_keys")) == 1
                assert connection.scalar(text("PRAGMA busy_timeout")) == db.BUSY_TIMEOUT_MS


def _stamp(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})


def test_references_that_a_migration_broke_are_noticed(settings: Settings, migrated: Engine) -> None:
    with migrated.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("INSERT INTO user_devices (user_id, device_hash, created_at) VALUES (9, 'x', 0)")

        with pytest.raises(RuntimeError, match="reference"):
            schema._refuse_broken_references(connection)
        connection.rollback()


def test_an_outdated_schema_is_refused_with_the_command_that_mends_it(
    migrated: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = schema.head()
    monkeypatch.setattr(schema, "revisions", lambda: (known, "29990101_0000"))

    assert state(migrated) is schema.State.OUTDATED
    with pytest.raises(CannotStart, match="`timetracker migrate`"):
        schema.refuse_unless_current(migrated)


@pytest.mark.engines
def test_two_processes_that_migrate_at_once_are_both_content(empty: Settings, engine: Engine) -> None:
    environment = {"DATA_DIR": str(empty.data_dir)}
    if engine.dialect.name == "postgresql":
        environment["DATABASE_URL"] = empty.database_url
    runs = [
        subprocess.Popen(
            [str(Path(sys.executable).with_name("timetracker")), "migrate"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]

    said = [run.communicate(timeout=60) for run in runs]

    assert [run.returncode for run in runs] == [0, 0], said
    assert all("The database is up to date." in out for out, _ in said)
    assert {error for _, error in said} <= {"", "Another process migrates; waiting.\n"}
    assert state(engine) is schema.State.CURRENT
