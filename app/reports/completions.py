"""What a line may go on with: a person's projects and tags, and what they entered before."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Project, Tag, TimeEntry, User
from app.reports.projects import label

MOST = 8
LOOKED_BACK = 2000  # of the person's latest entries
MOST_NAMES = 5000  # of projects or tags that are looked through


@dataclass(frozen=True)
class Found:
    """`name` is what a line would say (client/project where several have the name), `shown` how a person knows it."""

    name: str
    shown: str


@dataclass(frozen=True)
class Former:
    """What was entered before, on which project; `project` is empty where it had none or that takes no time now."""

    description: str
    project: str


def projects(session: Session, user: User, begun: str) -> list[Found]:
    rows = session.execute(Project.names_of_open(user).limit(MOST_NAMES)).all()
    names = [name for _key, name, _client in rows]
    found = [Found(_in_line(name, client, names), label(name, client)) for _key, name, client in rows]
    return _matching(((one, (one.shown, one.name)) for one in found), begun)


def tags(session: Session, user: User, begun: str) -> list[Found]:
    names = Tag.visible_to(user).with_only_columns(Tag.name).order_by(func.lower(Tag.name)).limit(MOST_NAMES)
    return _matching(((Found(name, name), (name,)) for name in session.scalars(names)), begun)


def former(session: Session, user: User, begun: str) -> list[Former]:
    """The latest first, each description on each project once."""
    latest = (
        select(TimeEntry.description, TimeEntry.project_id, TimeEntry.started_at)
        .where(TimeEntry.user_id == user.id, TimeEntry.deleted_at.is_(None), TimeEntry.description != "")
        .order_by(TimeEntry.started_at.desc())
        .limit(LOOKED_BACK)
        .subquery()
    )
    open_one = Project.names_of_open(user).order_by(None).subquery()
    rows = session.execute(
        select(latest.c.description, open_one.c.name, open_one.c.name_1)
        .outerjoin(open_one, open_one.c.id == latest.c.project_id)
        .group_by(latest.c.description, open_one.c.name, open_one.c.name_1)
        .order_by(func.max(latest.c.started_at).desc())
    )
    wanted = begun.casefold()  # here, as SQLite knows capitals of ASCII only
    fitting = (row for row in rows if wanted in row[0].casefold())
    return [Former(text, f"{client}/{name}" if client else name or "") for text, name, client in islice(fitting, MOST)]


def _in_line(name: str, client: str | None, names: list[str]) -> str:
    return f"{client}/{name}" if client and names.count(name) > 1 else name


def _matching(texts_of: Iterable[tuple[Found, tuple[str, ...]]], begun: str) -> list[Found]:
    """Those that begin so, then those that hold it."""
    wanted = begun.casefold()
    ranked = [(_rank(texts, wanted), one) for one, texts in texts_of]
    fitting = sorted(((rank, one) for rank, one in ranked if rank is not None), key=lambda pair: pair[0])
    return [one for _rank_of_it, one in fitting[:MOST]]


def _rank(texts: tuple[str, ...], wanted: str) -> int | None:
    folded = [text.casefold() for text in texts]
    if any(text.startswith(wanted) for text in folded):
        return 0
    return 1 if any(wanted in text for text in folded) else None
