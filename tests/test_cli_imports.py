"""`timetracker import`: exit status, what is said where, and that a dry run writes nothing."""

import csv
import io
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.cli import main
from app.models import Client, ImportRun, Project, Tag, Task, TimeEntry, User, time_entry_tags

COLUMNS = "User,Email,Client,Project,Description,Start date,Start time,End date,End time,Duration,Tags"
ROW = "Jo,jo@example.com,Acme,Site,Work,2025-03-04,09:00:00,2025-03-04,10:30:00,01:30:00,a"
TWICE = "Jo,jo@example.com,Acme,Site,Night,2025-10-26,02:30:00,2025-10-26,04:00:00,,a"
OTHER = ROW.replace("Jo,jo@", "Bo,bo@")
BAD = ROW.replace("2025-03-04", "2025-99-99")
TABLES = (Client, Project, Task, Tag, TimeEntry, ImportRun, User, time_entry_tags)


class Command:
    """The command in the environment of the test's installation."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment, self.folder = environment, folder

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["import", *arguments], env=self.environment)

    def toggl(self, *rows: str, options: tuple[str, ...] = ()) -> Result:
        file = self.folder / "report.csv"
        file.write_text("\n".join([COLUMNS, *rows]))
        return self("toggl", str(file), "--user", "owner", *options)


@pytest.fixture
def command(environment: dict[str, str], tmp_path: Path, owner: User) -> Command:
    return Command(environment, tmp_path)


def counts(session: Session) -> list[int]:
    session.rollback()
    return [session.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES]


@pytest.mark.engines
def test_all_rows_taken_is_status_0_again_too(command: Command) -> None:
    first, again = command.toggl(ROW), command.toggl(ROW)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "1 imported (0 doubtful), 0 already there, 0 not imported." in first.stdout
    assert "Hours imported: 1:30:00" in first.stdout
    assert "Made: 1 client, 1 project, 0 tasks, 1 tag" in first.stdout
    assert "timetracker import undo 1" in first.stdout
    assert "0 imported (0 doubtful), 1 already there" in again.stdout
    assert first.stderr == again.stderr == ""


def test_a_row_not_understood_is_named_and_status_1(command: Command) -> None:
    result = command.toggl(ROW, BAD)
    assert result.exit_code == 1
    assert result.stderr == "line 3: not imported: '2025-99-99' is not a date\n"
    assert "1 imported" in result.stdout


def test_a_doubtful_row_is_named_and_taken(command: Command) -> None:
    result = command.toggl(TWICE)
    assert result.exit_code == 0
    assert result.stderr.startswith("line 2: doubtful: its start, 2025-10-26 02:30:00, happened twice")
    assert "1 imported (1 doubtful)" in result.stdout


def test_the_zone_may_be_named(command: Command, session: Session) -> None:
    command.toggl(ROW, options=("--timezone", "America/New_York"))
    entry = session.scalars(select(TimeEntry)).one()
    assert (entry.time_zone, entry.started_at.hour) == ("America/New_York", 14)


def test_other_peoples_rows_are_refused_unless_asked_for(command: Command, session: Session) -> None:
    refused = command.toggl(ROW.replace("Jo,", "owner,"), OTHER)
    assert (refused.exit_code, refused.stderr) == (1, "line 3: not imported: it is bo@example.com's, and not owner's\n")
    taken = command.toggl(ROW.replace("Jo,", "owner,"), OTHER, options=("--all-people-as-me",))
    assert taken.exit_code == 0
    assert session.scalar(select(func.count()).select_from(TimeEntry)) == 2


@pytest.mark.engines
def test_a_dry_run_says_the_same_and_writes_nothing(command: Command, session: Session) -> None:
    before = counts(session)
    dry = command.toggl(ROW, BAD, options=("--dry-run",))
    assert counts(session) == before
    wet = command.toggl(ROW, BAD)
    assert (dry.exit_code, dry.stderr) == (wet.exit_code, wet.stderr) == (1, wet.stderr)
    assert [line for line in wet.stdout.splitlines() if "undo" not in line] == dry.stdout.splitlines()[1:]


def test_a_file_that_cannot_be_read_is_one_sentence_and_status_1(command: Command, tmp_path: Path) -> None:
    missing = command("toggl", str(tmp_path / "none.csv"), "--user", "owner")
    folder = command("toggl", str(tmp_path), "--user", "owner")
    assert (missing.exit_code, folder.exit_code) == (1, 1)
    assert missing.stderr == "timetracker: none.csv cannot be read: No such file or directory.\n"


def test_a_file_that_is_no_report_is_one_sentence_and_status_1(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("Start date,Start time\n")
    result = command("toggl", str(tmp_path / "x.csv"), "--user", "owner")
    assert result.exit_code == 1
    assert result.stderr == (
        'timetracker: This is not a detailed report of Toggl: it has no "End date", "End time". Nothing was imported.\n'
    )


def test_an_unknown_person_is_one_sentence_and_status_1(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(COLUMNS)
    result = command("toggl", str(tmp_path / "x.csv"), "--user", "nobody")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize("arguments", [["toggl"], ["toggl", "x.csv"], ["undo", "x"], ["undo", "99999999999999999999"]])
def test_wrong_use_is_status_2(command: Command, arguments: list[str]) -> None:
    assert command(*arguments).exit_code == 2


def test_an_unknown_zone_is_wrong_use(command: Command) -> None:
    assert command.toggl(ROW, options=("--timezone", "Mars/Base")).exit_code == 2


def test_runs_are_listed_and_undone(command: Command, session: Session) -> None:
    command.toggl(ROW)
    assert command("list").stdout.split("\t")[2:] == ["owner", "toggl", "report.csv", "1\n"]
    assert command("undo", "1").stdout == "Import 1 is undone: 1 entry deleted.\n"
    assert "\t0\tundone " in command("list").stdout
    again = command("undo", "1")
    assert (again.exit_code, again.stderr) == (1, "timetracker: Import 1 was undone already.\n")
    assert "1 imported" in command.toggl(ROW).stdout


def test_the_real_report_arrives_to_the_second(command: Command, session: Session) -> None:
    sample = Path(__file__).resolve().parents[2] / "shared/samples/toggl/detailed-2025-quoted-usd.csv"
    if not sample.exists():
        pytest.skip(f"{sample} is not here")
    assert command("toggl", str(sample), "--user", "owner").exit_code == 0
    told = sum(
        int(row["Duration"][:2]) * 3600 + int(row["Duration"][3:5]) * 60 + int(row["Duration"][6:])
        for row in csv.DictReader(io.StringIO(sample.read_text("utf-8-sig")))
    )
    entries = session.scalars(select(TimeEntry)).all()
    assert (len(entries), sum(entry.seconds(entry.started_at) for entry in entries)) == (49, told)
