"""Clients, projects, tasks and tags: what time is booked on. They belong to the installation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask_babel import lazy_gettext as _
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app import db
from app.errors import Conflict, Refused
from app.models import Client, Project, Tag, Task, User
from app.models.client import COLORS

LONGEST_NAME = 200
LONGEST_TAG = 100


def save_client(session: Session, user: User, client: Client | None, *, name: str, color: int, now: datetime) -> Client:
    """Adds a client, or changes the one given. Raises Refused for a name that is taken."""
    alone(session, user)
    if _is_taken(session, _of_client_name(name), client):
        raise Refused(_("There is a client of this name already."), "name")
    if client is None:
        client = Client(created_by_id=user.id, created_at=now)
        session.add(client)
    client.name, client.color = name, color
    session.flush()
    return client


def save_project(
    session: Session,
    user: User,
    project: Project | None,
    *,
    name: str,
    client: Client | None,
    color: int,
    billable: bool,
    now: datetime,
) -> Project:
    """Adds a project, or changes the one given. Raises Refused for a name the client's open projects have."""
    alone(session, user, project, client)
    if client is not None and client.deleted_at is not None:
        raise Refused(_("This client is gone. Choose another."), "client")
    if _is_taken(session, _open_of_name(name, client.id if client else None), project):
        raise Refused(_taken_project_name(client is not None), "name")
    if project is None:
        project = Project(created_by_id=user.id, created_at=now)
        session.add(project)
    project.name, project.client, project.color, project.billable = name, client, color, billable
    session.flush()
    return project


def save_tag(session: Session, user: User, tag: Tag, *, name: str) -> None:
    """Renames a tag. Raises Refused for a name another tag has, whatever the case."""
    alone(session, user)
    same = _tags_in_any_case(session, {name.casefold(): name}).get(name.casefold())
    if same is not None and same.id != tag.id:
        raise Refused(_("There is a tag of this name already."), "name")
    tag.name = name
    session.flush()


def rename_task(session: Session, user: User, task: Task, *, name: str) -> None:
    """Raises Refused for a name another task of the project has: time is booked on tasks by their names."""
    alone(session, user)
    same = select(Task.id).where(Task.project_id == task.project_id, Task.name == name, Task.id != task.id)
    if session.scalar(same.limit(1)) is not None:
        raise Refused(_("The project has a task of this name already."), "name")
    task.name = name
    session.flush()


def archive(session: Session, user: User, record: Client | Project, *, now: datetime) -> None:
    alone(session, user, record)
    record.archive(now)


def restore(session: Session, user: User, record: Client | Project) -> None:
    """Brings an archived one back. Raises Conflict when an open project of the client took its name meanwhile."""
    alone(session, user, record)
    if isinstance(record, Project):
        refuse_taken_name(session, record)
    record.restore()


def refuse_taken_name(session: Session, record: Client | Project | Tag) -> None:
    """Raises Conflict when the name of a record that comes back was given to another one meanwhile."""
    if isinstance(record, Client) and _is_taken(session, _of_client_name(record.name), record):
        raise Conflict(_("There is another client of this name now. Rename that one first."))
    if isinstance(record, Project) and _is_taken(session, _open_of_name(record.name, record.client_id), record):
        raise Conflict(_("There is another project of this name now. Rename one of them first."))
    if isinstance(record, Tag) and _tags_in_any_case(session, {record.name.casefold(): record.name}):
        raise Conflict(_("There is another tag of this name now. Rename that one first."))


def _taken_project_name(of_client: bool) -> Any:
    if of_client:
        return _("This client has a project of this name already.")
    return _("There is a project of this name already.")


def _of_client_name(name: str) -> Select[int]:
    return select(Client.id).where(Client.name == name, Client.deleted_at.is_(None))


def _open_of_name(name: str, client_id: int | None) -> Select[int]:
    same = Project.client_id == client_id if client_id else Project.client_id.is_(None)
    return select(Project.id).where(
        Project.name == name, same, Project.archived_at.is_(None), Project.deleted_at.is_(None)
    )


def next_color(session: Session, kind: type[Client | Project]) -> int:
    """The colour a new record starts with, so that neighbours differ."""
    return (session.scalar(select(func.count()).select_from(kind)) or 0) % COLORS


def task_named(session: Session, user: User, project: Project, name: str, now: datetime) -> Task:
    """The project's task of that name, made where there is none."""
    of_name = select(Task).where(Task.project_id == project.id, Task.name == name).order_by(Task.id).limit(1)
    found = session.scalar(of_name)
    if found is None:
        alone(session, user)
        found = session.scalar(of_name)
    if found is None:
        found = Task(project_id=project.id, name=name, created_by_id=user.id, created_at=now)
        session.add(found)
        session.flush()
    return found


def tags_named(session: Session, user: User, names: Sequence[str], now: datetime) -> list[Tag]:
    """The tags of those names, made where there are none; case sets no two tags apart when one of them exists."""
    if not names:
        return []
    wanted = {name.casefold(): name for name in names}
    found = {tag.name.casefold(): tag for tag in _tags_like(session, wanted)}
    missing = [name for key, name in wanted.items() if key not in found]
    if missing:
        alone(session, user)
        found = _tags_in_any_case(session, wanted) | found
    for key, name in wanted.items():
        if key not in found:
            found[key] = Tag(name=name, created_by_id=user.id, created_at=now)
            session.add(found[key])
    session.flush()
    return [found[key] for key in wanted]


def _tags_like(session: Session, wanted: dict[str, str]) -> Sequence[Tag]:
    """By the exact word and by its lower case, which is all that an index answers on both engines."""
    alike = select(Tag).where(Tag.name.in_([*wanted.values(), *wanted]), Tag.deleted_at.is_(None))
    return session.scalars(alike.order_by(Tag.id.desc())).all()


def _tags_in_any_case(session: Session, wanted: dict[str, str]) -> dict[str, Tag]:
    """Read through all names, as no index folds alike on both engines; only before a tag is made."""
    keys = {
        key: name.casefold() for key, name in session.execute(select(Tag.id, Tag.name).where(Tag.deleted_at.is_(None)))
    }
    alike = select(Tag).where(Tag.id.in_([key for key, folded in keys.items() if folded in wanted]))
    return {tag.name.casefold(): tag for tag in session.scalars(alike.order_by(Tag.id.desc()))}


def alone(session: Session, user: User, *records: Client | Project | Tag | None) -> None:
    """Until the commit nobody else changes the catalogue, and the person's other pages will notice the change.

    The records are read anew, as somebody may have changed them before.

    The person's lock comes first, as in the verbs of the timer: in another order two requests of one person would
    wait for each other.
    """
    db.lock(session, user)
    db.serialise(session, "catalogue")
    user.changes += 1
    for record in records:
        if record is not None:
            session.refresh(record)


def _is_taken(session: Session, same_name: Select[int], record: Client | Project | None) -> bool:
    return any(record is None or found != record.id for found in session.scalars(same_name))
