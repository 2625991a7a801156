"""Words become a project, a task and tags: found where there are any, made once where there are none."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import Application
from app.errors import Refused
from app.models import Project, Tag, Task, TimeEntry, User
from app.models.subject import Subject, Words
from app.services import catalogue, subjects, timer
from tests.conftest import NOON

pytestmark = pytest.mark.engines
TOGETHER = 8


@pytest.fixture
def project(session: Session, owner: User) -> Project:
    return add(session, owner, "Website")


def add(session: Session, user: User, name: str) -> Project:
    made = catalogue.save_project(session, user, None, name=name, client=None, color=1, billable=True, now=NOON)
    session.commit()
    return made


def resolve(session: Session, user: User, words: Words, former: TimeEntry | None = None) -> Subject:
    found = subjects.resolve(session, user, words, NOON, former=former)
    session.commit()
    return found


def count(session: Session, kind: type[Tag | Task]) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(kind)) or 0


def test_a_project_is_found_by_number_or_name_and_a_task_within_it(
    session: Session, owner: User, project: Project
) -> None:
    by_name = resolve(session, owner, Words(project="Website", task="Design", tags=("a", "b")))
    by_number = resolve(session, owner, Words(project=str(project.id), task="Design", tags=("B", "A")))
    assert (by_name.project, by_name.task) == (by_number.project, by_number.task)
    assert {tag.id for tag in by_name.tags} == {tag.id for tag in by_number.tags}
    assert by_name.task is not None
    assert resolve(session, owner, Words(project="Website", task=str(by_name.task.id))).task is by_name.task


def test_two_projects_of_one_name_are_not_guessed_between(session: Session, owner: User, project: Project) -> None:
    client = catalogue.save_client(session, owner, None, name="Acme", color=1, now=NOON)
    catalogue.save_project(session, owner, None, name="Website", client=client, color=1, billable=True, now=NOON)
    with pytest.raises(Refused, match="Several projects"):
        resolve(session, owner, Words(project="Website"))
    assert resolve(session, owner, Words(project=str(project.id))).project is project


def test_an_archived_project_is_taken_only_for_an_entry_that_has_it(
    session: Session, owner: User, project: Project
) -> None:
    former = timer.start(session, owner, Subject("work", project))
    project.archive(NOON)
    session.commit()
    words = Words(project=str(project.id))
    assert resolve(session, owner, words, former).project is project
    with pytest.raises(Refused, match="archived"):
        resolve(session, owner, words)


@pytest.mark.parametrize(("billable", "becomes"), [(None, True), (True, True), (False, False)])
def test_billable_is_as_the_project_says_unless_said(
    session: Session, owner: User, project: Project, billable: bool | None, becomes: bool
) -> None:
    assert resolve(session, owner, Words(project="Website", billable=billable)).is_billable == becomes


def test_what_many_add_at_once_is_made_once(app: Application, session: Session, owner: User, project: Project) -> None:
    barrier = threading.Barrier(TOGETHER)

    def add_words(number: int) -> None:
        with Session(app.engine) as own:
            person = own.get_one(User, owner.id)
            barrier.wait()
            tags = ("New", "two") if number % 2 else ("two", "NEW")
            resolve(own, person, Words(project="Website", task="Design", tags=tags))

    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(add_words, range(TOGETHER)))
    assert (count(session, Task), count(session, Tag)) == (1, 2)


def test_a_start_and_an_edit_of_one_person_that_add_tags_do_not_wait_for_each_other(
    app: Application, session: Session, owner: User
) -> None:
    """The start meets the catalogue first, the edit the person: both take the person's lock before."""
    entry = timer.start(session, owner, Subject("runs"))
    catalogue.tags_named(session, owner, ["ONE"], NOON)
    session.commit()
    resolved, begun = threading.Event(), threading.Event()

    def start() -> None:
        with Session(app.engine) as own:
            person = own.get_one(User, owner.id)
            subject = subjects.resolve(own, person, Words(tags=("one",)), NOON)
            resolved.set()
            begun.wait(5)
            threading.Event().wait(0.3)  # for the other to reach its lock
            timer.start(own, person, subject)
            own.commit()

    def edit() -> None:
        with Session(app.engine) as own:
            person = own.get_one(User, owner.id)
            own.rollback()
            resolved.wait(5)
            begun.set()
            TimeEntry.load_to_change(own, person, entry.id)
            catalogue.tags_named(own, person, ["two"], NOON)
            own.commit()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(start), pool.submit(edit)]:
            done.result(30)
    assert count(session, Tag) == 2
