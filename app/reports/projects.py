"""Lists of clients, projects and tags, and the projects a person may choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.models import Client, Project, Tag, Task, User

T = TypeVar("T")
MOST_CHOICES = 1000
PAGE = 200


@dataclass(frozen=True)
class Choice:
    """A line of a menu of projects."""

    id: int
    label: str
    color: int


def choices(session: Session, user: User, *, chosen: Project | None = None) -> list[Choice]:
    """Open projects in the order of their names, and the one chosen already even if it is archived."""
    found = [Choice(key, label(name, client), color) for key, name, client, color in session.execute(_open_ones(user))]
    if chosen is not None and all(choice.id != chosen.id for choice in found):
        client = chosen.client.name if chosen.client else None
        found.insert(0, Choice(chosen.id, label(chosen.name, client), chosen.color))
    return found


def _open_ones(user: User) -> Select[int, str, str, int]:
    return Project.names_of_open(user).add_columns(Project.color).limit(MOST_CHOICES)


def client_choices(session: Session, user: User, *, chosen: Client | None = None) -> list[Choice]:
    """Active clients in the order of their names, and the one chosen already even if it is archived."""
    active = (
        Client.visible_to(user)
        .with_only_columns(Client.id, Client.name, Client.color)
        .where(Client.archived_at.is_(None))
        .order_by(func.lower(Client.name), Client.id)
        .limit(MOST_CHOICES)
    )
    found = [Choice(key, name, color) for key, name, color in session.execute(active)]
    if chosen is not None and all(choice.id != chosen.id for choice in found):
        found.insert(0, Choice(chosen.id, chosen.name, chosen.color))
    return found


def label(project: str, client: str | None) -> str:
    """What a project is called in a menu, with its client."""
    return f"{project} · {client}" if client else project


def clients(session: Session, user: User, *, archived: bool, search: str = "", page: int = 1) -> Sequence[Client]:
    """A page of clients by name, and one more where there are further ones."""
    shown = _archived(Client.visible_to(user), Client, archived=archived)
    if search:
        shown = shown.where(Client.name.icontains(search, autoescape=True))
    return session.scalars(_page(shown.order_by(func.lower(Client.name), Client.id), page)).all()


def projects(session: Session, user: User, *, archived: bool, search: str = "", page: int = 1) -> Sequence[Project]:
    """A page of projects by name, and one more where there are further ones."""
    shown = _archived(Project.visible_to(user), Project, archived=archived)
    if search:
        shown = shown.where(Project.name.icontains(search, autoescape=True))
    return session.scalars(_page(shown.order_by(func.lower(Project.name), Project.id), page)).all()


def tasks(session: Session, project: Project, *, page: int = 1) -> Sequence[Task]:
    """A page of a project's tasks by name, and one more where there are further ones."""
    shown = select(Task).where(Task.project_id == project.id)
    return session.scalars(_page(shown.order_by(func.lower(Task.name), Task.id), page)).all()


def tags(session: Session, user: User, *, search: str = "", page: int = 1) -> Sequence[Tag]:
    """A page of tags by name, and one more where there are further ones."""
    shown = Tag.visible_to(user)
    if search:
        shown = shown.where(Tag.name.icontains(search, autoescape=True))
    return session.scalars(_page(shown.order_by(func.lower(Tag.name), Tag.id), page)).all()


def _archived(rows: Select[T], kind: type[Client | Project], *, archived: bool) -> Select[T]:
    return rows.where(kind.archived_at.is_not(None) if archived else kind.archived_at.is_(None))


def _page(rows: Select[T], page: int) -> Select[T]:
    return rows.limit(PAGE + 1).offset((page - 1) * PAGE)
