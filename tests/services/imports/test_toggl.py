"""Toggl's detailed report: what is understood, what is named, and that every row comes once."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import Application
from app.errors import Conflict, NotFound, Refused
from app.models import Client, ImportRun, Project, Source, Tag, Task, TimeEntry, User
from app.models.time_entry import time_entry_tags
from app.services.imports import people, runs, subjects, time_entries, toggl
from app.services.imports.rows import Reading, Row
from app.services.imports.subjects import Kind
from app.services.imports.time_entries import Origin, Outcome
from tests.conftest import NOON

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "samples"
BERLIN = ZoneInfo("Europe/Berlin")
USUAL = {
    "User": "Jo Doe",
    "Email": "jo@example.com",
    "Client": "Acme",
    "Project": "Site",
    "Task": "Build",
    "Description": "Work",
    "Billable": "Yes",
    "Start date": "2025-03-04",
    "Start time": "09:00:00",
    "End date": "2025-03-04",
    "End time": "10:00:00",
    "Duration": "01:00:00",
    "Tags": "",
    "Amount (EUR)": "80.00",
}
TABLES = (Client, Project, Task, Tag, TimeEntry, ImportRun, User, time_entry_tags)


def report(*rows: dict[str, str], columns: Sequence[str] = tuple(USUAL), **dialect: Any) -> bytes:
    """A report of those rows, which need to say only what differs from the usual one."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", **dialect)
    writer.writeheader()
    writer.writerows(USUAL | row for row in rows)
    return text.getvalue().encode()


def read(*rows: dict[str, str], zone: str = "Europe/Berlin") -> Reading:
    return toggl.read(report(*rows), ZoneInfo(zone))


def one(row: dict[str, str], zone: str = "Europe/Berlin") -> Row:
    (found,) = read(row, zone=zone).rows
    return found


def sample(name: str) -> bytes:
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path.read_bytes()


def take(app: Application, user: User, data: bytes, **kwargs: Any) -> Outcome:
    rows = toggl.read(data, user.zone).rows
    return time_entries.write(app.engine, rows, Origin(user.id, Source.TOGGL, "toggl.csv"), now=NOON, **kwargs)


def entries(session: Session, user: User) -> list[TimeEntry]:
    session.rollback()
    own = TimeEntry.with_subject(TimeEntry.own(user))
    return list(session.scalars(own.order_by(TimeEntry.started_at, TimeEntry.id)))


def counts(session: Session) -> list[int]:
    session.rollback()
    return [session.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES]


def many(number: int) -> list[dict[str, str]]:
    return [{"Description": f"Work {n}", "Project": f"Project {n % 3}", "Tags": f"t{n % 2}"} for n in range(number)]


# --- reading ----------------------------------------------------------------------------------------------------


def test_the_sample_of_2025_is_read_to_the_second() -> None:
    data = sample("toggl/detailed-2025-quoted-usd.csv")
    reading = toggl.read(data, BERLIN)
    told = 0
    for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig"))):
        hours, minutes, seconds = map(int, row["Duration"].split(":"))
        told += hours * 3600 + minutes * 60 + seconds
    assert (len(reading.rows), reading.refused) == (49, [])
    assert sum(row.seconds for row in reading.rows) == told
    assert not any(row.notes for row in reading.rows)


def test_the_sample_with_a_byte_order_mark_is_read_its_entry_without_length_too() -> None:
    first, second = toggl.read(sample("solidtime/toggl_time_entries_import_test_1.csv"), BERLIN).rows
    assert (first.seconds, first.project, first.client, first.billable) == (0, "Project without Client", "", False)
    assert first.tags == ("Development", "Backend")
    assert (second.seconds, second.task, second.billable) == (3601, "Task 1", True)


def test_a_row_says_all_it_knows() -> None:
    row = one({"Tags": " a, b,, a ", "Billable": "No"})
    assert (row.client, row.project, row.task, row.description) == ("Acme", "Site", "Build", "Work")
    assert (row.tags, row.billable, row.notes, row.line) == (("a", "b"), False, (), 2)
    assert (row.start, row.end) == (datetime(2025, 3, 4, 8, tzinfo=UTC), datetime(2025, 3, 4, 9, tzinfo=UTC))
    assert json.loads(row.raw) == USUAL | {"Tags": " a, b,, a ", "Billable": "No"}


def test_the_day_an_entry_counts_for_is_that_of_its_start_in_the_zone() -> None:
    row = one({"Start time": "23:30:00", "End date": "2025-03-05", "End time": "00:30:00"}, "America/New_York")
    assert (str(row.local_date), row.time_zone, row.start.day) == ("2025-03-04", "America/New_York", 5)


@pytest.mark.parametrize(
    ("dialect", "before"),
    [
        ({"quoting": csv.QUOTE_ALL}, b""),
        ({}, b"\xef\xbb\xbf"),
        ({"delimiter": ";"}, b""),
        ({"lineterminator": "\n"}, b""),
    ],
)
def test_quotes_byte_order_mark_separator_and_line_ends_make_no_other_row(
    dialect: dict[str, Any], before: bytes
) -> None:
    data = before + report({"Tags": "a, b"}, **dialect)
    assert toggl.read(data, BERLIN).rows == [one({"Tags": "a, b"})]


def test_neither_the_order_of_columns_nor_the_amount_make_another_row() -> None:
    data = report({"Amount (EUR)": "99.00"}, columns=sorted(USUAL))
    (row,) = toggl.read(data, BERLIN).rows
    assert row.key == one({}).key


def test_neither_the_format_of_dates_and_times_nor_the_zone_make_another_row() -> None:
    other = {"Start date": "04.03.2025", "Start time": "9:00:00 AM", "End date": "04.03.2025", "End time": "10:00 am"}
    assert one(other, "Asia/Tokyo").key == one({}).key


def test_the_key_of_a_row_never_changes() -> None:
    """It lies in people's databases: another recipe would bring ten years a second time."""
    assert one({"Description": "Grüße"}).key == "6687976d40d4f58f21d0ecafbd7b4122f5d861ef42d691cd010af716cc26efca"


@pytest.mark.parametrize("column", ["Email", "Client", "Project", "Task", "Description", "Billable", "Tags"])
def test_each_word_of_a_row_makes_another(column: str) -> None:
    assert one({column: "No" if column == "Billable" else "Other"}).key != one({}).key


def test_columns_may_be_missing() -> None:
    few = ("Start date", "Start time", "Duration")
    (row,) = toggl.read(report({}, columns=few), BERLIN).rows
    assert (row.seconds, row.client, row.tags, row.billable) == (3600, "", (), None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (report({}).replace(b"Work", b"W\xf6rk"), "not UTF-8 text (see line 2)"),
        ("Start date,Start time\n".encode("utf-16"), "not UTF-8"),
        (b"Date,Hours\n1,2\n", '"Start date", "Start time", "End date", "End time"'),
        (b"Start date,Start time,End date\n", '"End time"'),
        (b"Start date,Start time,Duration,Duration\n", 'twice: "Duration"'),
        (b'"Start date\nx', "first line"),
    ],
)
def test_what_is_no_such_report_is_refused_with_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(Refused) as refused:
        toggl.read(data, BERLIN)
    assert words in str(refused.value)
    assert "Nothing was imported." in str(refused.value) or "empty" in words


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"Start date": "2025-02-30"}, "'2025-02-30' is not a date"),
        ({"Start date": ""}, "'' is not a date"),
        ({"End date": "0025-03-04"}, "year"),
        ({"Start time": "24:00:00"}, "'24:00:00' is not a time"),
        ({"Start time": "13:00 PM"}, "'13:00 PM' is not a time"),
        ({"End time": "soon"}, "'soon' is not a time"),
        ({"End time": "08:59:59"}, "before it starts"),
        ({"End time": "", "Duration": ""}, "neither an end nor a duration"),
    ],
)
def test_a_line_that_is_not_understood_is_named_and_the_rest_comes(changed: dict[str, str], words: str) -> None:
    reading = read({"Description": "two\nlines"}, changed, {"Description": "after"})
    ((line, reason),) = [(refused.line, refused.reason) for refused in reading.refused]
    assert line == 4  # the first row stands on lines 2 and 3
    assert words in reason
    assert [(row.line, row.description) for row in reading.rows] == [(2, "two lines"), (5, "after")]


def test_a_mark_that_is_never_closed_costs_its_line_only() -> None:
    header, *rows = report(*many(3)).splitlines()
    data = b"\n".join([header, rows[0], b'"' + rows[1], b"", b",,,,", rows[2]])
    reading = toggl.read(data, BERLIN)
    assert [(refused.line, refused.reason) for refused in reading.refused] == [(3, "its quotation marks do not fit")]
    assert [row.line for row in reading.rows] == [2, 6]


def test_a_row_of_too_many_cells_or_cut_off_is_not_guessed_at() -> None:
    header, row = report({}).splitlines()
    data = b"\n".join([header, row + b",more", row[: row.index(b":00,01:00")], row.removesuffix(b",,80.00")])
    reading = toggl.read(data, BERLIN)
    assert [refused.line for refused in reading.refused] == [2, 3]
    assert [row.line for row in reading.rows] == [4]


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["03/04/2025", "13/04/2025"], "2025-04-03"),
        (["03/04/2025", "04/13/2025"], "2025-03-04"),
        (["03-04-2025", "13-04-2025"], "2025-04-03"),
        (["03.04.2025", "04.04.2025"], "2025-04-03"),
    ],
)
def test_one_day_after_the_12th_tells_whether_day_or_month_comes_first(dates: list[str], expected: str) -> None:
    reading = read(*({"Start date": date, "End date": date} for date in dates))
    assert str(reading.rows[0].local_date) == expected
    assert not reading.refused


@pytest.mark.parametrize("dates", [["03/04/2025"], ["13/04/2025", "04/13/2025"]])
def test_dates_that_leave_the_order_open_refuse_the_file(dates: list[str]) -> None:
    with pytest.raises(Refused, match="day or month"):
        read(*({"Start date": date, "End date": date} for date in dates))


def test_clocks_of_twelve_hours_are_read() -> None:
    row = one({"Start time": "12:05:00 AM", "End time": "12:05:00 PM", "Duration": "12:00:00"})
    assert row.seconds == 12 * 3600
    assert not row.notes


def test_the_duration_serves_where_there_is_no_end() -> None:
    assert one({"End date": "", "End time": "", "Duration": "25:00:00"}).seconds == 25 * 3600


@pytest.mark.parametrize(("duration", "doubts"), [("01:00:01", 0), ("00:59:58", 1), ("an hour", 1), ("", 0)])
def test_start_and_end_go_before_a_duration_that_disagrees_and_the_row_is_named(duration: str, doubts: int) -> None:
    row = one({"Duration": duration})
    assert (row.seconds, len(row.notes)) == (3600, doubts)


def test_what_is_too_long_is_cut_and_named_and_kept_in_the_row_as_read() -> None:
    row = one({"Description": "d" * 3001, "Project": "p" * 201, "Tags": "t" * 101})
    assert (len(row.description), len(row.project), len(row.tags[0]), len(row.notes)) == (3000, 200, 100, 3)
    assert len(json.loads(row.raw)["Description"]) == 3001


def test_control_characters_are_left_out() -> None:
    row = one({"Description": "a\x00b\x1bc\td", "Project": "\x07"})
    assert (row.description, row.project) == ("abc d", "")


def test_a_task_without_a_project_is_left_out_and_named() -> None:
    row = one({"Project": ""})
    assert (row.client, row.task, len(row.notes)) == ("", "", 2)


# --- clock changes ----------------------------------------------------------------------------------------------


def at(day: str, start: str, end: str, duration: str = "") -> dict[str, str]:
    return {"Start date": day, "End date": day, "Start time": start, "End time": end, "Duration": duration}


@pytest.mark.parametrize(
    ("zone", "row", "start", "seconds", "doubts"),
    [
        # Berlin goes back from 03:00 to 02:00 at 01:00 UTC.
        ("Europe/Berlin", at("2025-10-26", "02:30:00", "04:00:00", "01:30:00"), "01:30", 5400, 1),
        ("Europe/Berlin", at("2025-10-26", "02:30:00", "04:00:00", "02:30:00"), "00:30", 9000, 1),
        ("Europe/Berlin", at("2025-10-26", "02:30:00", "04:00:00"), "00:30", 9000, 1),
        ("Europe/Berlin", at("2025-10-26", "02:30:00", "02:40:00", "01:10:00"), "00:30", 4200, 2),
        ("Europe/Berlin", at("2025-10-26", "02:50:00", "02:10:00"), "00:50", 1200, 2),
        ("Europe/Berlin", at("2025-10-26", "01:30:00", "04:00:00", "03:30:00"), "23:30", 12600, 0),
        # Berlin goes forward from 02:00 to 03:00 at 01:00 UTC.
        ("Europe/Berlin", at("2025-03-30", "02:30:00", "04:00:00", "00:30:00"), "01:30", 1800, 1),
        ("Europe/Berlin", at("2025-03-30", "02:30:00", "04:00:00", "01:30:00"), "00:30", 5400, 1),
        ("Europe/Berlin", at("2025-03-30", "02:30:00", "04:00:00"), "01:30", 1800, 1),
        ("Europe/Berlin", at("2025-03-30", "02:30:00", "03:10:00"), "00:30", 2400, 1),
        ("Europe/Berlin", at("2025-03-30", "01:30:00", "03:30:00", "01:00:00"), "00:30", 3600, 0),
        # New York goes back from 02:00 to 01:00 at 06:00 UTC.
        ("America/New_York", at("2025-11-02", "01:15:00", "01:45:00", "01:30:00"), "05:15", 5400, 2),
        ("America/New_York", at("2025-11-02", "01:15:00", "02:15:00", "01:00:00"), "06:15", 3600, 1),
        # Lord Howe Island goes back by half an hour, from 02:00 to 01:30 at 15:00 UTC.
        ("Australia/Lord_Howe", at("2025-04-06", "01:45:00", "02:15:00", "01:00:00"), "14:45", 3600, 1),
        ("Australia/Lord_Howe", at("2025-04-06", "01:45:00", "02:15:00", "00:30:00"), "15:15", 1800, 1),
    ],
)
def test_the_duration_tells_which_of_two_times_was_meant(
    zone: str, row: dict[str, str], start: str, seconds: int, doubts: int
) -> None:
    found = one(row, zone)
    assert (f"{found.start:%H:%M}", found.seconds, len(found.notes)) == (start, seconds, doubts)


def test_a_note_says_what_was_decided() -> None:
    (note,) = one(at("2025-10-26", "02:30:00", "04:00:00", "01:30:00")).notes
    assert "its start, 2025-10-26 02:30:00, happened twice in Europe/Berlin" in note
    assert "taken as 2025-10-26 02:30:00+01:00" in note


# --- people -----------------------------------------------------------------------------------------------------

BO = {"User": "Bo", "Email": "bo@example.com"}


def test_a_file_of_one_person_is_taken_whoever_it_names(session: Session, owner: User) -> None:
    reading = read({}, {"Description": "more"})
    assert people.only(owner, reading) == reading


@pytest.mark.parametrize(("email_key", "full_name"), [("jo@example.com", "Somebody"), (None, "JO DOE"), (None, "")])
def test_of_several_people_the_address_decides_or_else_the_name(
    session: Session, owner: User, email_key: str | None, full_name: str
) -> None:
    owner.email_key, owner.full_name = email_key, full_name
    kept = people.only(owner, read({}, BO, {}))
    mine = [2, 4] if email_key or full_name else []
    assert [row.line for row in kept.rows] == mine
    assert [refused.line for refused in kept.refused] == [line for line in (2, 3, 4) if line not in mine]
    assert "bo@example.com's" in next(refused.reason for refused in kept.refused if refused.line == 3)


def test_a_person_whose_rows_were_not_understood_still_makes_it_a_file_of_several(
    session: Session, owner: User
) -> None:
    kept = people.only(owner, read({}, BO | {"Start date": "x"}))
    assert not kept.rows


def test_namesakes_are_not_confused(session: Session, owner: User) -> None:
    owner.full_name = "Jo Doe"
    with pytest.raises(Refused, match="e-mail address"):
        people.only(owner, read({}, {"Email": "other@example.com"}))


# --- writing ----------------------------------------------------------------------------------------------------


@pytest.mark.engines
def test_a_row_becomes_an_entry_with_all_it_says(app: Application, session: Session, owner: User) -> None:
    outcome = take(app, owner, report({"Tags": "b, a"}))
    (entry,) = entries(session, owner)
    assert entry.project is not None
    assert entry.project.client is not None
    assert entry.task is not None
    assert (entry.description, entry.project.name, entry.project.client.name, entry.task.name) == (
        "Work", "Site", "Acme", "Build",
    )  # fmt: skip
    assert ([tag.name for tag in entry.tags], entry.billable) == (["a", "b"], True)
    assert (entry.source, entry.time_zone, str(entry.local_date)) == ("toggl", "Europe/Berlin", "2025-03-04")
    assert (entry.started_at, entry.ended_at) == (
        datetime(2025, 3, 4, 8, tzinfo=UTC),
        datetime(2025, 3, 4, 9, tzinfo=UTC),
    )
    assert (entry.created_at, entry.updated_at, entry.import_run_id) == (NOON, NOON, outcome.run_id)
    assert json.loads(session.scalar(select(TimeEntry.import_row)) or "")["Amount (EUR)"] == "80.00"
    assert entry.project.created_by_id == owner.id
    assert outcome.made == {Kind.CLIENT: 1, Kind.PROJECT: 1, Kind.TASK: 1, Kind.TAG: 2}


@pytest.mark.engines
def test_a_second_run_adds_nothing(app: Application, session: Session, owner: User) -> None:
    first = take(app, owner, report(*many(5), *many(2)))
    before = counts(session)
    again = take(app, owner, report(*many(5), *many(2)))
    assert (len(first.taken), first.already_there) == (7, 0)
    assert (len(again.taken), again.already_there, again.run_id, +again.made) == (0, 7, None, {})
    assert counts(session) == before


def test_identical_rows_are_so_many_entries(app: Application, session: Session, owner: User) -> None:
    take(app, owner, report({}, {}))
    assert len(entries(session, owner)) == 2


def test_a_longer_file_in_another_order_adds_what_is_new_only(app: Application, owner: User) -> None:
    take(app, owner, report(*many(5)))
    more = take(app, owner, report(*reversed(many(8)), columns=sorted(USUAL), quoting=csv.QUOTE_ALL))
    assert [row.description for row in more.taken] == ["Work 7", "Work 6", "Work 5"]


@pytest.mark.parametrize("change", [lambda entry: entry.delete(NOON), lambda entry: setattr(entry, "description", "x")])
def test_what_the_person_changed_or_deleted_since_is_not_brought_again(
    app: Application, session: Session, owner: User, change: Callable[[TimeEntry], None]
) -> None:
    take(app, owner, report({}))
    change(entries(session, owner)[0])
    session.commit()
    assert take(app, owner, report({})).already_there == 1


def test_another_person_brings_the_same_rows_for_themselves(
    app: Application, session: Session, owner: User, colleague: User
) -> None:
    take(app, owner, report({}))
    take(app, colleague, report({}))
    assert len(entries(session, owner)) == len(entries(session, colleague)) == 1


def test_what_has_the_name_is_used_archived_too_but_the_open_one_first(
    app: Application, session: Session, owner: User
) -> None:
    acme = Client(name="Acme", created_at=NOON, archived_at=NOON)
    archived = Project(name="Site", client=acme, created_at=NOON, archived_at=NOON)
    elsewhere = Project(name="Site", created_at=NOON)
    session.add_all([acme, archived, elsewhere])
    session.commit()
    take(app, owner, report({}))
    assert entries(session, owner)[0].project_id == archived.id
    session.add(reopened := Project(name="Site", client=acme, created_at=NOON))
    session.commit()
    take(app, owner, report({"Description": "later"}))
    assert {entry.project_id for entry in entries(session, owner)} == {archived.id, reopened.id}


def test_tasks_of_one_name_stay_within_their_projects(app: Application, session: Session, owner: User) -> None:
    take(app, owner, report({}, {"Project": "Shop"}, {"Project": "Shop", "Client": ""}))
    assert session.scalar(select(func.count()).select_from(Task)) == 3
    assert {entry.task and entry.task.project_id == entry.project_id for entry in entries(session, owner)} == {True}


def test_a_project_is_made_billable_when_any_of_its_rows_is(app: Application, session: Session, owner: User) -> None:
    take(app, owner, report({"Billable": "No"}, {}, {"Billable": "No", "Project": "Own"}))
    made = session.execute(select(Project.name, Project.billable)).all()
    assert dict(made) == {"Site": True, "Own": False}


def test_without_a_word_on_it_an_entry_is_billable_as_its_project_is(
    app: Application, session: Session, owner: User
) -> None:
    session.add(Project(name="Paid", billable=True, created_at=NOON))
    session.commit()
    take(app, owner, report({"Project": "Paid", "Client": "", "Billable": ""}, {"Project": "New", "Billable": ""}))
    assert {entry.project.name: entry.billable for entry in entries(session, owner) if entry.project} == {
        "Paid": True,
        "New": False,
    }


@pytest.mark.engines
def test_a_preview_says_the_same_and_writes_nothing(
    app: Application, session: Session, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_entries, "BATCH", 3)
    monkeypatch.setattr(subjects, "FEW", 2)
    take(app, owner, report(*many(2)))
    before = counts(session)
    rows = toggl.read(report(*many(10)), BERLIN).rows
    seen = time_entries.preview(app.engine, rows, owner.id)
    assert counts(session) == before
    done = take(app, owner, report(*many(10)))
    assert (seen.taken, seen.already_there, seen.made) == (done.taken, done.already_there, done.made)
    assert counts(session) != before


class Killed(BaseException):
    """The process ends."""


@pytest.mark.engines
def test_killed_between_batches_the_next_run_completes_it(
    app: Application, session: Session, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_entries, "BATCH", 4)

    def die(_rows: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        take(app, owner, report(*many(10)), progress=die)
    assert len(entries(session, owner)) == 4
    assert len(take(app, owner, report(*many(10))).taken) == 6
    assert sorted(entry.description for entry in entries(session, owner)) == [f"Work {n}" for n in range(10)]


def test_killed_within_a_batch_nothing_of_it_is_there(
    app: Application, session: Session, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_args: object) -> None:
        raise Killed

    before = counts(session)
    monkeypatch.setattr(time_entries, "_insert", die)
    with pytest.raises(Killed):
        take(app, owner, report({}))
    assert counts(session) == before


@pytest.mark.engines
def test_two_at_once_bring_every_row_once(
    app: Application, session: Session, owner: User, colleague: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_entries, "BATCH", 5)
    barrier = Barrier(4)

    def run(user: User) -> int:
        barrier.wait()
        return len(take(app, user, report(*many(40))).taken)

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(run, [owner, owner, colleague, colleague]))
    assert (sum(taken[:2]), sum(taken[2:])) == (40, 40)
    assert len(entries(session, owner)) == len(entries(session, colleague)) == 40
    assert counts(session)[:4] == [1, 3, 3, 2]


@pytest.mark.engines
def test_undoing_a_run_deletes_what_it_brought_and_lets_it_be_brought_again(
    app: Application, session: Session, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "BATCH", 2)
    kept = take(app, owner, report({"Description": "kept"}))
    run = take(app, owner, report(*many(5)))
    assert run.run_id is not None
    deleted = next(entry for entry in entries(session, owner) if entry.description == "Work 0")
    deleted.delete(NOON)
    session.commit()
    assert runs.undo(app.engine, run.run_id, now=NOON + timedelta(hours=1)) == 4
    assert [entry.description for entry in entries(session, owner)] == ["kept"]
    assert [(each.id, each.entries, each.undone_at is None) for each in runs.all_runs(session)] == [
        (run.run_id, 0, False),
        (kept.run_id, 1, True),
    ]
    assert len(take(app, owner, report(*many(5))).taken) == 4  # what they had deleted themselves stays deleted


def test_an_undoing_that_was_interrupted_goes_on(
    app: Application, session: Session, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "BATCH", 2)
    run_id = take(app, owner, report(*many(5))).run_id or 0

    def die(_rows: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        runs.undo(app.engine, run_id, now=NOON, progress=die)
    assert runs.undo(app.engine, run_id, now=NOON) == 3
    with pytest.raises(Conflict, match="undone already"):
        runs.undo(app.engine, run_id, now=NOON)


def test_an_import_undone_while_it_runs_stops(
    app: Application, session: Session, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_entries, "BATCH", 2)

    def undo(_rows: int) -> None:
        runs.undo(app.engine, runs.all_runs(session)[0].id, now=NOON)

    with pytest.raises(Conflict, match="undone while it ran"):
        take(app, owner, report(*many(5)), progress=undo)
    assert not entries(session, owner)


def test_there_is_nothing_to_undo_in_an_unknown_run(app: Application, owner: User) -> None:
    with pytest.raises(NotFound, match="There is no import 7"):
        runs.undo(app.engine, 7, now=NOON)


def test_the_batches_are_so_many_transactions(app: Application, owner: User, statements: list[str]) -> None:
    """However many rows, no more than a handful of statements for each batch."""
    take(app, owner, report(*many(500)))
    assert sum(statement.startswith("INSERT INTO time_entries") for statement in statements) == 2
    assert len(statements) < 60
