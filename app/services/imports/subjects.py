"""Clients, projects, tasks and tags by the exact names of imported rows: found, archived ones too, or made."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import db
from app.models import Client, Project, Tag, Task
from app.models.client import COLORS
from app.services import catalogue
from app.services.imports.rows import Row

FEW = 500  # names asked for at once: far below what a statement can hold


class Kind(StrEnum):
    CLIENT = "client"
    PROJECT = "project"
    TASK = "task"
    TAG = "tag"


class Name(NamedTuple):
    """What is found by it, its own name, and the names of what it lies within."""

    kind: Kind
    word: str
    client: str = ""
    project: str = ""


@dataclass
class Directory:
    """Ids by name, as far as an import has met them; `made` are those it had to make (or, in a preview, would)."""

    billable: frozenset[Name] = frozenset()  # projects any row of which is billable: so are they, when made
    ids: dict[Name, int] = field(default_factory=dict)
    made: dict[Name, None] = field(default_factory=dict)

    def missing(self, names: Iterable[Name]) -> list[Name]:
        return [name for name in dict.fromkeys(names) if name not in self.ids]

    def count_made(self) -> Counter[Kind]:
        return Counter(name.kind for name in self.made)


def directory(rows: Iterable[Row]) -> Directory:
    """An empty one for an import of `rows`."""
    return Directory(frozenset(project_name(row) for row in rows if row.project and row.billable))


def project_name(row: Row) -> Name:
    return Name(Kind.PROJECT, row.project, row.client)


def task_name(row: Row) -> Name:
    return Name(Kind.TASK, row.task, row.client, row.project)


def tag_names(row: Row) -> list[Name]:
    return [Name(Kind.TAG, tag) for tag in row.tags]


def names(row: Row) -> list[Name]:
    """All that a row needs."""
    found = tag_names(row)
    if row.client:
        found.append(Name(Kind.CLIENT, row.client))
    if row.project:
        found.append(project_name(row))
    if row.task:
        found.append(task_name(row))
    return found


def find(session: Session, known: Directory, rows: Iterable[Row]) -> list[Name]:
    """Looks up what the rows name; returns what there is not."""
    wanted = known.missing(name for row in rows for name in names(row))
    for start in range(0, len(wanted), FEW):
        few = wanted[start : start + FEW]
        _find_clients(session, known, _last_words(few, Kind.CLIENT))
        _find_projects(session, known, _last_words(few, Kind.PROJECT))
        _find_tags(session, known, _last_words(few, Kind.TAG))
    for start in range(0, len(wanted), FEW):  # after all projects, as a task is told by its project's id
        _find_tasks(session, known, [name for name in wanted[start : start + FEW] if name.kind is Kind.TASK])
    return known.missing(wanted)


def find_or_make(session: Session, known: Directory, rows: Sequence[Row], *, user_id: int, now: datetime) -> None:
    """Afterwards every name of the rows has an id."""
    if not known.missing(name for row in rows for name in names(row)):
        return
    db.serialise(session, "catalogue")
    missing = find(session, known, rows)
    known.made |= dict.fromkeys(missing)
    for make in (_clients, _projects, _tasks, _tags):
        records = make(session, known, missing)
        for record in records.values():
            record.created_by_id, record.created_at = user_id, now
        session.add_all(records.values())
        session.flush()
        known.ids |= {name: record.id for name, record in records.items()}


def billable_projects(session: Session, ids: Collection[int]) -> set[int]:
    """Those of the projects whose time is billable unless somebody says otherwise."""
    return set(session.scalars(select(Project.id).where(Project.id.in_(ids), Project.billable)))


def _last_words(wanted: Iterable[Name], kind: Kind) -> list[str]:
    return [name.word for name in wanted if name.kind is kind]


def _find_clients(session: Session, known: Directory, words: list[str]) -> None:
    for word, id_ in session.execute(
        select(Client.name, Client.id).where(Client.name.in_(words), Client.deleted_at.is_(None))
    ):
        known.ids[Name(Kind.CLIENT, word)] = id_


def _find_projects(session: Session, known: Directory, words: list[str]) -> None:
    """An open project goes before an archived one of the same name, and the older before the newer."""
    found = (
        select(func.coalesce(Client.name, ""), Project.name, Project.id)
        .outerjoin(Client, Client.id == Project.client_id)
        .where(Project.name.in_(words), Project.deleted_at.is_(None))
        .order_by(Project.archived_at.is_not(None), Project.id)
    )
    for client, word, id_ in session.execute(found):
        known.ids.setdefault(Name(Kind.PROJECT, word, client), id_)


def _find_tasks(session: Session, known: Directory, tasks: list[Name]) -> None:
    within = {Name(Kind.PROJECT, task.project, task.client) for task in tasks}
    projects = {known.ids[name]: name for name in within if name in known.ids}
    found = select(Task.project_id, Task.name, Task.id).where(
        Task.project_id.in_(projects), Task.name.in_({task.word for task in tasks})
    )
    for project_id, word, id_ in session.execute(found.order_by(Task.id)):
        project = projects[project_id]
        known.ids.setdefault(Name(Kind.TASK, word, project.client, project.word), id_)


def _find_tags(session: Session, known: Directory, words: list[str]) -> None:
    for word, id_ in session.execute(select(Tag.name, Tag.id).where(Tag.name.in_(words), Tag.deleted_at.is_(None))):
        known.ids[Name(Kind.TAG, word)] = id_


def _clients(session: Session, _known: Directory, missing: Sequence[Name]) -> dict[Name, Client]:
    color = catalogue.next_color(session, Client)
    new = [name for name in missing if name.kind is Kind.CLIENT]
    return {name: Client(name=name.word, color=(color + nth) % COLORS) for nth, name in enumerate(new)}


def _projects(session: Session, known: Directory, missing: Sequence[Name]) -> dict[Name, Project]:
    color = catalogue.next_color(session, Project)
    new = [name for name in missing if name.kind is Kind.PROJECT]
    return {
        name: Project(
            name=name.word,
            client_id=known.ids[Name(Kind.CLIENT, name.client)] if name.client else None,
            color=(color + nth) % COLORS,
            billable=name in known.billable,
        )
        for nth, name in enumerate(new)
    }


def _tasks(_session: Session, known: Directory, missing: Sequence[Name]) -> dict[Name, Task]:
    new = [name for name in missing if name.kind is Kind.TASK]
    return {
        name: Task(name=name.word, project_id=known.ids[Name(Kind.PROJECT, name.project, name.client)]) for name in new
    }


def _tags(_session: Session, _known: Directory, missing: Sequence[Name]) -> dict[Name, Tag]:
    return {name: Tag(name=name.word) for name in missing if name.kind is Kind.TAG}
