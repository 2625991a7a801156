"""A believable load: one person who enters as much each day, for as long as it takes to have so many entries.

100,000 reach back two years, 1,000,000 twenty: an installation grows by growing older, not by busier days.
"""

from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from app import clock, db
from app.config import Settings
from app.models import Client, Project, Role, Source, Tag, TimeEntry, User, time_entry_tags
from app.services import accounts, installation, schema

NAME = "anna"
PASSWORD = "a bench of oak"
BATCH = 5000
GAP = timedelta(days=730) / 100_000  # about 137 a day
TRASH_DAYS = 25
WORDS = ("review", "call", "design", "fix", "plan", "write", "test", "deploy", "draft", "meeting")


def seed(settings: Settings, entries: int) -> None:
    """A migrated installation with an administrator who has `entries` ended entries up to today.

    One in fifty of the last weeks lies in the trash.
    """
    installation.prepare_data_root(settings)
    engine = db.make_engine(settings)
    schema.migrate(engine, settings)
    with db.transaction(engine) as session:
        user = accounts.create(session, NAME, now=clock.now(), password=PASSWORD, role=Role.ADMIN)
        projects, tags = _catalogue(session, user)
    _entries(engine, user, projects, tags, entries)
    engine.dispose()


def _catalogue(session: Session, user: User) -> tuple[list[Project], list[Tag]]:
    now = clock.now()
    clients = [Client(name=f"Client {n}", color=n % 12, created_by_id=user.id, created_at=now) for n in range(12)]
    projects = [
        Project(name=f"Project {n}", client=clients[n % 12], color=n % 12, created_by_id=user.id, created_at=now)
        for n in range(60)
    ]
    tags = [Tag(name=f"tag {n}", created_by_id=user.id, created_at=now) for n in range(20)]
    session.add_all([*clients, *projects, *tags])
    session.flush()
    return projects, tags


def _entries(engine: Engine, user: User, projects: list[Project], tags: list[Tag], count: int) -> None:
    """A batch at a time: a million takes no more memory than ten thousand."""
    random, now = Random(7), clock.now()
    for first in range(1, count + 1, BATCH):
        numbers = range(first, min(first + BATCH, count + 1))
        rows = [_entry(random, number, now - GAP * (count - number + 1), user, projects, now) for number in numbers]
        links = [{"time_entry_id": number, "tag_id": random.choice(tags).id} for number in numbers]
        with db.transaction(engine) as session:
            session.execute(insert(TimeEntry), rows)
            session.execute(insert(time_entry_tags), links)


def _entry(
    random: Random, number: int, begins: datetime, user: User, projects: list[Project], now: datetime
) -> dict[str, Any]:
    begins = begins.replace(microsecond=0)
    ends = begins + timedelta(seconds=random.randrange(60, 7200))
    rests = number % 50 == 0 and now - begins < timedelta(days=TRASH_DAYS)
    return {
        "id": number,
        "user_id": user.id,
        "project_id": random.choice(projects).id,
        "description": f"{random.choice(WORDS)} {random.randrange(500)}",
        "billable": number % 3 > 0,
        "started_at": begins,
        "ended_at": ends,
        "time_zone": user.zone.key,
        "local_date": clock.local_date(begins, user.zone),
        "source": Source.MANUAL,
        "timer_slot": 0,
        "created_at": begins,
        "updated_at": begins,
        "deleted_at": now if rests else None,
    }
