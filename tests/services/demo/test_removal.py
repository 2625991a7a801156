"""A demo goes as a whole, however it was left, and nothing of anybody else goes with it."""

import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import storage
from app.db import Application
from app.errors import Conflict
from app.models import Client, ImportRun, Project, Role, Source, Tag, Task, TimeEntry, TimeEntryChange, User
from app.models.subject import Subject
from app.services import accounts, attachments, avatars, catalogue, demo, time_entries
from app.services.demo import adding, faces, removal
from app.services.demo.faces import Look
from app.services.quotas import Quotas
from app.services.time_entries import Span
from tests.conftest import NOON, Browser

SMALL = demo.Plan(users=2, projects=8, entries=120, years=1)
LATER = NOON + timedelta(hours=1)


class Killed(BaseException):
    pass


def kill_after(steps: int) -> Callable[[int], None]:
    def count(_entries: int) -> None:
        nonlocal steps
        steps -= 1
        if not steps:
            raise Killed

    return count


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "BATCH", 20)
    monkeypatch.setattr(removal, "BATCH", 20)
    monkeypatch.setattr(removal, "_FEW", 7)


@pytest.mark.engines
@pytest.mark.usefixtures("few_at_once", "owner")
def test_all_of_it_goes(app: Application, session: Session, everything: Callable[[], dict[str, int]]) -> None:
    before = everything()
    made = demo.add(app.engine, SMALL, now=NOON)

    gone = demo.remove(app.engine, now=LATER)

    assert everything() == before
    assert gone == demo.Removed(made.entries, made.clients, made.projects, made.tasks, made.tags, made.people, left=0)
    assert not demo.is_there(session)


@pytest.mark.usefixtures("administrator")
def test_what_was_done_with_it_goes_too(
    app: Application, session: Session, browser: Callable[[], Browser], everything: Callable[[], dict[str, int]]
) -> None:
    before = everything()
    made = demo.add(app.engine, SMALL, now=NOON)
    visitor = browser()
    visitor.sign_in(made.username, made.password)
    visitor.post("/timer/start", {"description": "own work", "project": "a new project", "tags": "mine"})
    mia = User.named(session, made.username)
    picture = faces.draw(Look(skin=0, hair=0, cut="bald", shirt=0))
    avatars.replace(session, mia, picture, "me.png", NOON)
    entry = session.scalars(select(TimeEntry).where(TimeEntry.user_id == mia.id).limit(1)).one()
    entry.delete(NOON)
    session.add(TimeEntryChange(act="a", user_id=mia.id, time_entry_id=entry.id, version=2, former="{}", at=NOON))
    kept = session.scalars(
        select(TimeEntry).where(TimeEntry.user_id == mia.id, TimeEntry.id != entry.id).limit(1)
    ).one()
    for holder in (kept, session.scalars(select(Project).limit(1)).one()):
        file = attachments.Sent(io.BytesIO(b"words"), "notes.txt")
        attachments.add(session, mia, holder, [file], quotas=Quotas(), now=NOON)
    session.add(ImportRun(user_id=mia.id, source=Source.TOGGL, file_name="x.csv", created_at=NOON))
    accounts.make_link(session, accounts.Purpose.RESET, mia, NOON)
    session.commit()

    assert demo.remove(app.engine, now=LATER).left == 0

    assert everything() == before | {"sign_in_attempts": everything()["sign_in_attempts"]}
    assert visitor.get("/").status_code == 303
    assert list(storage.store().list("attachments")) == []


def book(session: Session, user: User, project: Project, task: Task, tag: Tag) -> TimeEntry:
    subject = Subject("real work", project, task, [tag])
    return time_entries.add(session, user, subject, Span(NOON - timedelta(hours=1), NOON, user.zone), now=NOON)


@pytest.mark.engines
def test_what_somebody_else_uses_stays(app: Application, session: Session, owner: User) -> None:
    demo.add(app.engine, SMALL, now=NOON)
    projects = session.scalars(select(Project).where(Project.client_id.is_not(None)).order_by(Project.id)).all()
    booked, extended = projects[0], projects[1]
    task = session.scalars(select(Task).where(Task.project_id == booked.id).limit(1)).one()
    tag = session.scalars(select(Tag).limit(1)).one()
    entry = book(session, owner, booked, task, tag)
    own_task = catalogue.task_named(session, owner, extended, "own task", NOON)
    lent = session.get_one(Client, projects[2].client_id)
    filed = projects[3]
    sheet = attachments.Sent(io.BytesIO(b"words"), "notes.txt")
    attachments.add(session, owner, filed, [sheet], quotas=Quotas(), now=NOON)
    own_project = catalogue.save_project(
        session, owner, None, name="own", client=lent, color=0, billable=True, now=NOON
    )
    session.commit()

    gone = demo.remove(app.engine, now=LATER)

    session.expire_all()
    assert gone.left == 0
    assert session.scalars(select(TimeEntry.id)).all() == [entry.id]
    assert set(session.scalars(select(Project.id))) == {booked.id, extended.id, own_project.id, filed.id}
    assert set(session.scalars(select(Task.id))) == {task.id, own_task.id}
    assert session.scalars(select(Tag.id)).all() == [tag.id]
    assert set(session.scalars(select(Client.id))) == {booked.client_id, extended.client_id, lent.id, filed.client_id}
    assert {booked.created_by_id, task.created_by_id, tag.created_by_id, lent.created_by_id} == {None}
    assert own_project.created_by_id == own_task.created_by_id == owner.id


@pytest.mark.engines
@pytest.mark.usefixtures("few_at_once", "owner")
@pytest.mark.parametrize("steps", [1, 5])
def test_a_demo_killed_half_way_goes_too(
    app: Application, session: Session, steps: int, everything: Callable[[], dict[str, int]]
) -> None:
    before = everything()
    with pytest.raises(Killed):
        demo.add(app.engine, SMALL, now=NOON, progress=kill_after(steps))
    assert demo.is_there(session)
    demo.remove(app.engine, now=LATER)
    assert everything() == before


@pytest.mark.usefixtures("owner")
def test_a_picture_whose_row_was_never_written_goes_too(
    app: Application, session: Session, everything: Callable[[], dict[str, int]]
) -> None:
    before = everything()
    made = demo.add(app.engine, SMALL, now=NOON)
    mia = User.named(session, made.username)
    storage.store().put(f"{storage.AVATARS}/avatar_{mia.id}_0badcafe.webp", io.BytesIO(b"x"))
    demo.remove(app.engine, now=LATER)
    assert everything() == before


@pytest.mark.engines
@pytest.mark.usefixtures("few_at_once", "owner")
@pytest.mark.parametrize("steps", [1, 10, 20])
def test_a_removal_killed_half_way_goes_on(
    app: Application, steps: int, everything: Callable[[], dict[str, int]]
) -> None:
    before = everything()
    demo.add(app.engine, SMALL, now=NOON)
    with pytest.raises(Killed):
        demo.remove(app.engine, now=LATER, progress=kill_after(steps))
    assert everything() != before
    assert demo.remove(app.engine, now=LATER).left == 0
    assert everything() == before


@pytest.mark.usefixtures("few_at_once", "owner")
def test_it_stops_after_a_time_and_tells_what_is_left(
    app: Application, everything: Callable[[], dict[str, int]]
) -> None:
    before = everything()
    demo.add(app.engine, SMALL, now=NOON)
    left = [demo.remove(app.engine, now=LATER, within=0).left for _call in range(3)]
    assert left[:2] == [122 - 20, 122 - 40]
    assert 0 < left[2] < left[1]
    assert demo.remove(app.engine, now=LATER, within=60).left == 0
    assert everything() == before


@pytest.mark.usefixtures("administrator")
def test_while_it_goes_nobody_of_it_enters_anything(
    app: Application, session: Session, browser: Callable[[], Browser]
) -> None:
    made = demo.add(app.engine, SMALL, now=NOON)
    visitor = browser()
    visitor.sign_in(made.username, made.password)
    assert demo.remove(app.engine, now=LATER, within=0).left
    assert visitor.get("/").status_code == 303
    assert browser().sign_in(made.username, made.password).status_code == 422
    with pytest.raises(Conflict):
        demo.add(app.engine, SMALL, now=LATER)


def test_the_last_administrator_is_not_removed(
    app: Application, session: Session, administrator: User, everything: Callable[[], dict[str, int]]
) -> None:
    made = demo.add(app.engine, SMALL, now=NOON)
    accounts.change_role(session, User.named(session, made.username), Role.ADMIN)
    session.commit()
    accounts.disable(session, administrator, NOON)
    session.commit()
    before = everything()
    with pytest.raises(Conflict, match="last administrator"):
        demo.remove(app.engine, now=LATER)
    assert everything() == before
    assert all(user.is_active for user in session.scalars(select(User).where(User.is_demo)))


def test_where_there_is_none_nothing_happens(
    app: Application, owner: User, everything: Callable[[], dict[str, int]]
) -> None:
    before = everything()
    assert demo.remove(app.engine, now=NOON) == demo.Removed()
    assert everything() == before
