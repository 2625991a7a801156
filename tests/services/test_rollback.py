"""An upgrade can be taken back: the snapshot from before it returns, and what was entered since is kept, too."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, create_engine, insert, text

from app import clock, config, db
from app.config import Settings
from app.errors import CannotStart, Conflict
from app.services import installation, rollback, schema, snapshots
from app.services.rollback import Difference
from app.services.snapshots import Snapshot, files
from tests.services import old_databases
from tests.services.old_databases import NINE, Rows, make, read

OLD, *_, NEW = schema.revisions()
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def old(tmp_path: Path, engine_name: str, request: pytest.FixtureRequest) -> Settings:
    environment = {"DATA_DIR": str(tmp_path / "data")}
    if engine_name == "postgresql":
        environment["DATABASE_URL"] = request.getfixturevalue("postgres").fresh_database(empty=True)
    settings = config.load(environment)
    installation.prepare_data_root(settings)
    return settings


@pytest.fixture
def engine(old: Settings) -> Iterator[Engine]:
    engine = db.make_engine(old)
    yield engine
    engine.dispose()


@pytest.fixture
def before(engine: Engine) -> Rows:
    """What the oldest version left."""
    rows = make(engine, OLD)
    engine.dispose()
    return rows


def taken(settings: Settings) -> list[Snapshot]:
    engine = db.make_engine(settings)
    try:
        with engine.connect() as connection:
            return snapshots.all_of(connection, settings)
    finally:
        engine.dispose()


def revision(settings: Settings) -> str | None:
    engine = db.make_engine(settings)
    try:
        with engine.connect() as connection:
            return schema.current_revision(connection)
    finally:
        engine.dispose()


def enter(engine: Engine, table: str, **values: Any) -> None:
    with engine.begin() as connection:
        (found,) = [known for known in old_databases.tables(connection) if known.name == table]
        connection.execute(insert(found).values(old_databases.to_database(found, values)))
    engine.dispose()


def run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def roll_back(settings: Settings, now: datetime = NOW) -> str:
    return rollback.roll_back(settings, rollback.plan(settings), now)


@pytest.mark.engines
class TestASnapshot:
    def test_is_taken_before_an_existing_database_is_migrated(
        self, old: Settings, engine: Engine, before: Rows
    ) -> None:
        schema.migrate(engine, old)

        (found,) = taken(old)
        assert found.revision == OLD
        assert abs(found.taken_at - clock.now()) < timedelta(minutes=1)

    def test_is_not_taken_of_an_empty_database_nor_when_nothing_is_to_do(self, old: Settings, engine: Engine) -> None:
        schema.migrate(engine, old)
        schema.migrate(engine, old)

        assert taken(old) == []

    def test_of_a_start_that_fails_again_and_again_pushes_out_none_of_another_schema(
        self, old: Settings, engine: Engine, before: Rows
    ) -> None:
        with engine.begin() as connection:
            for day, known in enumerate(("20261122_1300", "20261122_1710")):
                snapshots.take(connection, old, known, NINE + timedelta(days=day))
            for second in range(10):
                snapshots.take(connection, old, "20261122_1711", NOW + timedelta(seconds=second))

        assert [found.revision for found in taken(old)] == ["20261122_1711", "20261122_1710", "20261122_1300"]
        assert taken(old)[0].taken_at == NOW + timedelta(seconds=9)

    def test_is_kept_of_the_newest_few_schemas(self, old: Settings, engine: Engine, before: Rows) -> None:
        with engine.begin() as connection:
            for day, known in enumerate(schema.revisions()):
                snapshots.take(connection, old, known, NINE + timedelta(days=day))

        assert [found.revision for found in taken(old)] == list(schema.revisions()[: -snapshots.KEEP - 1 : -1])

    def test_of_a_migration_that_fails_leaves_the_old_schema(
        self, old: Settings, engine: Engine, before: Rows, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upgrade = command.upgrade

        def break_half_way(alembic: Any, to: str) -> None:
            upgrade(alembic, "20261122_1711")
            raise RuntimeError("half-way")

        monkeypatch.setattr(command, "upgrade", break_half_way)
        with pytest.raises(RuntimeError, match="half-way"):
            schema.migrate(engine, old)

        assert revision(old) == OLD
        assert read(engine, before) == before


class TestAFileOfASnapshot:
    def test_is_whole_alone_and_for_its_owner_only(self, old: Settings, engine: Engine, before: Rows) -> None:
        schema.migrate(engine, old)

        (file,) = files.folder(old).iterdir()
        assert file.name == f"{taken(old)[0].name}.db"
        assert file.stat().st_mode & 0o777 == 0o600
        found = create_engine(f"sqlite:///{file}")
        assert read(found, before) == before
        found.dispose()

    def test_is_not_made_where_the_disk_has_no_room_and_nothing_is_migrated(
        self, old: Settings, engine: Engine, before: Rows, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = type(shutil.disk_usage("/"))
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**9, 10**9, 1000))

        with pytest.raises(CannotStart, match=r"no snapshot .* 0 MiB free, and 2 MiB are needed.*Nothing was changed"):
            schema.migrate(engine, old)

        assert revision(old) == OLD
        assert list(files.folder(old).iterdir()) == []

    def test_is_not_made_of_a_damaged_database_and_nothing_is_migrated(
        self, old: Settings, engine: Engine, before: Rows
    ) -> None:
        assert old.sqlite_file is not None
        with closing(sqlite3.connect(old.sqlite_file)) as connection:
            page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'time_entries'").fetchone()[0]
            size = connection.execute("PRAGMA page_size").fetchone()[0]
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with old.sqlite_file.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)

        with pytest.raises(CannotStart, match="malformed"):
            schema.migrate(engine, old)

        assert revision(old) == OLD

    def test_that_was_cut_off_by_a_kill_is_cleared_away_by_the_next(
        self, old: Settings, engine: Engine, before: Rows
    ) -> None:
        files.folder(old).mkdir()
        (files.folder(old) / ".incoming-0123").write_bytes(b"half")

        schema.migrate(engine, old)

        assert [file.suffix for file in files.folder(old).iterdir()] == [".db"]


def test_a_user_of_the_server_who_may_not_make_a_snapshot_is_told_the_command(
    old: Settings, engine: Engine, before: Rows, request: pytest.FixtureRequest
) -> None:
    postgres = request.getfixturevalue("postgres")
    poor = postgres.fresh_database(empty=True, user="poor")
    settings = config.load({"DATA_DIR": str(old.data_dir), "DATABASE_URL": poor})
    theirs = db.make_engine(settings)
    make(theirs, OLD)
    try:
        with pytest.raises(CannotStart, match=r'`GRANT CREATE ON DATABASE "test_\w+" TO "poor"`'):
            schema.migrate(theirs, settings)
        assert revision(settings) == OLD
    finally:
        theirs.dispose()


@pytest.mark.engines
class TestARollback:
    @pytest.fixture(autouse=True)
    def _upgrade(self, old: Settings, engine: Engine, before: Rows) -> None:
        schema.migrate(engine, old)

    def test_brings_back_what_was_there_before_the_upgrade(self, old: Settings, engine: Engine, before: Rows) -> None:
        run(engine, "DELETE FROM time_entries WHERE id = 9")

        roll_back(old)

        assert revision(old) == OLD
        assert read(engine, before) == before
        assert old_databases.count(engine) == {table: len(rows) for table, rows in before.items()}

    def test_says_what_was_entered_since(self, old: Settings, engine: Engine) -> None:
        enter(engine, "clients", id=3, name="New", color=1, created_at=NOW)
        run(engine, "UPDATE time_entries SET description = 'changed', version = version + 1 WHERE id IN (1, 2)")
        run(engine, "UPDATE users SET changes = changes + 1")
        run(engine, "DELETE FROM time_entry_tags")
        run(engine, "DELETE FROM user_sessions")

        plan = rollback.plan(old)

        assert (plan.revision, plan.snapshot.revision) == (NEW, OLD)
        assert sorted(plan.differences, key=lambda found: found.table) == [
            Difference("clients", 1, 0, 0),
            Difference("time_entries", 0, 2, 0),
            Difference("time_entry_tags", 0, 0, 1),
        ]

    def test_of_an_upgrade_since_which_nothing_was_entered_says_so(self, old: Settings) -> None:
        assert rollback.plan(old).differences == []

    def test_keeps_the_database_as_it_was(self, old: Settings, engine: Engine) -> None:
        enter(engine, "clients", id=3, name="New", color=1, created_at=NOW)

        kept = roll_back(old)

        assert kept.endswith(f"before_rollback_{NEW}_20261201t120000z" + (".db" if old.sqlite_file else ""))
        names = names_kept(engine, kept)
        assert "New" in names

    def test_leaves_a_database_that_can_be_migrated_again_and_then_rolled_back_again(
        self, old: Settings, engine: Engine, before: Rows
    ) -> None:
        roll_back(old)
        engine.dispose()
        assert schema.migrate(engine, old) is True
        assert read(engine, before) == before
        engine.dispose()

        roll_back(old, NOW + timedelta(hours=1))

        assert read(engine, before) == before

    def test_goes_back_no_second_time_to_the_same_schema(self, old: Settings) -> None:
        roll_back(old)

        with pytest.raises(Conflict, match=f"no snapshot of a schema before {OLD}"):
            rollback.plan(old)

    def test_gives_no_number_of_a_row_twice(self, old: Settings, engine: Engine) -> None:
        if old.sqlite_file is not None:
            return  # there the number after the largest one is given, before and after
        run(engine, "SELECT setval('clients_id_seq', 50)")  # the last of them was removed again

        roll_back(old)

        with engine.begin() as connection:
            client = "INSERT INTO clients (name, color, created_at) VALUES ('x', 1, now()) RETURNING id"
            assert connection.scalar(text(client)) == 51

    def test_is_refused_while_somebody_uses_the_database_and_changes_nothing(
        self, old: Settings, engine: Engine
    ) -> None:
        plan = rollback.plan(old)
        with engine.connect() as connection:
            connection.execute(text("SELECT 1 FROM users"))

            with pytest.raises(Conflict, match="Nothing was changed"):
                rollback.roll_back(old, plan, NOW)

        assert revision(old) == NEW

    def test_to_a_snapshot_of_another_installation_is_refused(self, old: Settings, engine: Engine) -> None:
        run(engine, "UPDATE installations SET installation_id = 'another'")

        with pytest.raises(Conflict, match="another installation"):
            rollback.plan(old)


def names_kept(engine: Engine, kept: str) -> list[str]:
    if kept.endswith(".db"):
        with closing(sqlite3.connect(kept)) as connection:
            return [name for (name,) in connection.execute("SELECT name FROM clients")]
    with engine.connect() as connection:
        return list(connection.scalars(text(f"SELECT name FROM {kept}.clients")))


def test_a_damaged_snapshot_is_refused_and_nothing_is_changed(old: Settings, engine: Engine, before: Rows) -> None:
    schema.migrate(engine, old)
    plan = rollback.plan(old)
    file = files.path(old, plan.snapshot.name)
    file.write_bytes(file.read_bytes()[:-8192] + b"\xff" * 8192)

    with pytest.raises(Conflict, match="Nothing was changed"):
        rollback.roll_back(old, plan, NOW)

    assert revision(old) == NEW


def test_a_database_that_was_never_made_cannot_be_rolled_back(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="no database"):
        rollback.plan(config.load({"DATA_DIR": str(tmp_path)}))

    assert list(tmp_path.iterdir()) == []
