"""Entries by hand, their list and their file at the pages, for each of the cast."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Project, Source, Tag, Task, TimeEntry, User
from app.services import catalogue
from tests.conftest import NOON, Browser, length_shown

TODAY = "2026-11-17"
HUGE = "99999999999999999999"
BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def traveller() -> Iterator[time_machine.Traveller]:
    """It is noon in Berlin, and stays so until a test moves on."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def project(session: Session, owner: User) -> Project:
    return add_project(session, owner, "Website")


def add_project(session: Session, user: User, name: str) -> Project:
    made = catalogue.save_project(session, user, None, name=name, client=None, color=2, billable=True, now=NOON)
    session.commit()
    return made


def booked(user: User, start: datetime, length: timedelta | None, **more: Any) -> TimeEntry:
    entry = TimeEntry(user_id=user.id, source=Source.MANUAL, created_at=NOON, updated_at=NOON, **more)
    entry.take_span(start, start + length if length is not None else None, user.zone)
    return entry


def book(
    session: Session, user: User, start: datetime = NOON - HOUR, length: timedelta | None = HOUR, **more: Any
) -> int:
    entry = booked(user, start, length, **more)
    session.add(entry)
    session.commit()
    return entry.id


def entries(session: Session, user: User) -> list[TimeEntry]:
    session.rollback()
    own = TimeEntry.with_subject(select(TimeEntry).where(TimeEntry.user_id == user.id)).order_by(TimeEntry.id)
    return list(session.scalars(own, execution_options={"populate_existing": True}))


def only_entry(session: Session, user: User) -> TimeEntry:
    [entry] = entries(session, user)
    return entry


def live(session: Session, user: User, **settings: str | int) -> None:
    """Changes where and how a person lives."""
    for name, value in settings.items():
        setattr(user, name, value)
    session.commit()


def walls(entry: TimeEntry) -> tuple[str, str]:
    assert entry.local_end is not None
    return entry.local_start.isoformat(sep=" "), entry.local_end.isoformat(sep=" ")


def value_of(page: str, name: str) -> str:
    form = page.partition('<form id="entry"')[2]  # the bar above has a description, too
    found = re.search(rf'<input[^>]* name="{name}"[^>]*>', form)
    assert found, f"no input named {name}"
    value = re.search(r'value="([^"]*)"', found[0])
    return value[1] if value else ""


def shown(browser: Browser, entry_id: int) -> dict[str, str]:
    """The edit form as it is shown, ready to be posted back."""
    page = browser.get(f"/time-entries/{entry_id}").text
    chosen = re.search(r'<option selected value="(\d*)"', page)
    words = {name: value_of(page, name) for name in ("description", "date", "time", "task", "tags")}
    return {**words, "project": chosen[1] if chosen else ""}


# --- by hand --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "start", "end", "seconds"),
    [
        ("9-10:30", "2026-11-16 09:00:00+01:00", "2026-11-16 10:30:00+01:00", 5400),
        ("9:00–10:30", "2026-11-16 09:00:00+01:00", "2026-11-16 10:30:00+01:00", 5400),
        ("22-2", "2026-11-16 22:00:00+01:00", "2026-11-17 02:00:00+01:00", 14400),
        ("9am-5pm", "2026-11-16 09:00:00+01:00", "2026-11-16 17:00:00+01:00", 28800),
        ("9:00:15-9:00:16", "2026-11-16 09:00:15+01:00", "2026-11-16 09:00:16+01:00", 1),
        ("0-24", "2026-11-16 00:00:00+01:00", "2026-11-17 00:00:00+01:00", 86400),
        ("1h30", "2026-11-16 09:00:00+01:00", "2026-11-16 10:30:00+01:00", 5400),
        ("1h 30m", "2026-11-16 09:00:00+01:00", "2026-11-16 10:30:00+01:00", 5400),
        ("90m", "2026-11-16 09:00:00+01:00", "2026-11-16 10:30:00+01:00", 5400),
        ("1:30", "2026-11-16 09:00:00+01:00", "2026-11-16 10:30:00+01:00", 5400),
        ("1,5", "2026-11-16 09:00:00+01:00", "2026-11-16 10:30:00+01:00", 5400),
        ("1.5", "2026-11-16 09:00:00+01:00", "2026-11-16 10:30:00+01:00", 5400),
        ("45", "2026-11-16 09:00:00+01:00", "2026-11-16 09:45:00+01:00", 2700),
    ],
)
def test_time_is_written_in_many_ways(
    as_owner: Browser, session: Session, owner: User, typed: str, start: str, end: str, seconds: int
) -> None:
    answer = as_owner.post("/time-entries", {"description": "work", "date": "2026-11-16", "time": typed})
    entry = only_entry(session, owner)
    assert (answer.status_code, answer.location) == (303, "/time-entries")
    assert (*walls(entry), entry.seconds(NOON)) == (start, end, seconds)
    assert (entry.local_date, entry.time_zone, entry.source) == (date(2026, 11, 16), "Europe/Berlin", Source.MANUAL)


def test_what_is_typed_is_read_in_the_persons_own_zone(as_owner: Browser, session: Session, owner: User) -> None:
    live(session, owner, time_zone="Asia/Kathmandu")
    as_owner.post("/time-entries", {"date": TODAY, "time": "0:30-2"})
    entry = only_entry(session, owner)
    assert entry.started_at == datetime(2026, 11, 16, 18, 45, tzinfo=UTC)
    assert (entry.local_date, entry.time_zone) == (date(2026, 11, 17), "Asia/Kathmandu")


def test_a_bare_length_today_ends_now(as_owner: Browser, session: Session, owner: User) -> None:
    as_owner.post("/time-entries", {"date": TODAY, "time": "1h30"})
    assert walls(only_entry(session, owner)) == ("2026-11-17 10:30:00+01:00", "2026-11-17 12:00:00+01:00")


def test_a_bare_length_on_another_day_follows_the_last_entry(as_owner: Browser, session: Session, owner: User) -> None:
    for typed in ("13-14", "10-11", "30m"):
        as_owner.post("/time-entries", {"date": "2026-11-16", "time": typed})
    assert walls(entries(session, owner)[-1]) == ("2026-11-16 14:00:00+01:00", "2026-11-16 14:30:00+01:00")


@pytest.mark.engines
def test_everything_is_said_by_hand_too(as_owner: Browser, session: Session, owner: User, project: Project) -> None:
    words = {"description": "<b>work", "project": project.id, "task": "Design", "tags": "b, a, B", "next": "/projects"}
    answer = as_owner.post("/time-entries", {**words, "date": TODAY, "time": "9-10"})
    entry = only_entry(session, owner)
    assert (answer.location, entry.description, entry.project) == ("/projects", "<b>work", project)
    assert entry.task is not None
    assert (entry.task.name, sorted(tag.name.lower() for tag in entry.tags)) == ("Design", ["a", "b"])
    assert entry.billable  # as the project says
    assert "&lt;b&gt;work" in as_owner.get("/time-entries").text


def test_without_a_project_time_is_not_billable(as_owner: Browser, session: Session, owner: User) -> None:
    as_owner.post("/time-entries", {"date": TODAY, "time": "9-10"})
    assert not only_entry(session, owner).billable


@pytest.mark.parametrize(
    "wrong",
    [
        {"time": ""},
        {"time": "soon"},
        {"time": "9-9"},
        {"time": "25-26"},
        {"time": "30h"},
        {"time": "9" * 101},
        {"date": ""},
        {"date": "17.11.2026"},
        {"date": "0001-01-01"},
        {"date": "9999-12-31"},
        {"project": "4711"},
        {"project": HUGE},
        {"project": "", "task": "alone"},
        {"description": "x" * 3001},
        {"task": "x" * 201},
        {"tags": "x" * 101},
    ],
    ids=lambda wrong: str(wrong)[:30],
)
def test_what_cannot_be_used_comes_back_with_all_words_kept(
    as_owner: Browser, session: Session, owner: User, project: Project, wrong: dict[str, str]
) -> None:
    before = book(session, owner, description="before")
    words = {"description": "kept words", "project": str(project.id), "task": "Kept task", "tags": "kept, tags"}
    posted = {**words, "date": TODAY, "time": "9-10", "billable": ["0", "1"], **wrong}
    for path in ("/time-entries", f"/time-entries/{before}"):
        answer = as_owner.post(path, posted)
        assert (answer.status_code, "invalid-feedback" in answer.text) == (422, True)
        for name in ("description", "task", "tags", "time"):
            assert value_of(answer.text, name) == posted[name]
        chosen = f'<option selected value="{project.id}"' in answer.text
        assert chosen == (posted["project"] == words["project"])
    assert only_entry(session, owner).description == "before"
    assert session.scalar(select(func.count()).select_from(Tag)) == 0


@pytest.mark.parametrize(("posted", "checked"), [(["0", "1"], True), (["0"], False)])
def test_a_refused_form_keeps_the_checkbox_as_it_was_set(
    as_owner: Browser, session: Session, owner: User, posted: list[str], checked: bool
) -> None:
    page = as_owner.post(
        f"/time-entries/{book(session, owner)}", {"date": TODAY, "time": "soon", "billable": posted}
    ).text
    box = re.search(r'<input[^>]*type="checkbox"[^>]*>', page)
    assert box is not None
    assert ("checked" in box[0].replace('type="checkbox"', "")) == checked


def test_the_date_typed_comes_back(as_owner: Browser) -> None:
    assert value_of(as_owner.post("/time-entries", {"date": "2026-02-30", "time": "9-10"}).text, "date") == "2026-02-30"


# --- days on which clocks change ------------------------------------------------------------------------------------

CHANGES = [
    ("Europe/Berlin", "2026-03-29", "1-4", 2 * 3600),
    ("Europe/Berlin", "2026-03-29", "2:30-4", 1800),
    ("Europe/Berlin", "2026-03-29", "0-24", 23 * 3600),
    ("Europe/Berlin", "2026-10-25", "1-4", 4 * 3600),
    ("Europe/Berlin", "2026-10-25", "2:50-2:10", 1200),
    ("Europe/Berlin", "2026-10-25", "0-24", 25 * 3600),
    ("America/New_York", "2026-03-08", "1-4", 2 * 3600),
    ("America/New_York", "2026-11-01", "0-3", 4 * 3600),
    ("America/New_York", "2026-11-01", "1:50-1:10", 1200),
    ("Australia/Lord_Howe", "2026-04-05", "1-3", 9000),
    ("Australia/Lord_Howe", "2026-04-05", "0-24", 24 * 3600 + 1800),
    ("Australia/Lord_Howe", "2026-10-04", "1-3", 5400),
    ("Australia/Lord_Howe", "2026-10-04", "2:10-3", 1200),
]


@pytest.mark.parametrize(("zone", "day", "typed", "seconds"), CHANGES)
def test_over_a_change_of_the_clocks_what_elapsed_counts(
    as_owner: Browser,
    session: Session,
    owner: User,
    traveller: time_machine.Traveller,
    zone: str,
    day: str,
    typed: str,
    seconds: int,
) -> None:
    live(session, owner, time_zone=zone)
    as_owner.post("/time-entries", {"date": day, "time": typed})
    entry = only_entry(session, owner)
    assert (entry.seconds(NOON), entry.local_date.isoformat()) == (seconds, day)
    sum_of_day = f"{seconds // 3600}:{seconds % 3600 // 60:02}:00"
    assert as_owner.get(f"/time-entries?from={day}&to={day}").text.count(length_shown(sum_of_day)) == 3
    traveller.move_to(datetime.combine(entry.local_date, datetime.min.time(), entry.zone) + timedelta(hours=23))
    as_owner.sign_in(owner.username)
    assert as_owner.get("/").text.count(length_shown(sum_of_day)) >= 3  # week, day and entry
    as_owner.post(f"/time-entries/{entry.id}", {**shown(as_owner, entry.id), "description": "other"})
    edited = only_entry(session, owner)
    assert (edited.description, edited.started_at, edited.ended_at) == ("other", entry.started_at, entry.ended_at)


@pytest.mark.parametrize(
    ("zone", "start", "length", "text"),
    [
        ("Europe/Berlin", datetime(2026, 10, 25, 1, 15, tzinfo=UTC), HOUR / 2, "02:15-02:45"),
        ("Europe/Berlin", datetime(2026, 10, 25, 0, 15, tzinfo=UTC), 1.5 * HOUR, "02:15-02:45"),
        ("Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), HOUR, "1:00:00"),
        ("America/New_York", datetime(2026, 11, 1, 6, 15, tzinfo=UTC), HOUR / 2, "01:15-01:45"),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, 5, 7, tzinfo=UTC), HOUR / 4, "01:35:07-01:50:07"),
    ],
)
def test_editing_another_field_moves_nothing_in_an_hour_that_comes_twice(
    as_owner: Browser, session: Session, owner: User, zone: str, start: datetime, length: timedelta, text: str
) -> None:
    live(session, owner, time_zone=zone)
    key = book(session, owner, start, length)
    form = shown(as_owner, key)
    assert form["time"] == text
    as_owner.post(f"/time-entries/{key}", {**form, "description": "other"})
    entry = only_entry(session, owner)
    assert (entry.description, entry.started_at, entry.ended_at) == ("other", start, start + length)


# --- edit and delete ------------------------------------------------------------------------------------------------


@pytest.mark.engines
def test_the_owner_edits_every_field(as_owner: Browser, session: Session, owner: User, project: Project) -> None:
    key = book(session, owner, description="before")
    words = {"description": "after", "project": project.id, "task": "Design", "tags": "a,b", "billable": ["0", "1"]}
    answer = as_owner.post(f"/time-entries/{key}", {**words, "date": "2026-11-16", "time": "22-1:30"})
    entry = only_entry(session, owner)
    assert (answer.status_code, answer.location) == (303, "/time-entries")
    assert (entry.description, entry.project, entry.billable) == ("after", project, True)
    assert walls(entry) == ("2026-11-16 22:00:00+01:00", "2026-11-17 01:30:00+01:00")
    assert entry.local_date == date(2026, 11, 16)


def test_the_form_shown_and_posted_back_changes_nothing(
    as_owner: Browser, session: Session, owner: User, project: Project
) -> None:
    words = {"description": '"quoted" & <b>', "project": project.id, "task": "Design", "tags": "a, b"}
    as_owner.post("/time-entries", {**words, "date": TODAY, "time": "9:00:07-10:30:59"})
    before = only_entry(session, owner)
    page = as_owner.get(f"/time-entries/{before.id}").text
    assert "&#34;quoted&#34; &amp; &lt;b&gt;" in page
    form = shown(as_owner, before.id)
    as_owner.post(f"/time-entries/{before.id}", {**form, "description": words["description"]})
    after = only_entry(session, owner)
    kept = ("description", "project_id", "task_id", "started_at", "ended_at", "billable", "local_date")
    assert all(getattr(after, name) == getattr(before, name) for name in kept)
    assert [tag.name for tag in after.tags] == ["a", "b"]


@pytest.mark.parametrize(
    ("posted", "billable"), [(["0"], False), (["0", "1"], True), ([], True)], ids=["off", "on", "not said"]
)
def test_the_checkbox_decides_and_without_it_the_project(
    as_owner: Browser, session: Session, owner: User, project: Project, posted: list[str], billable: bool
) -> None:
    key = book(session, owner, billable=True, project_id=project.id)
    as_owner.post(f"/time-entries/{key}", {"date": TODAY, "time": "9-10", "project": project.id, "billable": posted})
    assert only_entry(session, owner).billable == billable


def test_a_length_typed_keeps_the_start(as_owner: Browser, session: Session, owner: User) -> None:
    key = book(session, owner)
    as_owner.post(f"/time-entries/{key}", {"date": TODAY, "time": "2h"})
    assert walls(only_entry(session, owner)) == ("2026-11-17 11:00:00+01:00", "2026-11-17 13:00:00+01:00")


@pytest.mark.parametrize(
    "length",
    [timedelta(seconds=0), timedelta(minutes=5, seconds=7), timedelta(hours=24), timedelta(hours=52, seconds=3)],
    ids=str,
)
def test_odd_lengths_survive_an_edit_and_a_move_to_another_day(
    as_owner: Browser, session: Session, owner: User, length: timedelta
) -> None:
    start = datetime(2026, 11, 3, 8, 0, 5, tzinfo=UTC)
    key = book(session, owner, start, length)
    as_owner.post(f"/time-entries/{key}", {**shown(as_owner, key), "description": "other"})
    entry = only_entry(session, owner)
    assert (entry.description, entry.started_at, entry.ended_at) == ("other", start, start + length)
    moved = as_owner.post(f"/time-entries/{key}", {**shown(as_owner, key), "date": "2026-11-04"})
    if length:
        assert moved.status_code == 303
        entry = only_entry(session, owner)
        assert (entry.started_at, entry.ended_at) == (start + 24 * HOUR, start + 24 * HOUR + length)


def test_an_entry_keeps_the_zone_it_was_made_in(as_owner: Browser, session: Session, owner: User) -> None:
    key = book(session, owner)
    live(session, owner, time_zone="America/New_York")
    form = shown(as_owner, key)
    assert form["time"] == "11:00-12:00"
    as_owner.post(f"/time-entries/{key}", {**form, "time": "10-12"})
    assert walls(only_entry(session, owner)) == ("2026-11-17 10:00:00+01:00", "2026-11-17 12:00:00+01:00")


@pytest.mark.parametrize(
    ("hours", "length", "text"),
    [(9, 90, "9:00am-10:30am"), (0, 30, "12:00am-12:30am"), (12, 60, "12:00pm-1:00pm"), (23, 120, "11:00pm-1:00am")],
)
def test_a_clock_of_twelve_hours_is_shown_and_read_back(
    as_owner: Browser, session: Session, owner: User, hours: int, length: int, text: str
) -> None:
    live(session, owner, time_format="12h")
    start = datetime(2026, 11, 16, hours, tzinfo=BERLIN).astimezone(UTC)
    key = book(session, owner, start, timedelta(minutes=length))
    form = shown(as_owner, key)
    assert form["time"] == text
    as_owner.post(f"/time-entries/{key}", {**form, "date": "2026-11-12"})  # another day, so it is read anew
    entry = only_entry(session, owner)
    assert (entry.started_at, entry.seconds(NOON)) == (start - 4 * 24 * HOUR, length * 60)


def test_a_clock_of_twelve_hours_is_in_the_list_too(as_owner: Browser, session: Session, owner: User) -> None:
    live(session, owner, time_format="12h")
    book(session, owner, NOON - 3 * HOUR)
    assert "9:00 am–10:00 am" in as_owner.get("/time-entries").text


def test_an_archived_project_stays_on_its_entries(
    as_owner: Browser, session: Session, owner: User, project: Project
) -> None:
    key = book(session, owner, project_id=project.id)
    project.archive(NOON)
    session.commit()
    form = shown(as_owner, key)
    assert form["project"] == str(project.id)
    assert as_owner.post(f"/time-entries/{key}", {**form, "description": "other"}).status_code == 303
    assert only_entry(session, owner).project_id == project.id
    assert as_owner.post("/time-entries", {**form}).status_code == 422
    other = book(session, owner)
    assert as_owner.post(f"/time-entries/{other}", {**shown(as_owner, other), "project": project.id}).status_code == 422


@pytest.mark.engines
def test_a_task_of_another_project_is_not_taken(
    as_owner: Browser, session: Session, owner: User, project: Project
) -> None:
    elsewhere = catalogue.task_named(session, owner, add_project(session, owner, "Other"), "Foreign", NOON)
    session.commit()
    as_owner.post("/time-entries", {"date": TODAY, "time": "9-10", "project": project.id, "task": elsewhere.id})
    entry = only_entry(session, owner)
    assert entry.task is not None
    assert (entry.task.project_id, entry.task.id == elsewhere.id) == (project.id, False)


@pytest.mark.engines
@pytest.mark.parametrize("task", [HUGE, "3000000000"])
def test_a_number_no_task_can_have_is_a_name(
    as_owner: Browser, session: Session, owner: User, project: Project, task: str
) -> None:
    as_owner.post("/time-entries", {"date": TODAY, "time": "9-10", "project": project.id, "task": task})
    entry = only_entry(session, owner)
    assert entry.task is not None
    assert entry.task.name == task


def test_the_owner_deletes_and_the_row_stays_for_the_trash(as_owner: Browser, session: Session, owner: User) -> None:
    key = book(session, owner)
    answer = as_owner.post(f"/time-entries/{key}/delete", {"next": "/time-entries?range=today"})
    assert (answer.status_code, answer.location) == (303, "/time-entries?range=today")
    assert only_entry(session, owner).deleted_at == NOON
    assert f"/time-entries/{key}" not in as_owner.get("/time-entries").text
    assert f"/time-entries/{key}" not in as_owner.get("/").text


def test_deleting_what_runs_stops_it(as_owner: Browser, session: Session, owner: User) -> None:
    as_owner.post(f"/time-entries/{book(session, owner, length=None)}/delete")
    answer = as_owner.get("/timer?format=json").json
    assert answer is not None
    assert answer["running"] == 0


PATHS = ["/time-entries/{}", "/time-entries/{}/delete"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("who", "status"), [("stranger", 303), ("as_colleague", 404), ("as_administrator", 403)])
def test_nobody_else_changes_an_entry(
    session: Session, owner: User, path: str, who: str, status: int, request: pytest.FixtureRequest
) -> None:
    other: Browser = request.getfixturevalue(who)
    key = book(session, owner, description="before")
    words = {"description": "after", "date": TODAY, "time": "9-10"}
    answer = other.post(path.format(key), words)
    assert (answer.status_code, answer.location) == (status, "/login" if who == "stranger" else None)
    entry = only_entry(session, owner)
    assert (entry.description, entry.deleted_at) == ("before", None)


@pytest.mark.parametrize(("who", "status"), [("as_owner", 200), ("as_administrator", 200), ("as_colleague", 404)])
def test_an_administrator_reads_an_entry_and_a_colleague_does_not(
    session: Session, owner: User, who: str, status: int, request: pytest.FixtureRequest
) -> None:
    key = book(session, owner, description="private words")
    answer = request.getfixturevalue(who).get(f"/time-entries/{key}")
    assert (answer.status_code, "private words" in answer.text) == (status, status == 200)


def test_a_stranger_is_sent_to_sign_in_and_back(stranger: Browser) -> None:
    for path in ("/time-entries", "/time-entries.csv", "/time-entries/new", "/time-entries/1"):
        assert stranger.get(path).location == f"/login?next={path}"


def test_what_is_deleted_is_not_there(as_owner: Browser, session: Session, owner: User) -> None:
    key = book(session, owner, deleted_at=NOON)
    assert as_owner.get(f"/time-entries/{key}").status_code == 404
    for path in [*PATHS, "/timer/continue/{}", "/timer/discard/{}"]:
        refused = as_owner.post(path.format(key), {"date": TODAY, "time": "9-10", "description": "kept words"})
        assert refused.status_code == (409 if path == "/time-entries/{}" else 404)
        assert path != "/time-entries/{}" or "kept words" in refused.text


@pytest.mark.engines
@pytest.mark.parametrize("number", [HUGE, "3000000000"])
def test_numbers_no_entry_can_have_are_not_found(as_owner: Browser, number: str) -> None:
    assert as_owner.get(f"/time-entries/{number}").status_code == 404
    for path in PATHS:
        assert as_owner.post(path.format(number)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("get", "/time-entries/1/delete"), ("put", "/time-entries"), ("delete", "/time-entries/1")]
)
def test_another_method_is_refused(as_owner: Browser, method: str, path: str) -> None:
    headers = {"X-CSRFToken": as_owner.token()}
    assert as_owner.client.open(path, method=method.upper(), headers=headers).status_code == 405


# --- the list -------------------------------------------------------------------------------------------------------


def keys_on(page: str) -> list[int]:
    return [int(key) for key in re.findall(r'class="entry-about" href="/time-entries/(\d+)\?', page)]


def pages(browser: Browser, path: str) -> Iterator[str]:
    while path:
        page = browser.get(path).text
        yield page
        further = re.search(r'href="([^"]+)" rel="next"', page)
        path = further[1].replace("&amp;", "&") if further else ""


RANGES = [
    ("", {"11-16", "11-17", "11-22"}),
    ("?range=nonsense", {"11-16", "11-17", "11-22"}),
    ("?range=today", {"11-17"}),
    ("?range=this_week", {"11-16", "11-17", "11-22"}),
    ("?range=last_week", {"11-15"}),
    ("?range=this_month", {"11-01", "11-15", "11-16", "11-17", "11-22"}),
    ("?range=last_month", {"10-31"}),
    ("?range=this_year", {"01-01", "10-31", "11-01", "11-15", "11-16", "11-17", "11-22"}),
    ("?range=all", {"01-01", "10-31", "11-01", "11-15", "11-16", "11-17", "11-22", "12-31"}),
    ("?from=2026-11-15&to=2026-11-16", {"11-15", "11-16"}),
    ("?to=2026-01-01", {"01-01", "12-31"}),
    ("?from=2026-11-17", {"11-17", "11-22"}),
]


def test_a_range_shows_its_days_and_no_others(as_owner: Browser, session: Session, owner: User) -> None:
    for day in (
        "2025-12-31",
        "2026-01-01",
        "2026-10-31",
        "2026-11-01",
        "2026-11-15",
        "2026-11-16",
        TODAY,
        "2026-11-22",
    ):
        book(session, owner, datetime.fromisoformat(f"{day}T08:00:00+00:00"), description=f"on {day[5:]}.")
    for asked, days in RANGES:
        page = as_owner.get(f"/time-entries{asked}").text
        assert set(re.findall(r">on (\d\d-\d\d)\.<", page)) == days, asked
        assert length_shown(f"{len(days)}:00:00") in page


def test_weeks_begin_on_the_persons_own_day(as_owner: Browser, session: Session, owner: User) -> None:
    live(session, owner, week_start=6)
    book(session, owner, datetime(2026, 11, 15, 8, tzinfo=UTC), description="on Sunday")
    assert "on Sunday" in as_owner.get("/time-entries?range=this_week").text
    assert "on Sunday" not in as_owner.get("/time-entries?range=last_week").text


@pytest.mark.parametrize("path", ["/time-entries", "/time-entries.csv"])
@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("from=soon", "Write dates as year-month-day"),
        ("from=2026-02-30", "Write dates as year-month-day"),
        ("to=%00", "Write dates as year-month-day"),
        ("from=2026-11-02&to=2026-11-01", "The range ends before it begins."),
    ],
)
def test_a_range_that_is_none_is_refused_with_a_sentence(
    as_owner: Browser, path: str, asked: str, sentence: str
) -> None:
    answer = as_owner.get(f"{path}?{asked}")
    assert (answer.status_code, sentence in answer.text) == (422, True)


@pytest.mark.engines
def test_totals_are_of_the_range_and_days_are_whole_on_every_page(
    as_owner: Browser, session: Session, owner: User
) -> None:
    starts = [datetime(2026, 11, 16, 8, tzinfo=UTC) + timedelta(minutes=number) for number in range(150)]
    session.add_all(booked(owner, start, timedelta(minutes=1), billable=start.minute % 2 == 0) for start in starts)
    session.commit()
    shown_pages = list(pages(as_owner, "/time-entries?range=this_week"))
    assert len(shown_pages) == 2
    for page in shown_pages:
        assert page.count(length_shown("2:30:00")) == 2  # all, and the day that the two pages share
        assert (page.count(length_shown("1:15:00")), "150 entries" in page) == (1, True)


@pytest.mark.engines
def test_paging_shows_each_entry_once_even_if_all_began_together(
    as_owner: Browser, session: Session, owner: User
) -> None:
    session.add_all(booked(owner, NOON - HOUR * (number // 130), HOUR) for number in range(260))
    session.commit()
    keys = [key for page in pages(as_owner, "/time-entries?range=all") for key in keys_on(page)]
    assert len(keys) == len(set(keys)) == 260
    listed = sorted(entries(session, owner), key=lambda entry: (entry.started_at, entry.id), reverse=True)
    assert keys == [entry.id for entry in listed]


NO_PLACES = [
    "nonsense",
    "2026-11-17_2026-11-17T08:00:00_1",
    "2026-11-17_2026-11-17T08:00:00%2B00:00_x",
    f"2026-11-17_2026-11-17T08:00:00%2B00:00_{HUGE}",
    "2026-11-17_2026-11-17T08:00:00%2B00:00_-99999999999999999",
    "0001-01-01_0001-01-01T00:00:00%2B14:00_1",
    "%00",
]


@pytest.mark.engines
def test_a_place_that_is_none_begins_at_the_top(as_owner: Browser, session: Session, owner: User) -> None:
    key = book(session, owner)
    for after in NO_PLACES:
        assert keys_on(as_owner.get(f"/time-entries?after={after}").text) == [key], after


def furnish(session: Session, user: User, count: int) -> None:
    """Entries that each have a project, client, task and tag of their own."""
    taken = session.scalar(select(func.max(Task.id))) or 0
    for number in range(taken, taken + count):
        client = catalogue.save_client(session, user, None, name=f"client {number}", color=1, now=NOON)
        project = catalogue.save_project(
            session, user, None, name=f"project {number}", client=client, color=1, billable=True, now=NOON
        )
        entry = booked(user, NOON - HOUR - timedelta(minutes=number), timedelta(minutes=1))
        entry.project, entry.task = project, catalogue.task_named(session, user, project, "task", NOON)
        entry.tags = catalogue.tags_named(session, user, [f"tag {number}", "common"], NOON)
        session.add(entry)
    session.commit()


def test_the_list_costs_as_many_statements_however_long_it_is(
    as_owner: Browser, session: Session, owner: User, statements: list[str]
) -> None:
    counts = []
    for more in (5, 85):
        furnish(session, owner, more)
        statements.clear()
        assert as_owner.get("/time-entries?range=all").status_code == 200
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 10


# --- the file -------------------------------------------------------------------------------------------------------


def table(browser: Browser, asked: str = "range=all") -> list[list[str]]:
    answer = browser.get(f"/time-entries.csv?{asked}")
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    text = answer.get_data().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.engines
def test_the_file_says_everything_of_an_entry(
    as_owner: Browser, session: Session, owner: User, project: Project
) -> None:
    words = {"description": 'Größe, "quoted"\nsecond line 😀', "project": project.id, "task": "Design", "tags": "b,a"}
    as_owner.post("/time-entries", {**words, "date": TODAY, "time": "22:00:05-1"})
    header, row = table(as_owner)
    assert dict(zip(header, row, strict=True)) == {
        "Date": TODAY,
        "Start": "22:00:05",
        "End": "01:00:00",
        "Duration": "2:59:55",
        "Seconds": "10795",
        "Description": words["description"],
        "Client": "",
        "Project": "Website",
        "Task": "Design",
        "Tags": "a, b",
        "Billable": "Yes",
        "Time zone": "Europe/Berlin",
        "Started at (UTC)": "2026-11-17T21:00:05+00:00",
        "Ended at (UTC)": "2026-11-18T00:00:00+00:00",
    }


def test_the_file_is_a_download_with_a_byte_order_mark(as_owner: Browser) -> None:
    answer = as_owner.get("/time-entries.csv?from=2026-11-01&to=2026-11-30")
    assert answer.get_data().startswith(b"\xef\xbb\xbfDate,Start,End,")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="time-entries_2026-11-01_2026-11-30.csv"'


@pytest.mark.parametrize("typed", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://evil.example")'])
def test_a_cell_that_would_calculate_is_words(as_owner: Browser, session: Session, owner: User, typed: str) -> None:
    book(session, owner, description=typed)
    assert table(as_owner)[1][5] == f"'{typed}"


def test_a_running_entry_has_no_end_in_the_file(as_owner: Browser, session: Session, owner: User) -> None:
    book(session, owner, length=None)
    row = table(as_owner)[1]
    assert (row[2], row[3], row[4], row[-1]) == ("", "", "", "")


def test_the_file_is_of_exactly_the_range(as_owner: Browser, session: Session, owner: User) -> None:
    for day in range(14, 19):
        book(session, owner, datetime(2026, 11, day, 23, 30, tzinfo=UTC), HOUR / 4)  # the next day in Berlin
    rows = table(as_owner, "from=2026-11-16&to=2026-11-18")[1:]
    assert [row[0] for row in rows] == ["2026-11-16", "2026-11-17", "2026-11-18"]


@pytest.mark.engines
def test_a_long_file_is_whole_and_in_order(as_owner: Browser, session: Session, owner: User) -> None:
    session.add_all(
        booked(owner, NOON - timedelta(minutes=number // 3), HOUR, description=str(number)) for number in range(2500)
    )
    session.commit()
    rows = table(as_owner)[1:]
    assert len({row[5] for row in rows}) == len(rows) == 2500
    starts = [row[-2] for row in rows]
    assert starts == sorted(starts)


def test_everybodys_file_and_list_hold_their_own_time_only(
    as_owner: Browser, as_administrator: Browser, session: Session, owner: User, colleague: User, administrator: User
) -> None:
    for user in (owner, colleague, administrator):
        book(session, user, description=f"time of {user.username}")
    for browser, user in ((as_owner, owner), (as_administrator, administrator)):
        assert [row[5] for row in table(browser)[1:]] == [f"time of {user.username}"]
        assert re.findall(r">time of (\w+)<", browser.get("/time-entries").text) == [user.username]


# --- at once --------------------------------------------------------------------------------------------------------


@pytest.fixture
def two_windows(as_owner: Browser, browser: Callable[[], Browser], owner: User) -> list[Browser]:
    other = browser()
    other.sign_in(owner.username)
    return [as_owner, other]


@pytest.mark.engines
def test_two_edits_at_once_leave_one_of_them_whole(two_windows: list[Browser], session: Session, owner: User) -> None:
    key = book(session, owner)

    def edit(number: int) -> int:
        words = {"description": f"edit {number}", "tags": f"tag {number}, common", "date": TODAY, "time": "9-10"}
        return two_windows[number].post(f"/time-entries/{key}", words).status_code

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(edit, range(2))) == {303}
    entry = only_entry(session, owner)
    number = entry.description.removeprefix("edit ")
    assert [tag.name for tag in entry.tags] == ["common", f"tag {number}"]


@pytest.mark.engines
def test_the_same_new_task_and_tag_at_once_are_made_once(
    two_windows: list[Browser], session: Session, owner: User, project: Project
) -> None:
    def add(number: int) -> int:
        words = {"project": project.id, "task": "New", "tags": "new", "date": TODAY, "time": "9-10"}
        return two_windows[number].post("/time-entries", words).status_code

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(add, range(2))) == {303}
    assert len(entries(session, owner)) == 2
    assert session.scalar(select(func.count()).select_from(Task)) == 1
    assert session.scalar(select(func.count()).select_from(Tag)) == 1


def test_a_form_opened_while_the_timer_ran_is_refused_once_it_has_stopped(
    as_owner: Browser, session: Session, owner: User
) -> None:
    as_owner.post("/timer/start", {"description": "call"})
    entry = session.scalars(select(TimeEntry).where(TimeEntry.user_id == owner.id)).one()
    assert 'name="running" value="1"' in as_owner.get(f"/time-entries/{entry.id}").text
    as_owner.post("/timer/stop")
    words = {"description": "call", "date": entry.local_date.isoformat(), "time": "8:45", "running": "1"}

    answer = as_owner.post(f"/time-entries/{entry.id}", words)

    assert answer.status_code == 422
    assert "The timer was stopped meanwhile" in answer.text


def test_an_administrator_reads_an_entry_with_its_owners_name_and_nothing_to_change(
    as_owner: Browser, as_administrator: Browser, session: Session, owner: User
) -> None:
    as_owner.post("/time-entries", {"description": "work", "date": "2026-11-17", "time": "9-10"})
    entry = session.scalars(select(TimeEntry).where(TimeEntry.user_id == owner.id)).one()

    page = as_administrator.get(f"/time-entries/{entry.id}")

    assert page.status_code == 200
    assert "Time of owner" in page.text
    assert f'action="/time-entries/{entry.id}' not in page.text


def test_a_strange_word_in_the_address_does_no_harm(as_owner: Browser) -> None:
    assert as_owner.get("/time-entries?endpoint=x&_external=1&range=all").status_code == 200


@pytest.mark.engines
class TestAFilter:
    """Narrows the list, its totals, the sums of its days and its file alike."""

    @pytest.fixture
    def mixed(self, as_owner: Browser, session: Session, owner: User, project: Project) -> dict[str, int]:
        """Four hours on one day: of each two properties once both, and once neither."""
        acme = catalogue.save_client(session, owner, None, name="Acme", color=1, now=NOON)
        other = catalogue.save_project(
            session, owner, None, name="Other", client=acme, color=2, billable=True, now=NOON
        )
        (bug,) = catalogue.tags_named(session, owner, ("bug",), NOON)
        hours = iter(range(2, 9))
        subjects: dict[str, dict[str, Any]] = {
            "Fix login": {"project_id": project.id, "billable": True, "tags": [bug]},
            "fix 100% of it": {"project_id": other.id, "billable": False, "tags": [bug]},
            "call": {"project_id": other.id, "billable": True, "tags": []},
            "rest": {"project_id": None, "billable": False, "tags": []},
        }
        for description, more in subjects.items():
            book(session, owner, NOON - next(hours) * HOUR, HOUR, description=description, **more)
        return {"project": other.id, "client": acme.id, "tag": bug.id}

    def shown(self, browser: Browser, **asked: Any) -> tuple[list[str], str]:
        page = browser.get("/time-entries", query_string={"range": "today", **asked}).text
        found = re.findall(r'<span class="description[^>]*>([^<]+)</span>', page)
        sums = re.search(r'<div class="card-header sums">.*?<strong class="numbers">(\d+:\d\d)', page, re.DOTALL)
        assert sums is not None
        return found, sums[1]

    @pytest.mark.parametrize(
        ("asked", "wanted"),
        [
            ({"text": "FIX"}, ["Fix login", "fix 100% of it"]),
            ({"text": "100%"}, ["fix 100% of it"]),
            ({"text": "%"}, ["fix 100% of it"]),
            ({"project": "project"}, ["fix 100% of it", "call"]),
            ({"client": "client"}, ["fix 100% of it", "call"]),
            ({"tag": "tag"}, ["Fix login", "fix 100% of it"]),
            ({"tag": "tag", "client": "client"}, ["fix 100% of it"]),
            ({"billable": "1"}, ["Fix login", "call"]),
            ({"billable": "0", "text": "rest"}, ["rest"]),
            ({"running": "1"}, []),
            ({"running": "0"}, ["Fix login", "fix 100% of it", "call", "rest"]),
            ({"project": "nonsense", "tag": HUGE, "client": "-1"}, ["Fix login", "fix 100% of it", "call", "rest"]),
        ],
    )
    def test_shows_what_fits_and_sums_it(
        self, as_owner: Browser, mixed: dict[str, int], asked: dict[str, str], wanted: list[str]
    ) -> None:
        query = {name: mixed.get(value, value) for name, value in asked.items()}

        assert self.shown(as_owner, **query) == (wanted, f"{len(wanted)}:00")
        lines = as_owner.get("/time-entries.csv", query_string={"range": "today", **query}).text
        assert [row["Description"] for row in csv.DictReader(io.StringIO(lines.lstrip("\ufeff")))] == wanted[::-1]

    def test_stays_while_the_range_changes(self, as_owner: Browser, mixed: dict[str, int]) -> None:
        page = as_owner.get("/time-entries", query_string={"range": "today", "tag": mixed["tag"], "text": "fix"}).text

        for address in re.findall(r'class="chip" href="([^"]+)"', page) + re.findall(r'href="([^"]+\.csv[^"]*)"', page):
            assert f"tag={mixed['tag']}" in address
            assert "text=fix" in address

    def test_never_finds_somebody_elses_time(self, as_colleague: Browser, mixed: dict[str, int]) -> None:
        assert self.shown(as_colleague, text="fix", project=mixed["project"]) == ([], "0:00")


def test_a_list_costs_no_names_of_projects_unless_somebody_filters(as_owner: Browser) -> None:
    assert "<select" not in as_owner.get("/time-entries").text
    assert as_owner.get("/time-entries?filter=1").text.count("<select") == 5
