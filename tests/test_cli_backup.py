"""`timetracker backup`: made while the site runs, put back while it does not, killed at any moment."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from app import config, db
from app.cli import main
from app.db import Application
from app.models import StoredFile, TimeEntry
from app.services import demo
from app.services.backup.create import create, existing
from app.storage.local import LocalStore
from tests.conftest import NOON
from tests.services.backup.conftest import PLAN
from tests.services.test_installation import timetracker
from tests.test_server import COMMAND, free_port, serving

SMALL = demo.Plan(users=2, projects=4, entries=40, years=1)
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


@pytest.mark.parametrize("act", ["create", "restore"])
def test_killed_at_any_moment_it_leaves_what_was_there_and_the_next_run_completes(
    app: Application, tmp_path: Path, act: str
) -> None:
    """Killed by the kernel as it syncs for the nth time: to the disk all moments in between are the same."""
    demo.add(app.engine, SMALL, now=NOON)
    backup = str(create(app.engine, app.settings, now=NOON).path)
    data = tmp_path / "killed"
    _run(data, *(["migrate"] if act == "restore" else ["backup", "restore", backup]))
    command = ["backup", act, *([backup] if act == "restore" else [])]
    before, seen = _entries_with_files(data), set()
    for number in range(1, 60):
        run = _run(data, *command, before=_dies_at_sync(number))
        entries = _entries_with_files(data)
        seen.add(entries)
        if run.returncode != -signal.SIGKILL or entries != before:
            break

    assert number > 6
    assert seen <= {before, 40}
    done = _run(data, *command, *(["--replace"] if act == "restore" and entries else []))
    assert done.returncode == 0, done.stderr
    assert _entries_with_files(data) == 40
    for made in existing(config.load({"DATA_DIR": str(data)})):
        assert _run(data, "backup", "verify", str(made)).returncode == 0


def _run(data: Path, *words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    environment = {"DATA_DIR": str(data), "PATH": os.environ["PATH"]}
    return subprocess.run(
        [*before, COMMAND, *words], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def _dies_at_sync(number: int) -> tuple[str, ...]:
    if (
        shutil.which("strace") is None
        or subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("strace is not installed, or may not look at processes here")
    calls = "fsync,fdatasync"
    kill = f"inject={calls}:signal=KILL:when={number}"
    return ("strace", "-f", "-o", os.devnull, "-e", f"trace={calls}", "-e", kill)


def _entries_with_files(data: Path) -> int:
    """How many time entries there are, after a look that every row's file is there."""
    settings = config.load({"DATA_DIR": str(data)})
    engine, store = db.make_engine(settings), LocalStore(settings.upload_folder)
    with db.reading(engine) as session:
        for row in session.scalars(select(StoredFile)):
            with store.open(f"avatars/{row.name}") as stream:
                assert hashlib.sha256(stream.read()).hexdigest() == row.sha256
        entries = session.scalar(select(func.count()).select_from(TimeEntry)) or 0
    engine.dispose()
    return entries
