"""`timetracker backup`: made while the site runs, put back while it does not (killed: tests/crash/test_backups.py)."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.db import Application
from app.services import demo
from app.services.backup.create import create, existing
from tests.conftest import NOON
from tests.services.backup.conftest import PLAN
from tests.services.test_installation import timetracker
from tests.test_server import free_port, serving

COUNTED = "people: 3, time entries: 60, files: 3"

Command = Callable[..., Result]


@pytest.fixture
def command(environment: dict[str, str]) -> Command:
    return lambda *arguments: CliRunner().invoke(main, ["backup", *map(str, arguments)], env=environment)


@pytest.fixture
def company(app: Application) -> Application:
    demo.add(app.engine, PLAN, now=NOON)
    return app


@pytest.mark.engines
def test_a_backup_goes_through_all_that_can_be_done_with_it(
    company: Application, command: Command, tmp_path: Path
) -> None:
    made = command("create")
    assert (made.exit_code, made.stderr) == (0, "")
    path = Path(made.stdout.removesuffix("\n"))
    assert existing(company.settings) == [path]

    assert command("verify", path).stdout == f"{path} is whole: {COUNTED}.\n"
    assert command("drill").stdout == f"{path} comes back as it was: {COUNTED}.\n"
    listed = command("list").stdout
    assert re.fullmatch(rf"{re.escape(str(path))}\t[\d,]+ bytes\t\d{{4}}-\S+Z\t{COUNTED}\n", listed)

    refused = command("restore", path)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("timetracker: People: 3, time entries: 60, stored files: 3 are here already.")
    replaced = command("restore", path, "--replace")
    assert replaced.exit_code == 0
    assert re.fullmatch(rf"What was here before is in \S+\nRestored: {COUNTED}\.\n", replaced.stdout)

    empty = {"DATA_DIR": str(tmp_path / "empty")}
    restored = CliRunner().invoke(main, ["backup", "restore", str(path)], env=empty | {"DATABASE_URL": ""})
    assert restored.stdout == f"Restored: {COUNTED}.\n"


def test_a_file_that_is_lost_is_named_and_the_rest_is_backed_up(company: Application, command: Command) -> None:
    lost = min((company.settings.upload_folder / "avatars").iterdir())
    lost.unlink()

    made = command("create")

    assert made.exit_code == 0
    assert made.stderr.startswith(f"Attention: avatars/{lost.name} is lost or cannot be read.\n")
    assert command("verify", made.stdout.strip()).exit_code == 0
    assert command("restore", made.stdout.strip(), "--replace").exit_code == 0


def test_what_is_no_backup_is_refused_with_one_sentence(command: Command, tmp_path: Path) -> None:
    (other := tmp_path / "other").write_bytes(b"x")
    for act in ("verify", "restore"):
        result = command(act, other)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"timetracker: {other} cannot be used as a backup. ")


def test_a_passphrase_encrypts_it(company: Application, command: Command, tmp_path: Path) -> None:
    (words := tmp_path / "passphrase").write_text("correct horse battery\n")

    path = command("create", "--passphrase-file", words).stdout.strip()

    assert command("list").stdout.endswith("\tencrypted\n")
    refused = command("verify", path)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "--passphrase-file" in refused.stderr
    assert command("verify", path, "--passphrase-file", words).stdout == f"{path} is whole: {COUNTED}.\n"
    assert command("drill", "--passphrase-file", words).exit_code == 0
    assert command("restore", path, "--replace", "--passphrase-file", words).exit_code == 0
    assert command("create", "--passphrase-file", tmp_path / "no").exit_code == 1


def test_a_list_tells_of_what_cannot_be_read(company: Application, command: Command) -> None:
    path = create(company.engine, company.settings, now=NOON).path
    path.write_bytes(b"x")

    assert "cannot be used as a backup" in command("list").stdout


def test_a_restore_is_refused_while_a_server_runs_and_done_when_it_has_ended(
    company: Application, tmp_path: Path
) -> None:
    path = create(company.engine, company.settings, now=NOON).path
    data = tmp_path / "served"
    with serving(data, free_port()) as server:
        refused = timetracker(data, "backup", "restore", str(path))
        assert refused.returncode == 1
        assert f"A server runs on {data}" in refused.stderr
        assert server.stop() == 0

    assert timetracker(data, "backup", "restore", str(path)).returncode == 0
