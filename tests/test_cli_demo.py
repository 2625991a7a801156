"""`timetracker demo`: it says what it made, who can sign in, and how all of it goes away again."""

import re
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.cli import main
from app.config import Settings
from app.models import TimeEntry, User
from app.storage import marker
from tests.conftest import Browser
from tests.services.test_time_entries import NINE
from tests.services.test_time_entries import add as add_entry

SMALL = ("--users", "3", "--projects", "5", "--entries", "60", "--years", "1")
MADE = "Made: 3 people, 2 clients, 5 projects, "


@pytest.fixture
def command(environment: dict[str, str]) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(main, ["demo", *arguments], env=environment)


@pytest.mark.engines
@pytest.mark.usefixtures("administrator")
def test_the_printed_password_signs_in(command: Callable[..., Result], browser: Callable[[], Browser]) -> None:
    result = command(*SMALL)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(MADE)
    assert "60 time entries." in result.stdout
    assert "timetracker demo --remove" in result.stdout
    assert "administrator" not in result.stdout
    found = re.search(r"Sign in as (\S+) \(Mia Berger\) with the password (\S+)\n", result.stdout)
    assert found
    assert browser().sign_in(found[1], found[2]).status_code == 303


@pytest.mark.engines
@pytest.mark.usefixtures("owner")
def test_remove_says_what_went(command: Callable[..., Result], session: Session) -> None:
    command(*SMALL)
    result = command("--remove")
    assert result.exit_code == 0
    assert result.stdout.startswith("Removed: 3 people, 2 clients, 5 projects, ")
    assert session.scalar(select(func.count()).select_from(TimeEntry)) == 0
    assert session.scalars(select(User.username).order_by(User.id)).all() == ["administrator", "owner"]
    assert command("--remove").stdout == "There is no demo.\n"


def test_without_an_administrator_it_says_so(command: Callable[..., Result], settings: Settings) -> None:
    result = command(*SMALL)
    assert "set TimeTracker up: it has no administrator yet" in result.stdout


def test_the_upload_folder_is_marked_before_anything(command: Callable[..., Result], settings: Settings) -> None:
    command("--remove")
    assert marker.read(settings.upload_folder)


def test_a_refusal_is_one_sentence_and_status_1(command: Callable[..., Result], session: Session, owner: User) -> None:
    add_entry(session, owner, NINE)
    session.commit()
    result = command(*SMALL)
    assert result.exit_code == 1
    assert result.stderr.startswith("timetracker: Somebody has entered time here")


def test_what_cannot_be_is_a_mistake_of_usage(command: Callable[..., Result]) -> None:
    for option in (("--users", "0"), ("--years", "0"), ("--language", "fr"), ("--entries", "-1")):
        assert command(*option).exit_code == 2


def test_too_many_entries_are_refused(command: Callable[..., Result], settings: Settings) -> None:
    result = command("--users", "1", "--entries", "1000000")
    assert result.exit_code == 1
    assert "do not fit" in result.stderr
