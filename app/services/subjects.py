"""What time is spent on: the words of a form or a file become a project, a task and tags."""

from datetime import datetime

from flask_babel import lazy_gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import NotFound, Refused
from app.models import Project, Task, TimeEntry, User
from app.models.shared import LARGEST_ID
from app.models.subject import Subject, Words
from app.services import catalogue

MOST_NAMES = 5000  # of projects that a line is held against


def resolve(session: Session, user: User, words: Words, now: datetime, *, former: TimeEntry | None = None) -> Subject:
    """Finds the project, and finds or makes task and tags.

    An archived project is refused, unless `former` is an entry that has it already. Raises Refused.
    """
    project = _project(session, user, words.project, former)
    if words.task and project is None:
        raise Refused(_("A task belongs to a project. Choose the project, too."), "task")
    task = _task(session, user, project, words.task, now) if project and words.task else None
    tags = catalogue.tags_named(session, user, words.tags, now)
    return Subject(words.description, project, task, tags, words.billable)


def project_meant(session: Session, user: User, typed: str) -> Project | None:
    """The open project a line means: by name or client/name in any case, or by how either begins. Raises Refused."""
    if not typed:
        return None
    wanted = typed.casefold()
    called = {
        key: _called(name, client)
        for key, name, client in session.execute(Project.names_of_open(user).limit(MOST_NAMES))
    }
    exact = [key for key, names in called.items() if wanted in names]
    found = exact or [key for key, names in called.items() if any(name.startswith(wanted) for name in names)]
    if not found:
        raise Refused(_("There is no open project called %(name)s.", name=typed), "line")
    if len(found) > 1:
        raise Refused(_("Several projects are called %(name)s. Write client/project.", name=typed), "line")
    return Project.load(session, user, found[0])


def _called(name: str, client: str | None) -> tuple[str, ...]:
    return (name.casefold(), f"{client}/{name}".casefold()) if client else (name.casefold(),)


def _project(session: Session, user: User, typed: str, former: TimeEntry | None) -> Project | None:
    if not typed:
        return None
    if former is not None and former.project is not None and typed == str(former.project_id):
        return former.project  # archived or in the trash: the entry keeps it
    project = _project_of_id(session, user, typed) if typed.isdecimal() else None
    project = project or _project_of_name(session, user, typed)
    if not project.is_open:
        raise Refused(_("This project is archived. Restore it, or choose another."), "project")
    return project


def _project_of_id(session: Session, user: User, typed: str) -> Project | None:
    try:
        return Project.load(session, user, int(typed))
    except NotFound:
        return None


def _project_of_name(session: Session, user: User, name: str) -> Project:
    named = Project.visible_to(user).where(Project.name == name, Project.archived_at.is_(None)).limit(2)
    found = session.scalars(named).all()
    if not found:
        raise Refused(_("There is no project of this name."), "project")
    if len(found) > 1:
        raise Refused(_("Several projects have this name. Choose one from the list."), "project")
    return found[0]


def _task(session: Session, user: User, project: Project, typed: str, now: datetime) -> Task:
    """By its name, which may be a number such as a ticket's; a number that names none may be an id."""
    of_name = select(Task).where(Task.project_id == project.id, Task.name == typed)
    if typed.isdecimal() and session.scalar(of_name.limit(1)) is None and int(typed[:18]) <= LARGEST_ID:
        of_id = session.scalar(select(Task).where(Task.project_id == project.id, Task.id == int(typed[:18])))
        if of_id is not None:
            return of_id
    return catalogue.task_named(session, user, project, typed, now)
