"""Acts on time entries, remembered so that each can be taken back as a whole, and so that other pages notice.

An act may change several entries: starting a timer stops the one before. What an entry was before is kept for as
long as the trash keeps things.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from flask_babel import lazy_gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.orm.attributes import flag_modified

from app import db
from app.errors import Conflict, NotFound
from app.models import Project, Tag, Task, TimeEntry, TimeEntryChange, User

_LAST = "last_act"
_PLAIN = ("project_id", "task_id", "description", "billable", "timer_slot", "time_zone")
_INSTANTS = ("started_at", "ended_at", "deleted_at")


@dataclass
class Act:
    """What one act does, collected while it happens."""

    name: str
    formers: list[tuple[TimeEntry, str | None]] = field(default_factory=list)

    def changes(self, entry: TimeEntry) -> None:
        """Called before the entry is changed."""
        self.formers.append((entry, _snapshot(entry)))

    def makes(self, entry: TimeEntry) -> None:
        self.formers.append((entry, None))


@contextmanager
def act(session: Session, user: User, now: datetime) -> Iterator[Act]:
    """Everything in it is one act of the person, whose lock was taken before."""
    doing = Act(secrets.token_urlsafe(16))
    yield doing
    if not doing.formers:
        return
    for entry, former in doing.formers:
        entry.updated_at = now
        if former is not None and not session.is_modified(entry, include_collections=False):
            _count_up(entry, former)
    user.changes += 1
    session.flush()
    session.add_all(_change(doing.name, user, entry, former, now) for entry, former in doing.formers)
    session.flush()
    session.info[_LAST] = doing.name


def last_act(session: Session) -> str | None:
    """The name of the act this session did last, by which it is undone."""
    found: str | None = session.info.get(_LAST)
    return found


def undo(session: Session, user: User, name: str, *, now: datetime, single: bool = True) -> list[TimeEntry]:
    """Puts every entry of an act back as it was; that is an act itself, and so can be undone.

    Raises NotFound; Conflict where an entry was changed since, another timer runs in single mode, or the project is
    gone for good: the caller rolls back then.
    """
    db.lock(session, user)
    with act(session, user, now) as undoing:
        changes = _changes(session, user, name)
        entries = _entries(session, [change.time_entry_id for change in changes])
        for change in changes:
            if change.time_entry_id not in entries or entries[change.time_entry_id].version != change.version:
                raise Conflict(_("It was changed again since, so it stays as it is now."))
        for change in changes:
            undoing.changes(entries[change.time_entry_id])
        for change in sorted(changes, key=lambda change: change.former is not None):
            with session.no_autoflush:  # half put back, an entry may break the rule of the one running timer
                _put_back(session, entries[change.time_entry_id], change.former, now, single=single)
            session.flush()  # what it frees, the next may need: the one slot of the timer
    return list(entries.values())


def undelete(session: Session, user: User, entry: TimeEntry, *, now: datetime, single: bool = True) -> None:
    """Brings an entry back; one that ran while the timer is taken has ended when it was deleted (law 5)."""
    db.lock(session, user)
    with act(session, user, now) as undeleting:
        undeleting.changes(entry)
        if entry.is_running:
            _run_again(session, entry, entry.timer_slot, single=single)
        entry.deleted_at = None


def _count_up(entry: TimeEntry, former: str) -> None:
    """Other tags alone, in the same second, would leave the version where it is; what was flushed already has grown."""
    if entry.version == json.loads(former)["version"]:
        flag_modified(entry, "updated_at")


def _changes(session: Session, user: User, name: str) -> list[TimeEntryChange]:
    found = select(TimeEntryChange).where(TimeEntryChange.user_id == user.id, TimeEntryChange.act == name)
    changes = list(session.scalars(found.order_by(TimeEntryChange.id)))
    if not changes:
        raise NotFound
    return changes


def _entries(session: Session, ids: list[int]) -> dict[int, TimeEntry]:
    found = select(TimeEntry).where(TimeEntry.id.in_(ids)).options(selectinload(TimeEntry.tags))
    return {entry.id: entry for entry in session.scalars(found.execution_options(populate_existing=True))}


def _put_back(session: Session, entry: TimeEntry, former: str | None, now: datetime, *, single: bool) -> None:
    if former is None:
        entry.delete(now)
        return
    values = json.loads(former)
    _refuse_what_is_gone(session, values)
    rests_since = entry.deleted_at
    _restore(session, entry, values)
    if entry.deleted_at is not None:
        entry.deleted_at = rests_since or now  # it rests from this deletion, not from the one before
    elif entry.is_running:
        entry.deleted_at = rests_since
        _run_again(session, entry, entry.timer_slot, single=single)
        entry.deleted_at = None


def _run_again(session: Session, entry: TimeEntry, slot: int, *, single: bool) -> None:
    """Finds a slot for an entry that ran. Where it was deleted and the one slot is taken, it has ended by that.

    Raises Conflict where it was stopped, and another timer runs in single mode.
    """
    taken = _taken_slots(session, entry)
    if slot not in taken:
        return
    if not single:
        entry.timer_slot = next(free for free in range(len(taken) + 1) if free not in taken)
    elif entry.deleted_at is not None:
        entry.stop(entry.deleted_at)
    else:
        raise Conflict(_("Another timer runs. Stop it first; nothing was changed."))


def _taken_slots(session: Session, entry: TimeEntry) -> set[int]:
    running = select(TimeEntry.timer_slot).where(
        TimeEntry.user_id == entry.user_id,
        TimeEntry.ended_at.is_(None),
        TimeEntry.deleted_at.is_(None),
        TimeEntry.id != entry.id,
    )
    return set(session.scalars(running))


def _refuse_what_is_gone(session: Session, values: dict[str, Any]) -> None:
    """A project or task that rested 30 days in the trash while nothing was booked on it."""
    for kind, key in ((Project, values["project_id"]), (Task, values["task_id"])):
        if key is not None and session.scalar(select(kind.id).where(kind.id == key)) is None:
            raise Conflict(_("What it was booked on before is gone for good, so it stays as it is now."))


def _change(name: str, user: User, entry: TimeEntry, former: str | None, now: datetime) -> TimeEntryChange:
    return TimeEntryChange(
        act=name, user_id=user.id, time_entry_id=entry.id, version=entry.version, former=former, at=now
    )


def _snapshot(entry: TimeEntry) -> str:
    """Tags only where they were loaded: an act that does not read them does not change them."""
    values: dict[str, Any] = {name: getattr(entry, name) for name in _PLAIN}
    values |= {name: _seconds(getattr(entry, name)) for name in _INSTANTS}
    values["version"] = entry.version
    values["local_date"] = entry.local_date.isoformat()
    values["tags"] = [tag.id for tag in entry.tags] if "tags" in entry.__dict__ else None
    return json.dumps(values, ensure_ascii=False)


def _restore(session: Session, entry: TimeEntry, values: dict[str, Any]) -> None:
    for name in _PLAIN:
        setattr(entry, name, values[name])
    for name in _INSTANTS:
        setattr(entry, name, _instant(values[name]))
    entry.local_date = date.fromisoformat(values["local_date"])
    if values["tags"] is not None:
        kept = select(Tag).where(Tag.id.in_(values["tags"]), Tag.deleted_at.is_(None))
        entry.tags = list(session.scalars(kept))


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None


def _instant(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
