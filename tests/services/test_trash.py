"""What was deleted rests thirty days, comes back whole, and takes no time along."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import Application
from app.errors import Conflict, NotFound
from app.models import Client, Project, Tag, Task, TimeEntry, TimeEntryChange, User
from app.models.shared import RESTS
from app.models.subject import Words
from app.services import catalogue, history, subjects, time_entries, timer, trash
from app.services.time_entries import Span
from tests.conftest import NOON

HOUR = timedelta(hours=1)
NINE = datetime(2026, 11, 17, 8, tzinfo=UTC)
LONG_AFTER = NOON + RESTS + timedelta(seconds=1)

pytestmark = pytest.mark.engines


def client(session: Session, owner: User, name: str = "Acme") -> Client:
    return catalogue.save_client(session, owner, None, name=name, color=0, now=NOON)


def project(session: Session, owner: User, of: Client | None = None, name: str = "Website") -> Project:
    return catalogue.save_project(session, owner, None, name=name, client=of, color=0, billable=True, now=NOON)


def entry(session: Session, owner: User, words: Words) -> TimeEntry:
    subject = subjects.resolve(session, owner, words, NOON)
    return time_entries.add(session, owner, subject, Span(NINE, NINE + HOUR, owner.zone), now=NOON)


def count(session: Session, kind: type[Client | Project | Tag | Task | TimeEntry | TimeEntryChange]) -> int:
    return session.scalar(select(func.count()).select_from(kind)) or 0


class TestAClient:
    def test_takes_its_projects_along_and_brings_back_just_those(self, session: Session, owner: User) -> None:
        acme = client(session, owner)
        old, new = project(session, owner, acme, "old"), project(session, owner, acme, "new")
        trash.delete_shared(session, owner, old, now=NOON)

        trash.delete_shared(session, owner, acme, now=NOON + HOUR)
        assert new.deleted_at == NOON + HOUR
        assert not new.is_open

        trash.undelete_shared(session, owner, acme)
        resting = [record for record in (acme, new, old) if record.deleted_at is not None]
        assert resting == [old]

    def test_gives_its_name_free_and_cannot_take_it_back(self, session: Session, owner: User) -> None:
        acme = client(session, owner)
        trash.delete_shared(session, owner, acme, now=NOON)
        client(session, owner)
        with pytest.raises(Conflict):
            trash.undelete_shared(session, owner, acme)
        assert acme.deleted_at == NOON

    def test_of_anothers_projects_is_not_deleted_over_their_heads(
        self, session: Session, owner: User, colleague: User, administrator: User
    ) -> None:
        acme = client(session, owner)
        theirs = project(session, colleague, acme)
        with pytest.raises(Conflict, match="projects of other people"):
            trash.delete_shared(session, owner, acme, now=NOON)
        assert trash.delete_shared(session, administrator, acme, now=NOON) == 1
        assert theirs.deleted_at == NOON

    def test_deleted_twice_keeps_its_projects_with_it(self, app: Application, session: Session, owner: User) -> None:
        acme = client(session, owner)
        website = project(session, owner, acme)
        session.commit()
        with Session(app.engine) as other:
            seen = other.get_one(Client, acme.id)
            trash.delete_shared(session, owner, acme, now=NOON)
            session.commit()
            trash.delete_shared(other, other.get_one(User, owner.id), seen, now=NOON + HOUR)
            other.commit()
        trash.undelete_shared(session, owner, acme)
        session.refresh(website)
        assert (acme.deleted_at, website.deleted_at) == (None, None)


class TestAProject:
    def test_keeps_its_entries_editable(self, session: Session, owner: User) -> None:
        website = project(session, owner)
        booked = entry(session, owner, Words("work", project="Website"))
        trash.delete_shared(session, owner, website, now=NOON)
        session.commit()
        session.expire_all()
        loaded = TimeEntry.load(session, owner, booked.id)
        subject = subjects.resolve(session, owner, Words("typo", project=str(website.id)), NOON, former=loaded)
        assert subject.project == loaded.project
        with pytest.raises(Conflict, match="in the trash"):
            timer.continue_(session, owner, loaded)

    def test_leaves_its_time_where_it_is(self, session: Session, owner: User) -> None:
        website = project(session, owner)
        booked = entry(session, owner, Words("work", project="Website"))
        trash.delete_shared(session, owner, website, now=NOON)
        session.commit()
        session.expire_all()

        kept = TimeEntry.load(session, owner, booked.id)
        assert kept.project is not None
        assert (kept.project.name, kept.project.is_open) == ("Website", False)

    def test_does_not_come_back_before_its_client(self, session: Session, owner: User) -> None:
        acme = client(session, owner)
        website = project(session, owner, acme)
        trash.delete_shared(session, owner, acme, now=NOON)
        with pytest.raises(Conflict, match="client"):
            trash.undelete_shared(session, owner, Project.load_from_trash(session, owner, website.id, NOON))


class TestATag:
    def test_vanishes_from_entries_and_comes_back_on_them_even_if_they_were_edited(
        self, session: Session, owner: User
    ) -> None:
        booked = entry(session, owner, Words("work", tags=("bug", "slow")))
        bug = session.scalars(select(Tag).where(Tag.name == "bug")).one()
        trash.delete_shared(session, owner, bug, now=NOON)
        session.commit()
        session.expire_all()

        loaded = TimeEntry.load(session, owner, booked.id)
        assert [tag.name for tag in loaded.tags] == ["slow"]
        edited = subjects.resolve(session, owner, Words("more work", tags=("slow",)), NOON)
        time_entries.edit(session, owner, loaded, edited, None, now=NOON)
        trash.undelete_shared(session, owner, bug)
        session.commit()
        session.expire_all()
        assert [tag.name for tag in TimeEntry.load(session, owner, booked.id).tags] == ["bug", "slow"]

    def test_may_be_written_anew_while_it_rests(self, session: Session, owner: User) -> None:
        entry(session, owner, Words("work", tags=("bug",)))
        bug = session.scalars(select(Tag).where(Tag.name == "bug")).one()
        trash.delete_shared(session, owner, bug, now=NOON)
        second = entry(session, owner, Words("work", tags=("Bug",)))
        assert [tag.id for tag in second.tags] != [bug.id]
        with pytest.raises(Conflict):
            trash.undelete_shared(session, owner, bug)


class TestAfterThirtyDays:
    def test_what_nobody_names_is_gone_and_what_time_names_stays(
        self, app: Application, session: Session, owner: User
    ) -> None:
        used, unused = project(session, owner, client(session, owner)), project(session, owner, name="unused")
        catalogue.task_named(session, owner, unused, "task", NOON)
        entry(session, owner, Words("kept", project="Website", tags=("bug",)))
        gone = entry(session, owner, Words("gone", tags=("bug",)))
        time_entries.delete(session, owner, gone, now=NOON)
        trash.delete_shared(session, owner, session.scalars(select(Tag)).one(), now=NOON)
        trash.delete_shared(session, owner, session.get_one(Client, used.client_id), now=NOON)
        trash.delete_shared(session, owner, unused, now=NOON)
        session.commit()

        assert trash.empty(app.engine, now=NOON + RESTS) == 0
        assert trash.empty(app.engine, now=LONG_AFTER) > 0

        session.expire_all()
        kinds = (Client, Project, Task, Tag, TimeEntry, TimeEntryChange)
        assert [count(session, kind) for kind in kinds] == [1, 1, 0, 0, 1, 0]

    def test_an_imported_entry_is_blank_but_known_so_that_it_is_not_imported_again(
        self, app: Application, session: Session, owner: User
    ) -> None:
        booked = entry(session, owner, Words("secret", tags=("a",)))
        booked.import_key, booked.import_row = "key", "{}"
        time_entries.delete(session, owner, booked, now=NOON)
        session.commit()

        trash.empty(app.engine, now=LONG_AFTER)

        session.expire_all()
        kept = session.scalars(TimeEntry.with_subject(select(TimeEntry))).one()
        assert (kept.import_key, kept.description, kept.import_row, kept.tags) == ("key", "", None, [])
        assert trash.empty(app.engine, now=LONG_AFTER) == 0

    def test_nothing_of_it_can_be_brought_back_any_more(self, session: Session, owner: User) -> None:
        booked = entry(session, owner, Words("work"))
        time_entries.delete(session, owner, booked, now=NOON)
        session.commit()
        assert TimeEntry.load_from_trash(session, owner, booked.id, NOON + RESTS) == booked
        with pytest.raises(NotFound):
            TimeEntry.load_from_trash(session, owner, booked.id, LONG_AFTER)

    def test_what_is_put_back_while_it_is_emptied_stays(self, app: Application, session: Session, owner: User) -> None:
        booked = entry(session, owner, Words("work"))
        time_entries.delete(session, owner, booked, now=NOON)
        session.commit()
        history.undelete(session, owner, booked, now=NOON)
        with ThreadPoolExecutor(1) as pool:  # waits for the lock, and looks again when it has it
            emptying = pool.submit(trash.empty, app.engine, now=LONG_AFTER)
            wait([emptying], timeout=0.3)
            session.commit()
            emptying.result()
        session.expire_all()
        assert TimeEntry.load(session, owner, booked.id) == booked

    def test_more_than_a_batch_goes_at_once(
        self, app: Application, session: Session, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trash, "BATCH", 2)
        for _ in range(5):
            time_entries.delete(session, owner, entry(session, owner, Words()), now=NOON)
        session.commit()
        trash.empty(app.engine, now=LONG_AFTER)
        assert count(session, TimeEntry) == 0
