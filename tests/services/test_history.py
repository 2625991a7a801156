"""Every act on time can be taken back as a whole, or nothing of it is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound
from app.models import TimeEntry, TimeEntryChange, User
from app.models.subject import Subject, Words
from app.services import catalogue, history, subjects, time_entries, timer
from app.services.time_entries import Span
from tests.conftest import NOON

HOUR = timedelta(hours=1)
NINE = datetime(2026, 11, 17, 8, tzinfo=UTC)

pytestmark = pytest.mark.engines


def start(session: Session, user: User, what: str, at: datetime) -> TimeEntry:
    return timer.start(session, user, Subject(what), read_now=lambda: at)


def stop(session: Session, user: User, at: datetime) -> TimeEntry | None:
    return timer.stop(session, user, read_now=lambda: at)


def add(session: Session, user: User, what: str = "work") -> TimeEntry:
    return time_entries.add(session, user, Subject(what), Span(NINE, NINE + HOUR, user.zone), now=NOON)


def undo_last(session: Session, user: User, now: datetime = NOON) -> None:
    name = history.last_act(session)
    assert name
    history.undo(session, user, name, now=now)


def state(entry: TimeEntry) -> tuple[object, ...]:
    return (entry.description, entry.started_at, entry.ended_at, entry.deleted_at is None)


class TestTakenBack:
    def test_a_start_leaves_the_former_timer_running_as_before(self, session: Session, owner: User) -> None:
        first = start(session, owner, "first", NOON - HOUR)
        second = start(session, owner, "second", NOON)

        undo_last(session, owner)

        assert TimeEntry.running(session, owner) == [first]
        assert state(first) == ("first", NOON - HOUR, None, True)
        assert second.deleted_at is not None

    def test_a_stop_lets_the_timer_run_on(self, session: Session, owner: User) -> None:
        entry = start(session, owner, "on", NOON - HOUR)
        stop(session, owner, NOON)
        undo_last(session, owner)
        assert TimeEntry.running(session, owner) == [entry]

    def test_an_edit_gives_every_word_back_and_the_span(self, session: Session, owner: User) -> None:
        subject = subjects.resolve(session, owner, Words("before", tags=("a", "b")), NOON)
        entry = time_entries.add(session, owner, subject, Span(NINE, NINE + HOUR, owner.zone), now=NOON)
        other = subjects.resolve(session, owner, Words("after", tags=("c",), billable=True), NOON)
        time_entries.edit(session, owner, entry, other, Span(NINE, NOON, owner.zone), now=NOON)

        undo_last(session, owner)

        session.flush()
        session.expire_all()
        entry = TimeEntry.load(session, owner, entry.id)
        assert (state(entry), entry.billable) == (("before", NINE, NINE + HOUR, True), False)
        assert [tag.name for tag in entry.tags] == ["a", "b"]

    def test_what_was_added_goes_to_the_trash(self, session: Session, owner: User) -> None:
        entry = add(session, owner)
        undo_last(session, owner)
        assert entry.deleted_at == NOON

    def test_a_deletion_brings_the_entry_back(self, session: Session, owner: User) -> None:
        entry = add(session, owner)
        time_entries.delete(session, owner, entry, now=NOON)
        undo_last(session, owner)
        assert entry.deleted_at is None

    def test_a_discarded_timer_runs_on(self, session: Session, owner: User) -> None:
        entry = start(session, owner, "", NOON - HOUR)
        timer.discard(session, owner, entry.id, read_now=lambda: NOON)
        undo_last(session, owner)
        assert TimeEntry.running(session, owner) == [entry]

    def test_the_undoing_itself(self, session: Session, owner: User) -> None:
        first = start(session, owner, "first", NOON - HOUR)
        second = start(session, owner, "second", NOON)
        undo_last(session, owner)
        undo_last(session, owner)
        assert TimeEntry.running(session, owner) == [second]
        assert first.ended_at == NOON

    def test_other_tags_alone_in_the_same_second_are_a_change_of_their_own(self, session: Session, owner: User) -> None:
        entry = add(session, owner)
        before = entry.version
        tagged = subjects.resolve(session, owner, Words("work", tags=("a",)), NOON)
        time_entries.edit(session, owner, TimeEntry.load(session, owner, entry.id), tagged, None, now=NOON)
        assert entry.version == before + 1

    def test_a_start_brings_back_even_what_it_dropped_as_an_accident(self, session: Session, owner: User) -> None:
        first = start(session, owner, "", NOON)
        start(session, owner, "second", NOON)
        assert first.deleted_at is not None
        undo_last(session, owner)
        assert TimeEntry.running(session, owner) == [first]

    def test_a_deletion_done_again_rests_from_that_moment(self, session: Session, owner: User) -> None:
        entry = add(session, owner)
        time_entries.delete(session, owner, entry, now=NOON)
        undo_last(session, owner, NOON + timedelta(days=29))
        later = NOON + timedelta(days=31)
        undo_last(session, owner, later)
        assert entry.deleted_at == later

    def test_an_edit_that_moved_an_entry_to_another_day(self, session: Session, owner: User) -> None:
        entry = add(session, owner)
        day = entry.local_date
        loaded = TimeEntry.load(session, owner, entry.id)
        moved = Span(NINE - timedelta(days=3), NINE - timedelta(days=3) + HOUR, owner.zone)
        time_entries.edit(session, owner, loaded, Subject("work"), moved, now=NOON)
        assert entry.local_date != day
        undo_last(session, owner)
        assert entry.local_date == day

    def test_a_stop_takes_the_next_slot_where_several_timers_may_run(self, session: Session, owner: User) -> None:
        stopped = start(session, owner, "first", NOON - HOUR)
        stop(session, owner, NOON)
        name = history.last_act(session)
        assert name
        other = timer.start(session, owner, Subject("second"), single=False, read_now=lambda: NOON)
        history.undo(session, owner, name, now=NOON, single=False)
        assert {stopped.timer_slot, other.timer_slot} == {0, 1}
        assert len(TimeEntry.running(session, owner)) == 2


class TestRefused:
    def test_where_the_former_project_is_gone_for_good(self, session: Session, owner: User) -> None:
        project = catalogue.save_project(
            session, owner, None, name="Old", client=None, color=0, billable=False, now=NOON
        )
        booked = subjects.resolve(session, owner, Words("work", project="Old"), NOON)
        entry = time_entries.add(session, owner, booked, Span(NINE, NINE + HOUR, owner.zone), now=NOON)
        loaded = TimeEntry.load(session, owner, entry.id)
        time_entries.edit(session, owner, loaded, Subject("work"), None, now=NOON)
        session.delete(project)
        session.flush()
        with pytest.raises(Conflict, match="gone for good"):
            undo_last(session, owner)

    def test_where_the_entry_was_changed_since_nothing_changes(self, session: Session, owner: User) -> None:
        entry = add(session, owner, "one")
        time_entries.edit(session, owner, TimeEntry.load(session, owner, entry.id), Subject("two"), None, now=NOON)
        name = history.last_act(session)
        assert name
        time_entries.edit(session, owner, entry, Subject("three"), None, now=NOON)
        with pytest.raises(Conflict):
            history.undo(session, owner, name, now=NOON)
        assert entry.description == "three"

    def test_a_stop_cannot_be_taken_back_while_another_timer_runs(self, session: Session, owner: User) -> None:
        stopped = start(session, owner, "first", NOON - HOUR)
        stop(session, owner, NOON - HOUR / 2)
        name = history.last_act(session)
        assert name
        start(session, owner, "second", NOON)
        session.commit()
        with pytest.raises(Conflict, match="Another timer runs"):
            history.undo(session, owner, name, now=NOON)
        session.rollback()
        session.refresh(stopped)
        assert stopped.ended_at == NOON - HOUR / 2

    def test_anothers_act_does_not_exist(self, session: Session, owner: User, colleague: User) -> None:
        add(session, owner)
        name = history.last_act(session)
        assert name
        for whom, what in ((colleague, name), (owner, "nothing")):
            with pytest.raises(NotFound):
                history.undo(session, whom, what, now=NOON)


def test_a_timer_deleted_while_it_ran_comes_back_ended_if_another_runs(session: Session, owner: User) -> None:
    deleted = start(session, owner, "first", NOON - HOUR)
    timer.discard(session, owner, deleted.id, read_now=lambda: NOON - HOUR / 2)
    running = start(session, owner, "second", NOON)

    history.undelete(session, owner, deleted, now=NOON)

    assert TimeEntry.running(session, owner) == [running]
    assert (deleted.ended_at, deleted.deleted_at) == (NOON - HOUR / 2, None)


@pytest.mark.parametrize(
    "act",
    [
        lambda session, owner: start(session, owner, "a", NOON),
        add,
    ],
    ids=["start", "add"],
)
def test_each_act_is_counted_once_for_the_persons_other_pages(
    act: Callable[[Session, User], object], session: Session, owner: User
) -> None:
    before = owner.changes
    act(session, owner)
    session.commit()
    session.refresh(owner)
    assert owner.changes == before + 1


def test_a_stop_of_nothing_is_no_act(session: Session, owner: User) -> None:
    stop(session, owner, NOON)
    assert history.last_act(session) is None
    assert session.scalars(select(TimeEntryChange)).all() == []
