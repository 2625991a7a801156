"""Brings a company that never was into the database, marked so that all of it can be taken away.

People come first and carry the mark; what follows is written in short batches under the lock of the person it belongs
to. Killed at any moment, it leaves nothing that `remove` does not find.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, islice
from random import Random
from typing import Any, cast

from flask_babel import lazy_gettext as _
from sqlalchemy import Engine, Table, insert, select
from sqlalchemy.orm import Session

from app import clock, db
from app.errors import Conflict
from app.models import Client, Installation, Project, Source, Task, TimeEntry, User, time_entry_tags
from app.models.client import COLORS
from app.models.user import fold
from app.services import accounts, avatars, catalogue, passwords
from app.services.demo import company, faces, habits, rota, work
from app.services.demo.company import Company, Person
from app.services.demo.habits import Span
from app.services.demo.plan import Made, Plan, Progress
from app.services.demo.rota import Worker
from app.services.demo.work import Desk, Item, Stored

BATCH = 1000  # entries: a twentieth of a second here, and well under half a second on a small machine

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none is taken for another

_ENTRIES = cast("Table", TimeEntry.__table__)

Row = dict[str, Any]


@dataclass(frozen=True)
class _Books:
    """What time is booked on, as stored."""

    projects: Sequence[Stored]
    tags: Sequence[int]


def is_there(session: Session) -> bool:
    """Whether people of a demo are stored, be it whole or not."""
    return session.scalar(select(User.id).where(User.is_demo).limit(1)) is not None


def add(engine: Engine, plan: Plan, *, now: datetime, progress: Progress = lambda _entries: None) -> Made:
    """Makes the company. Raises Conflict where real time or a demo is stored, Refused where the entries do not fit.

    A store must be in use and its root claimed, as pictures are kept.
    """
    firm, workers = _imagined(engine, plan, now)
    password = _random_password()
    users = _hire(engine, workers, password)
    books = _open_books(engine, users[0].id, firm, now)
    for user, worker in zip(users, workers, strict=True):
        _keep_face(engine, user.id, worker.person, now)
    entries = 0
    for user, worker in zip(users, workers, strict=True):
        desk = Desk(worker.place, len(workers), books.projects, books.tags, firm.words)
        entries += _write(engine, user.id, _rows(worker, desk, user.id), progress)
    return Made(
        people=len(users),
        clients=len(firm.clients),
        projects=len(firm.projects),
        tasks=sum(len(project.tasks) for project in firm.projects),
        tags=len(books.tags),
        entries=entries,
        username=users[0].username,
        full_name=users[0].full_name,
        password=password,
    )


def _imagined(engine: Engine, plan: Plan, now: datetime) -> tuple[Company, list[Worker]]:
    with db.reading(engine) as session:
        _refuse_unless_welcome(session)
        home = clock.zone(Installation.this(session).time_zone)
        taken = set(session.scalars(select(Client.name).where(Client.deleted_at.is_(None))))
    today = clock.local_date(now, home)
    first = today - timedelta(days=365 * plan.years)
    firm = company.found(
        plan.users, plan.projects, first=first, today=today, seed=plan.seed, language=plan.language, taken=taken
    )
    return firm, rota.draw_up(firm, plan, first=first, now=now, home=home)


def _refuse_unless_welcome(session: Session) -> None:
    _refuse_a_second(session)
    real = select(TimeEntry.id).join(User, User.id == TimeEntry.user_id).where(User.is_demo.is_(False))
    if session.scalar(real.limit(1)) is not None:
        raise Conflict(
            _("Somebody has entered time here, and a demo would mix with it. Make one in another installation.")
        )


def _refuse_a_second(session: Session) -> None:
    if is_there(session):
        raise Conflict(_("A demo is there already. `timetracker demo --remove` takes it away."))


def _random_password() -> str:
    """Three groups of four letters: 59 bits, easily typed."""
    return "-".join("".join(secrets.choice(_LETTERS) for _place in range(4)) for _group in range(3))


def _hire(engine: Engine, workers: Sequence[Worker], password: str) -> list[User]:
    """The people, marked, the first with a password."""
    password_hash = passwords.hashed(password)
    with db.transaction(engine) as session:
        db.serialise(session, "demo")
        _refuse_a_second(session)  # asked again: of two at once, one waited here
        users = [_new_user(session, worker) for worker in workers]
        users[0].password_hash = password_hash
    return users


def _new_user(session: Session, worker: Worker) -> User:
    user = accounts.create(
        session,
        _free_username(session, worker.person.username),
        now=_morning_of(worker.period.first),
        full_name=worker.person.full_name,
    )
    user.is_demo, user.time_zone = True, worker.period.zone.key
    return user


def _free_username(session: Session, wanted: str) -> str:
    names = (f"{wanted}{number}" if number > 1 else wanted for number in count(1))
    taken = select(User.id).where
    return next(name for name in names if session.scalar(taken(User.username_key == fold(name))) is None)


def _keep_face(engine: Engine, user_id: int, person: Person, now: datetime) -> None:
    if person.look is None:
        return
    picture = faces.draw(person.look)
    with db.transaction(engine) as session:
        avatars.replace(session, session.get_one(User, user_id), picture, f"{person.username}.png", now)


# What time is booked on


def _open_books(engine: Engine, founder_id: int, firm: Company, now: datetime) -> _Books:
    """Clients, projects, tasks and tags, all made by one person; a tag that is there already is used."""
    with db.transaction(engine) as session:
        founder = _locked(session, founder_id)
        db.serialise(session, "catalogue")
        opened = _morning_of(min(project.opens for project in firm.projects))
        clients = {
            name: Client(name=name, color=place % COLORS, created_by_id=founder_id, created_at=opened)
            for place, name in enumerate(firm.clients)
        }
        projects = [_new_project(project, clients.get(project.client), founder_id) for project in firm.projects]
        session.add_all([*clients.values(), *projects])
        session.flush()
        tasks = [_new_tasks(project, stored) for project, stored in zip(firm.projects, projects, strict=True)]
        session.add_all(task for of_project in tasks for task in of_project)
        session.flush()
        tags = catalogue.tags_named(session, founder, firm.words.tags, now)
        stored = map(_stored, firm.projects, projects, tasks)
        return _Books(list(stored), [tag.id for tag in tags])


def _new_project(project: company.Project, client: Client | None, founder_id: int) -> Project:
    return Project(
        name=project.name,
        client=client,
        color=project.color,
        billable=project.billable,
        archived_at=_morning_of(project.closes) if project.closes else None,
        created_by_id=founder_id,
        created_at=_morning_of(project.opens),
    )


def _new_tasks(project: company.Project, stored: Project) -> list[Task]:
    return [
        Task(project_id=stored.id, name=task.name, created_by_id=stored.created_by_id, created_at=stored.created_at)
        for task in project.tasks
    ]


def _stored(project: company.Project, stored: Project, tasks: Sequence[Task]) -> Stored:
    named = [work.Task(task.id, idea.phrases) for task, idea in zip(tasks, project.tasks, strict=True)]
    return Stored(stored.id, project, named)


def _morning_of(day: date) -> datetime:
    return datetime.combine(day, time(7), UTC)


# Time


def _write(engine: Engine, user_id: int, rows: Iterator[tuple[Row, Sequence[int]]], progress: Progress) -> int:
    """Stores rows with the ids of their tags, and says how many."""
    written = 0
    while batch := list(islice(rows, BATCH)):
        with db.transaction(engine) as session:
            _locked(session, user_id)
            _insert(session, batch)
        written += len(batch)
        progress(len(batch))
    return written


def _locked(session: Session, user_id: int) -> User:
    """The person, as long as nobody takes the demo away meanwhile. Raises Conflict."""
    user = session.get(User, user_id)
    if user is not None:
        db.lock(session, user)
    if user is None or not user.is_active:
        raise Conflict(_("The demo was taken away while it was made. It stopped."))
    return user


def _insert(session: Session, batch: Sequence[tuple[Row, Sequence[int]]]) -> None:
    """Past the mapper, which would send rows with and without a task apart; the ids of the new rows by their start.

    Asked back with each row (RETURNING) they would cost PostgreSQL's driver twice the time.
    """
    rows = [row for row, _tags in batch]
    session.execute(insert(_ENTRIES), rows)
    within = _ENTRIES.c.started_at.between(rows[0]["started_at"], rows[-1]["started_at"])
    stored = select(_ENTRIES.c.started_at, _ENTRIES.c.id).where(_ENTRIES.c.user_id == rows[0]["user_id"], within)
    ids = {row.started_at: row.id for row in session.execute(stored)}
    links = [{"time_entry_id": ids[row["started_at"]], "tag_id": tag} for row, tags in batch for tag in tags]
    if links:
        session.execute(insert(time_entry_tags), links)


def _rows(worker: Worker, desk: Desk, user_id: int) -> Iterator[tuple[Row, Sequence[int]]]:
    """A person's time entries one by one, the oldest first, with the ids of their tags."""
    random = Random(worker.seed)  # noqa: S311 - chance that can be repeated
    own = {"user_id": user_id, "time_zone": worker.period.zone.key, "timer_slot": 0, "version": 1}
    for shift, spans in habits.spans(worker.shifts(), worker.seconds, worker.entries, random):
        projects = desk.of(shift.day, len(spans), random)
        for span in spans:
            item = desk.item(projects, random)
            yield own | _ended(span) | _about(item), item.tag_ids
    if worker.running is not None:
        item = desk.item(desk.of(worker.period.today, 1, random), random)
        yield own | _running(worker.running, worker.period.today) | _about(item), item.tag_ids


def _about(item: Item) -> Row:
    return {
        "project_id": item.project_id,
        "task_id": item.task_id,
        "description": item.description,
        "billable": item.billable,
    }


def _ended(span: Span) -> Row:
    return {
        "started_at": span.start,
        "ended_at": span.end,
        "local_date": span.local_date,
        "source": Source.MANUAL if span.by_hand else Source.TIMER,
        "created_at": span.end if span.by_hand else span.start,
        "updated_at": span.end,
    }


def _running(since: datetime, today: date) -> Row:
    return {
        "started_at": since,
        "ended_at": None,
        "local_date": today,
        "source": Source.TIMER,
        "created_at": since,
        "updated_at": since,
    }
