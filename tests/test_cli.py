"""The `timetracker` command: it does what it says, tells the truth by its exit status, and errs in one sentence."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy.orm import Session

from app import cli, config
from app.config import Settings
from app.db import Application
from app.models import User, UserSession
from tests.conftest import PASSWORD, Browser


class Shell:
    """`timetracker` in this process, on the installation of the test."""

    def __init__(self, settings: Settings) -> None:
        self.environment = {"DATA_DIR": str(settings.data_dir), "DATABASE_URL": settings.database_url}

    def __call__(self, line: str, typed: str | bytes | None = None, **environment: str) -> Result:
        return CliRunner().invoke(cli.main, line.split(), input=typed, env=self.environment | environment)


@pytest.fixture
def shell(settings: Settings) -> Shell:
    return Shell(settings)


@pytest.fixture
def session(settings: Settings, app: Application) -> Iterator[Session]:
    with Session(app.engine, expire_on_commit=False) as session:
        yield session


def sentence_of(result: Result, status: int = 1) -> str:
    assert result.exit_code == status, result.output
    assert re.fullmatch(r"timetracker: [^\n]+\n", result.stderr)
    return result.stderr


def groups_and_commands(command: click.Command = cli.main, path: str = "") -> list[str]:
    inner = command.commands.items() if isinstance(command, click.Group) else []
    return [path, *(found for name, one in inner for found in groups_and_commands(one, f"{path} {name}".strip()))]


@pytest.mark.parametrize("path", groups_and_commands())
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_explains_itself(path: str, option: str) -> None:
    result = CliRunner().invoke(cli.main, [*path.split(), option])

    assert result.exit_code == 0
    assert result.output.lower().startswith("usage: ")


@pytest.mark.parametrize("path", groups_and_commands())
def test_an_unknown_option_is_a_mistake_of_usage(path: str) -> None:
    result = CliRunner().invoke(cli.main, [*path.split(), "--unheard-of"])

    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(cli.main, ["--version"]).output.startswith("TimeTracker, version ")


class TestUserCreate:
    def test_makes_a_member_who_can_sign_in(
        self, shell: Shell, session: Session, browser: Callable[[], Browser]
    ) -> None:
        result = shell("user create ada --password-stdin", f"{PASSWORD}\n")

        assert (result.exit_code, result.output) == (0, "ada can sign in now.\n")
        assert User.named(session, "ada").role == "member"
        assert browser().sign_in("ada").status_code == 303

    def test_takes_role_name_and_address(self, shell: Shell, session: Session) -> None:
        shell("user create ada --role admin --email ada@nas.local --full-name Ada --password-stdin", PASSWORD)

        ada = User.named(session, "ADA")
        assert (ada.role, ada.email, ada.full_name) == ("admin", "ada@nas.local", "Ada")

    def test_asks_twice_for_a_password_that_is_not_piped(self, shell: Shell) -> None:
        assert shell("user create ada", f"{PASSWORD}\n{PASSWORD}\n").exit_code == 0
        assert shell("user create eve", f"{PASSWORD}\n").exit_code == 1

    @pytest.mark.parametrize(
        ("typed", "password"),
        [
            ("long enough", "long enough"),
            ("long enough\n", "long enough"),
            ("long enough\r\n", "long enough"),
            ("long enough \n", "long enough "),
            (" long enough\n", " long enough"),
            ("\tlänger genug\n", "\tlänger genug"),
        ],
    )
    def test_strips_one_line_end_and_nothing_else(
        self, shell: Shell, typed: str, password: str, browser: Callable[[], Browser]
    ) -> None:
        assert shell("user create root --role admin --password-stdin", typed).exit_code == 0

        assert browser().sign_in("root", password).status_code == 303

    @pytest.mark.parametrize("typed", ["long enough\n\n", "long\nenough\n", "long\renough", b"\xff\xfe long enough"])
    def test_takes_no_password_that_a_sign_in_page_could_not(
        self, shell: Shell, session: Session, typed: str | bytes
    ) -> None:
        assert shell("user create ada --password-stdin", typed).exit_code == 2
        assert session.query(User).count() == 0

    @pytest.mark.usefixtures("owner")
    @pytest.mark.parametrize(
        ("line", "typed", "words"),
        [
            ("user create ada", "short\n", "at least 8 characters"),
            ("user create ada", "", "at least 8 characters"),
            ("user create ada", "x" * 5000, "at most 1024 characters"),
            ("user create OWNER", PASSWORD, "already has this user name"),
            ("user create ada --email nowhere", PASSWORD, "not an e-mail address"),
            (f"user create {'a' * 65}", PASSWORD, "1 to 64 characters"),
        ],
    )
    def test_refuses_in_one_sentence(self, shell: Shell, line: str, typed: str, words: str) -> None:
        assert words in sentence_of(shell(f"{line} --password-stdin", typed))

    def test_knows_no_other_role(self, shell: Shell) -> None:
        assert shell("user create ada --role king --password-stdin", PASSWORD).exit_code == 2


@pytest.mark.usefixtures("owner")
class TestPeople:
    def test_are_listed(self, shell: Shell) -> None:
        shell("user disable owner")

        assert shell("user list").output.splitlines() == ["administrator\tadmin\t\t", "owner\tmember\t\t\tdisabled"]

    def test_get_a_new_password_and_are_signed_out(self, shell: Shell, session: Session, as_owner: Browser) -> None:
        result = shell("user reset-password Owner --password-stdin", "another long one\n")

        assert result.exit_code == 0
        assert session.query(UserSession).count() == 0
        assert as_owner.get("/").status_code == 303
        assert as_owner.sign_in("owner").status_code == 422
        assert as_owner.sign_in("owner", "another long one").status_code == 303

    def test_are_kept_out_and_let_in_again(self, shell: Shell, as_owner: Browser) -> None:
        assert shell("user disable owner").exit_code == 0
        assert as_owner.get("/").status_code == 303
        assert as_owner.sign_in("owner").status_code == 422

        assert shell("user enable owner").exit_code == 0
        assert as_owner.sign_in("owner").status_code == 303

    def test_keep_their_last_administrator(self, shell: Shell, session: Session) -> None:
        assert "last administrator" in sentence_of(shell("user disable administrator"))
        session.expire_all()
        assert User.named(session, "administrator").is_active

    @pytest.mark.parametrize("line", ["disable nobody", "enable nobody", "reset-password nobody --password-stdin"])
    def test_unknown_are_named(self, shell: Shell, line: str) -> None:
        assert "no user named 'nobody'" in sentence_of(shell(f"user {line}", PASSWORD))


class TestConfig:
    def test_prints_what_is_in_effect_with_secrets_hidden(self, tmp_path: Path) -> None:
        environment = {
            "DATA_DIR": str(tmp_path),
            "SECRET_KEY": "k" * 40,
            "DATABASE_URL": "postgresql://me:p:w%40d@db/tt",
            "TZ": "Asia/Tokyo",
        }

        result = CliRunner().invoke(cli.main, ["config"], env=environment)

        assert result.exit_code == 0
        assert "TZ=Asia/Tokyo\n" in result.stdout
        assert "SECRET_KEY=(hidden)\n" in result.stdout
        assert "DATABASE_URL=postgresql+psycopg://me:(hidden)@db/tt\n" in result.stdout
        assert result.stderr == "# DATA_DIR: DATA_DIR says so\n"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("command", ["config", "doctor", "migrate", "serve", "user list", "uploads adopt"])
    def test_that_is_wrong_stops_every_command(self, shell: Shell, command: str) -> None:
        assert "SECRET_KEY is a placeholder" in sentence_of(shell(command, SECRET_KEY="changeme"), 78)


@pytest.mark.usefixtures("app")
class TestDoctor:
    def test_says_that_all_is_well(self, shell: Shell) -> None:
        result = shell("doctor")

        assert result.exit_code == 0
        assert result.output.endswith("No errors found.\n")

    def test_says_what_is_wrong_by_its_status(self, shell: Shell, settings: Settings) -> None:
        shutil.rmtree(settings.upload_folder)

        result = shell("doctor")

        assert result.exit_code == 1
        assert "error: " in result.output
        assert result.output.endswith("There are errors.\n")

    def test_speaks_to_machines(self, shell: Shell, settings: Settings) -> None:
        findings = json.loads(shell("doctor --json").stdout)
        not_done_yet = {"address", "backup", "drill"}
        assert {finding["severity"] for finding in findings if finding["code"] not in not_done_yet} == {"ok"}
        settings.secret_key_file.write_text("half")
        result = shell("doctor --json")

        assert result.exit_code == 1
        assert [found["code"] for found in json.loads(result.stdout) if found["severity"] == "error"] == ["secret_key"]


def test_migrate_says_where_data_lies(shell: Shell, settings: Settings) -> None:
    result = shell("migrate")

    assert result.exit_code == 0
    assert result.output == f"Data lies in {settings.data_dir} (DATA_DIR says so).\nThe database is up to date.\n"


def test_adopt_says_what_it_did(shell: Shell, settings: Settings) -> None:
    assert shell("uploads adopt").output == f"{settings.upload_folder} now belongs to this installation.\n"


@pytest.mark.parametrize("command", ["migrate", "serve --port 18431", "user list", "uploads adopt"])
def test_a_database_out_of_reach_is_told_in_one_sentence(tmp_path: Path, command: str) -> None:
    environment = {"DATA_DIR": str(tmp_path), "DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/tt"}

    sentence = sentence_of(CliRunner().invoke(cli.main, command.split(), env=environment))

    assert "The database does not answer: " in sentence
    assert "hunter2" not in sentence


def test_a_file_that_is_no_database_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "timetracker.db").write_bytes(b"no database" * 1000)

    assert "file is not a database" in sentence_of(shell_of(tmp_path)("migrate"))


def shell_of(folder: Path) -> Shell:

    return Shell(config.load({"DATA_DIR": str(folder)}))


@contextmanager
def locked(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        yield


def test_ctrl_c_ends_a_command_without_a_traceback(tmp_path: Path) -> None:
    with locked(tmp_path / "timetracker.db"):
        run = subprocess.Popen(
            [str(Path(sys.executable).with_name("timetracker")), "migrate"],
            env={"DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert run.stderr is not None
        assert run.stderr.readline() == "Another process migrates; waiting.\n"
        run.send_signal(signal.SIGINT)
        rest = run.communicate(timeout=30)[1]

    assert run.returncode == 1
    assert rest.split() == ["Aborted!"]
