"""`timetracker rollback` tells what it would take away, asks, and never does it under a running server."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app import cli, config, db
from app.config import Settings
from app.services import installation, schema
from tests.services import old_databases
from tests.test_server import free_port, serving

OLD, *_, NEW = schema.revisions()


@pytest.fixture
def upgraded(tmp_path: Path) -> Settings:
    """An installation that was upgraded from the oldest version, and used since."""
    settings = config.load({"DATA_DIR": str(tmp_path)})
    installation.prepare_data_root(settings)
    engine = db.make_engine(settings)
    old_databases.make(engine, OLD)
    schema.migrate(engine, settings)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO clients (name, color, created_at) VALUES ('New', 1, 0)")
        connection.exec_driver_sql("DELETE FROM stored_files")
    engine.dispose()
    return settings


def roll_back(settings: Settings, *options: str, typed: str = "") -> Result:
    return CliRunner().invoke(cli.main, ["rollback", *options], input=typed, env={"DATA_DIR": str(settings.data_dir)})


def revision(settings: Settings) -> str | None:
    engine = db.make_engine(settings)
    with engine.connect() as connection:
        found = schema.current_revision(connection)
    engine.dispose()
    return found


def test_tells_what_was_entered_since_asks_and_says_where_it_is_kept(upgraded: Settings) -> None:
    result = roll_back(upgraded, typed="y\n")

    assert result.exit_code == 0, result.output
    first, second, *rest = result.output.splitlines()
    assert first.startswith(f"The database is at schema {NEW}; the snapshot of 2")
    assert first.endswith(f" UTC is at {OLD}.")
    assert second == "Since then:"
    assert sorted(rest[:2]) == ["  clients: 1 added", "  stored files: 1 removed"]
    assert "`timetracker doctor` names them" in rest[2]
    (kept,) = upgraded.data_dir.glob(f"before_rollback_{NEW}_*.db")
    assert f"is kept as {kept}." in result.output
    assert "install the version that ran before" in rest[-1]
    assert revision(upgraded) == OLD


def test_that_is_not_confirmed_changes_nothing(upgraded: Settings) -> None:
    assert roll_back(upgraded, typed="n\n").exit_code == 1

    assert revision(upgraded) == NEW


def test_is_refused_while_a_server_runs(upgraded: Settings) -> None:
    port = free_port()
    with serving(upgraded.data_dir, port) as server:
        result = roll_back(upgraded, "--yes")
        server.stop()

    assert result.exit_code == 1
    assert result.stderr == f"timetracker: A server runs on {upgraded.data_dir}: stop it first. Nothing was changed.\n"
    assert revision(upgraded) == NEW


def test_without_a_snapshot_says_so(upgraded: Settings) -> None:
    assert roll_back(upgraded, "--yes").exit_code == 0

    assert "no snapshot of a schema before" in roll_back(upgraded, "--yes").stderr
