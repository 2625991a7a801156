"""A demo is a believable company of marked people, made only where nobody's time is."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.db import Application
from app.errors import Conflict, Refused
from app.models import Client, Project, Source, Tag, Task, TimeEntry, User, time_entry_tags
from app.services import catalogue, demo
from app.services.demo import adding
from tests.conftest import NOON, Browser
from tests.services.test_time_entries import NINE
from tests.services.test_time_entries import add as add_entry

SMALL = demo.Plan(entries=400, years=1)


def entries_of(session: Session, user: User) -> list[TimeEntry]:
    return list(session.scalars(select(TimeEntry).where(TimeEntry.user_id == user.id).order_by(TimeEntry.started_at)))


def people(session: Session) -> list[User]:
    return list(session.scalars(select(User).where(User.is_demo).order_by(User.id)))


def told(session: Session) -> list[Any]:
    """All that a demo tells, without the ids of rows."""
    session.rollback()
    tags = select(Tag.name).join(time_entry_tags).where(time_entry_tags.c.time_entry_id == TimeEntry.id)
    entries = (
        select(
            User.username, TimeEntry.started_at, TimeEntry.ended_at, TimeEntry.description, Client.name, Project.name,
            Task.name, TimeEntry.billable, TimeEntry.source, select(tags.subquery().c.name).limit(1).scalar_subquery(),
        )
        .join(User, User.id == TimeEntry.user_id)
        .outerjoin(Project, Project.id == TimeEntry.project_id)
        .outerjoin(Client, Client.id == Project.client_id)
        .outerjoin(Task, Task.id == TimeEntry.task_id)
        .order_by(User.username, TimeEntry.started_at)
    )  # fmt: skip
    users = select(User.username, User.full_name, User.time_zone, User.created_at).order_by(User.username)
    return [session.execute(users).all(), session.execute(entries).all()]


@pytest.mark.engines
def test_it_makes_what_it_says(app: Application, session: Session, everything: Callable[[], dict[str, int]]) -> None:
    before = everything()
    seen: list[int] = []

    made = demo.add(app.engine, SMALL, now=NOON, progress=seen.append)

    counts = {name: after - before[name] for name, after in everything().items()}
    assert (made.people, made.projects, made.entries) == (6, 24, 400)
    assert counts["users"] == made.people
    assert counts["clients"] == made.clients
    assert counts["projects"] == made.projects
    assert counts["tasks"] == made.tasks
    assert counts["tags"] == made.tags
    assert counts["time_entries"] == made.entries == sum(seen)
    assert counts["time_entry_tags"] > 40
    assert counts["files"] == counts["stored_files"] == 5
    assert demo.is_there(session)


def test_no_entry_lies_in_the_future_overlaps_or_ends_before_it_starts(app: Application, session: Session) -> None:
    demo.add(app.engine, SMALL, now=NOON)
    running = 0
    for user in people(session):
        entries = entries_of(session, user)
        running += sum(entry.is_running for entry in entries)
        assert all(entry.started_at < (entry.ended_at or NOON) <= NOON for entry in entries)
        assert all(former.ended_at <= latter.started_at for former, latter in pairwise(entries) if former.ended_at)
        assert all(former.ended_at for former, _latter in pairwise(entries))
        assert all(entry.created_at <= entry.updated_at <= NOON for entry in entries)
        assert all(entry.local_date == clock.local_date(entry.started_at, user.zone) for entry in entries)
        assert {entry.time_zone for entry in entries} == {user.time_zone}
    assert 1 <= running <= 2


def test_on_weekends_only_who_works_then_has_time(app: Application, session: Session) -> None:
    demo.add(app.engine, demo.Plan(entries=1200, years=1), now=NOON)
    weekdays = {
        user.full_name: {
            (clock.local(entry.started_at, user.zone) - timedelta(hours=4)).weekday()  # a night belongs to its evening
            for entry in entries_of(session, user)
        }
        for user in people(session)
    }
    assert weekdays.pop("Aylin Demir") == {0, 1, 2, 3}
    assert weekdays.pop("Lukas Novák") == {1, 2, 3, 4, 5}
    assert all(days == {0, 1, 2, 3, 4} for days in weekdays.values())


def test_work_is_on_projects_that_were_open_then(app: Application, session: Session) -> None:
    demo.add(app.engine, demo.Plan(years=1), now=NOON)
    projects = {project.id: project for project in session.scalars(select(Project))}
    archived = [project for project in projects.values() if project.archived_at]
    assert archived
    assert any(not project.billable for project in projects.values())
    used = set()
    for entry in session.scalars(select(TimeEntry).where(TimeEntry.project_id.is_not(None))):
        project = projects[entry.project_id or 0]
        used.add(project.id)
        assert project.created_at <= entry.started_at
        assert project.archived_at is None or (entry.ended_at or NOON) <= project.archived_at
        assert project.billable or not entry.billable
    assert used == set(projects)


def test_what_was_timed_and_typed_is_told_apart(app: Application, session: Session) -> None:
    demo.add(app.engine, demo.Plan(years=1), now=NOON)
    typed = list(session.scalars(select(TimeEntry).where(TimeEntry.source == Source.MANUAL)))
    timed = list(session.scalars(select(TimeEntry).where(TimeEntry.source == Source.TIMER)))
    assert len(typed) > 300
    assert len(timed) > 1000
    assert not any(e.started_at.timestamp() % 300 for e in typed)
    assert sum(e.started_at.second > 0 for e in timed) > 0.9 * len(timed)


@pytest.mark.parametrize(("language", "word"), [("en", "Website relaunch"), ("de", "Neue Website")])
def test_it_speaks_english_or_german(app: Application, session: Session, language: str, word: str) -> None:
    demo.add(app.engine, demo.Plan(entries=2000, years=1, language=language), now=NOON)
    assert word in set(session.scalars(select(Project.name)))
    descriptions = set(session.scalars(select(TimeEntry.description)))
    assert len(descriptions) > 200
    assert not any("{" in text or len(text) > 100 for text in descriptions)


@pytest.mark.parametrize("seed", [1, 7])
def test_the_same_plan_makes_the_same_company(app: Application, session: Session, seed: int) -> None:
    plan = demo.Plan(users=8, entries=500, years=1, seed=seed)
    demo.add(app.engine, plan, now=NOON)
    first = told(session)
    demo.remove(app.engine, now=NOON)
    demo.add(app.engine, plan, now=NOON)
    assert told(session) == first


def test_another_seed_makes_another_company(app: Application, session: Session) -> None:
    demo.add(app.engine, SMALL, now=NOON)
    first = told(session)
    demo.remove(app.engine, now=NOON)
    demo.add(app.engine, demo.Plan(entries=400, years=1, seed=2), now=NOON)
    assert told(session) != first


def test_only_one_can_sign_in_and_is_no_administrator(
    app: Application, session: Session, administrator: User, browser: Callable[[], Browser]
) -> None:
    made = demo.add(app.engine, SMALL, now=NOON)
    with_password = [user for user in people(session) if user.password_hash]
    assert [user.username for user in with_password] == [made.username]
    assert not any(user.is_admin for user in people(session))
    visitor = browser()
    assert visitor.sign_in(made.username, made.password).status_code == 303
    assert made.full_name in visitor.get("/profile").text
    assert browser().sign_in("jonas.weber", made.password).status_code == 422


@pytest.mark.engines
@pytest.mark.parametrize("is_deleted", [False, True])
def test_where_somebody_entered_time_it_is_refused(
    app: Application, session: Session, owner: User, is_deleted: bool, everything: Callable[[], dict[str, int]]
) -> None:
    entry = add_entry(session, owner, NINE)
    if is_deleted:
        entry.delete(NOON)
    session.commit()
    before = everything()
    with pytest.raises(Conflict, match="entered time here"):
        demo.add(app.engine, SMALL, now=NOON)
    assert everything() == before


def test_a_second_demo_is_refused_and_told_how_to_remove_the_first(app: Application) -> None:
    demo.add(app.engine, SMALL, now=NOON)
    with pytest.raises(Conflict, match="timetracker demo --remove"):
        demo.add(app.engine, SMALL, now=NOON)


def test_of_two_at_once_one_is_refused(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "_refuse_unless_welcome", lambda _session: None)  # both had looked before either wrote
    demo.add(app.engine, SMALL, now=NOON)
    with pytest.raises(Conflict, match="there already"):
        demo.add(app.engine, SMALL, now=NOON)


def test_entries_that_do_not_fit_are_refused_before_anything_is_made(
    app: Application, everything: Callable[[], dict[str, int]]
) -> None:
    before = everything()
    with pytest.raises(Refused, match="do not fit"):
        demo.add(app.engine, demo.Plan(users=1, entries=10**6, years=1), now=NOON)
    assert everything() == before


def test_names_that_are_taken_are_left_to_who_has_them(app: Application, session: Session, owner: User) -> None:
    owner.username, owner.username_key = "mia.berger", "mia.berger"
    session.commit()
    own = catalogue.save_client(session, owner, None, name="Northwind Trading", color=0, now=NOON)
    tags = catalogue.tags_named(session, owner, ["Urgent"], NOON)
    session.commit()

    made = demo.add(app.engine, SMALL, now=NOON)

    assert made.username == "mia.berger2"
    assert session.scalars(select(Client.created_by_id).where(Client.name == own.name)).one() == owner.id
    assert len(session.scalars(select(Tag).where(Tag.name.ilike("urgent"))).all()) == 1
    demo.remove(app.engine, now=NOON)
    assert session.scalars(select(Tag.id)).all() == [tags[0].id]
    assert session.scalars(select(Client.id)).all() == [own.id]


@pytest.mark.parametrize("users", [1, 2, 30])
def test_small_and_large_companies_are_made(app: Application, session: Session, users: int) -> None:
    made = demo.add(app.engine, demo.Plan(users=users, projects=users, entries=100, years=1), now=NOON)
    assert (made.people, made.projects, made.entries) == (users, users, 100)
    assert len({user.username for user in people(session)}) == users


@pytest.mark.parametrize("within", [0, 60])
def test_it_stops_when_it_is_taken_away_meanwhile(
    app: Application, monkeypatch: pytest.MonkeyPatch, everything: Callable[[], dict[str, int]], within: float
) -> None:
    monkeypatch.setattr(adding, "BATCH", 50)
    before = everything()

    def begin_to_remove(_entries: int) -> None:
        demo.remove(app.engine, now=NOON, within=within)

    with pytest.raises(Conflict, match="taken away while it was made"):
        demo.add(app.engine, SMALL, now=NOON, progress=begin_to_remove)
    demo.remove(app.engine, now=NOON)
    assert everything() == before
