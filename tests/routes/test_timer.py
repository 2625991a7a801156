"""The timer at its pages: start, stop, continue, discard, for each of the cast."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import create_app
from app.config import Settings
from app.models import Client, Project, Tag, TimeEntry, User
from app.services import catalogue
from tests.conftest import NOON, Browser

HUGE = "99999999999999999999"
TOO_MANY_TAGS = ",".join(f"tag {number}" for number in range(51))


@pytest.fixture(autouse=True)
def traveller() -> Iterator[time_machine.Traveller]:
    """It is noon in Berlin, and stays so until a test moves on."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def project(session: Session, owner: User) -> Project:
    client = catalogue.save_client(session, owner, None, name="Acme", color=1, now=NOON)
    made = catalogue.save_project(session, owner, None, name="Website", client=client, color=2, billable=True, now=NOON)
    session.commit()
    return made


def entries(session: Session, user: User) -> list[TimeEntry]:
    session.rollback()
    own = TimeEntry.with_subject(select(TimeEntry).where(TimeEntry.user_id == user.id)).order_by(TimeEntry.id)
    return list(session.scalars(own, execution_options={"populate_existing": True}))


def only_entry(session: Session, user: User) -> TimeEntry:
    [entry] = entries(session, user)
    return entry


def tag_names(entry: TimeEntry) -> list[str]:
    return [tag.name for tag in entry.tags]


def running(browser: Browser) -> int:
    answer = browser.get("/timer?format=json").json
    assert answer is not None
    return int(answer["running"])


def archive(session: Session, record: Project | Client) -> None:
    record.archive(NOON)
    session.commit()


@pytest.mark.engines
def test_nothing_need_be_said_to_start(as_owner: Browser, session: Session, owner: User) -> None:
    answer = as_owner.post("/timer/start")
    entry = only_entry(session, owner)
    assert (answer.status_code, answer.location) == (303, "/")
    assert (entry.started_at, entry.ended_at, entry.billable, entry.description) == (NOON, None, False, "")


@pytest.mark.parametrize("project_word", ["id", "name"])
def test_everything_may_be_said_to_start(
    as_owner: Browser, session: Session, owner: User, project: Project, project_word: str
) -> None:
    typed = str(project.id) if project_word == "id" else project.name
    words = {"description": " Größe <b> ", "project": typed, "task": "Design", "tags": "a, b ; c", "billable": "0"}
    as_owner.post("/timer/start", words)
    entry = only_entry(session, owner)
    assert (entry.description, entry.project, entry.billable) == ("Größe <b>", project, False)
    assert entry.task is not None
    assert (entry.task.name, tag_names(entry)) == ("Design", ["a", "b", "c"])
    assert "Größe &lt;b&gt;" in as_owner.get("/timer").text


def test_billable_is_as_the_project_says_unless_said(
    as_owner: Browser, session: Session, owner: User, project: Project
) -> None:
    as_owner.post("/timer/start", {"project": project.id})
    assert only_entry(session, owner).billable


def test_the_json_says_what_runs_since_when_and_on_what(as_owner: Browser, project: Project) -> None:
    as_owner.post("/timer/start", {"description": "work", "project": project.id})
    answer = as_owner.get("/timer?format=json").json
    assert answer is not None
    [entry] = answer["entries"]
    assert answer["running"] == 1
    assert (entry["description"], entry["project"]) == ("work", "Website")
    assert entry["started_at"] == NOON.isoformat()


def test_stopping_ends_the_entry_now(
    as_owner: Browser, session: Session, owner: User, traveller: time_machine.Traveller
) -> None:
    as_owner.post("/timer/start", {"description": "work"})
    traveller.shift(timedelta(minutes=90))
    assert as_owner.post("/timer/stop").status_code == 303
    assert only_entry(session, owner).seconds(NOON) == 90 * 60
    assert running(as_owner) == 0


def test_stopping_twice_only_says_so(
    as_owner: Browser, session: Session, owner: User, traveller: time_machine.Traveller
) -> None:
    as_owner.post("/timer/start", {"description": "work"})
    shown = {"entry": only_entry(session, owner).id}
    traveller.shift(60)
    as_owner.post("/timer/stop", shown)
    traveller.shift(60)
    assert as_owner.post("/timer/stop", shown).status_code == 303
    assert "It had stopped already." in as_owner.get("/").text
    assert only_entry(session, owner).seconds(NOON) == 60


def test_a_stop_meant_for_what_has_stopped_leaves_the_next_one_running(
    as_owner: Browser, session: Session, owner: User, traveller: time_machine.Traveller
) -> None:
    as_owner.post("/timer/start", {"description": "first"})
    shown = {"entry": only_entry(session, owner).id}
    traveller.shift(60)
    as_owner.post("/timer/start", {"description": "second"})
    as_owner.post("/timer/stop", shown)
    assert running(as_owner) == 1


def test_a_start_posted_twice_leaves_one_running(as_owner: Browser, session: Session, owner: User) -> None:
    for _ in range(2):
        as_owner.post("/timer/start")
    kept = [entry for entry in entries(session, owner) if entry.deleted_at is None]
    assert (len(kept), running(as_owner)) == (1, 1)


def test_it_goes_on_through_a_reload_another_device_and_a_restart(
    as_owner: Browser, browser: Callable[[], Browser], settings: Settings, owner: User
) -> None:
    as_owner.post("/timer/start", {"description": "work"})
    elsewhere = browser()
    elsewhere.sign_in(owner.username)
    assert (running(as_owner), running(elsewhere)) == (1, 1)
    restarted = create_app(settings)
    again = Browser(restarted.test_client())
    again.sign_in(owner.username)
    assert running(again) == 1
    again.post("/timer/stop")
    assert (running(as_owner), running(elsewhere)) == (0, 0)
    restarted.engine.dispose()


def test_a_second_device_stops_what_the_first_started(
    as_owner: Browser, browser: Callable[[], Browser], owner: User
) -> None:
    elsewhere = browser()
    elsewhere.sign_in(owner.username)
    as_owner.post("/timer/start", {"description": "work"})
    elsewhere.post("/timer/start", {"description": "other"})
    assert running(as_owner) == 1
    assert "other" in as_owner.get("/timer").text


class TestSeveral:
    """SINGLE_ACTIVE_TIMER=false."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "SINGLE_ACTIVE_TIMER": "false"}

    def test_several_run_and_each_is_stopped_by_itself(
        self, as_owner: Browser, session: Session, owner: User, traveller: time_machine.Traveller
    ) -> None:
        for name in ("first", "second", "third"):
            as_owner.post("/timer/start", {"description": name})
            traveller.shift(60)
        first, second, third = entries(session, owner)
        as_owner.post("/timer/stop", {"entry": first.id})
        as_owner.post("/timer/stop")
        ended = {entry.description for entry in entries(session, owner) if not entry.is_running}
        assert ended == {first.description, third.description}
        assert "second" in as_owner.get("/timer").text
        assert second.is_running

    def test_continuing_leaves_the_others_running(self, as_owner: Browser, session: Session, owner: User) -> None:
        as_owner.post("/timer/start", {"description": "first"})
        as_owner.post(f"/timer/continue/{only_entry(session, owner).id}")
        assert running(as_owner) == 2


def test_continuing_starts_anew_on_the_same(
    as_owner: Browser, session: Session, owner: User, project: Project, traveller: time_machine.Traveller
) -> None:
    words = {"description": "work", "project": project.id, "task": "Design", "tags": "a,b", "billable": "0"}
    as_owner.post("/timer/start", words)
    traveller.shift(60)
    as_owner.post("/timer/stop")
    former = only_entry(session, owner)
    assert as_owner.post(f"/timer/continue/{former.id}").status_code == 303
    former, anew = entries(session, owner)
    assert (anew.description, anew.project_id, anew.task_id) == ("work", former.project_id, former.task_id)
    assert (tag_names(anew), anew.billable, anew.is_running) == (["a", "b"], False, True)


@pytest.mark.parametrize("archived", ["project", "client"])
def test_an_archived_project_is_not_continued_and_nothing_changes(
    as_owner: Browser, session: Session, owner: User, project: Project, archived: str
) -> None:
    as_owner.post("/timer/start", {"description": "former", "project": project.id})
    former = only_entry(session, owner).id
    as_owner.post("/timer/start", {"description": "runs"})
    assert project.client is not None
    archive(session, project if archived == "project" else project.client)
    answer = as_owner.post(f"/timer/continue/{former}")
    assert (answer.status_code, "archived" in answer.text) == (409, True)
    assert [entry.description for entry in entries(session, owner) if entry.is_running] == ["runs"]


@pytest.mark.parametrize("archived", ["project", "client"])
def test_an_archived_project_is_not_started(
    as_owner: Browser, session: Session, owner: User, project: Project, archived: str
) -> None:
    assert project.client is not None
    archive(session, project if archived == "project" else project.client)
    assert as_owner.post("/timer/start", {"project": project.id}).status_code == 422
    assert "Website" not in as_owner.get("/timer").text
    assert entries(session, owner) == []


@pytest.mark.engines
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"project": "No such"}, "There is no project of this name."),
        ({"project": "4711"}, "There is no project of this name."),
        ({"project": HUGE}, "There is no project of this name."),
        ({"project": "3000000000"}, "There is no project of this name."),
        ({"task": "Design"}, "A task belongs to a project."),
        ({"tags": "x" * 101}, "A tag has at most 100 characters."),
        ({"tags": TOO_MANY_TAGS}, "Use at most 50 tags."),
        ({"description": "x" * 3001}, "Use at most 3000 characters."),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_words_kept_and_what_ran_runs_on(
    as_owner: Browser, session: Session, owner: User, words: dict[str, str], sentence: str
) -> None:
    as_owner.post("/timer/start", {"description": "runs"})
    posted = {"description": "kept words", "tags": "kept tag", **words}
    answer = as_owner.post("/timer/start", posted)
    assert (answer.status_code, sentence in answer.text) == (422, True)
    assert all(value in answer.text for name, value in posted.items() if name != "project")
    assert only_entry(session, owner).is_running
    assert session.scalar(select(func.count()).select_from(Tag)) == 0


def test_a_task_too_long_is_refused_and_not_cut(as_owner: Browser, project: Project) -> None:
    assert as_owner.post("/timer/start", {"project": project.id, "task": "x" * 201}).status_code == 422


def test_3000_characters_are_kept_whole(as_owner: Browser, session: Session, owner: User) -> None:
    as_owner.post("/timer/start", {"description": "ä" * 3000})
    assert only_entry(session, owner).description == "ä" * 3000


@pytest.mark.engines
def test_null_bytes_are_left_out(as_owner: Browser, session: Session, owner: User, project: Project) -> None:
    words = {"description": "a\0b", "project": f"{project.id}\0", "task": "c\0d", "tags": "e\0f"}
    assert as_owner.post("/timer/start", words).status_code == 303
    entry = only_entry(session, owner)
    assert entry.task is not None
    assert (entry.description, entry.task.name, tag_names(entry)) == ("ab", "cd", ["ef"])


@pytest.mark.engines
@pytest.mark.parametrize(
    ("first", "second"), [("deep work", "Deep WORK"), ("Deep WORK", "deep work"), ("Ärger", "ÄRGER")]
)
def test_a_tag_is_made_once_whatever_its_case(
    as_owner: Browser, session: Session, owner: User, first: str, second: str
) -> None:
    as_owner.post("/timer/start", {"description": "one", "tags": first})
    as_owner.post("/timer/start", {"description": "two", "tags": f"{second}, {first}"})
    assert [tag_names(entry) for entry in entries(session, owner)] == [[first], [first]]


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    "javascript:alert(1)",
    "",
]


@pytest.mark.parametrize("act", ["start", "stop"])
def test_next_leads_back_only_within_the_site(as_owner: Browser, act: str) -> None:
    assert as_owner.post(f"/timer/{act}", {"next": "/projects?q=a"}).location == "/projects?q=a"
    for wanted in ELSEWHERE:
        assert as_owner.post(f"/timer/{act}", {"next": wanted}).location == "/", wanted


@pytest.mark.parametrize("path", ["/timer/start", "/timer/stop", "/timer/continue/1", "/timer/discard/1"])
def test_a_page_cannot_be_fetched_where_an_act_is_posted(as_owner: Browser, path: str) -> None:
    assert as_owner.get(path).status_code == 405


@pytest.mark.parametrize("path", ["/timer/start", "/timer/stop", "/timer/continue/1", "/timer/discard/1"])
def test_a_stranger_is_sent_to_sign_in(stranger: Browser, session: Session, path: str) -> None:
    answer = stranger.post(path)
    assert (answer.status_code, answer.location) == (303, "/login")
    assert session.scalar(select(func.count()).select_from(TimeEntry)) == 0


def test_a_stranger_does_not_see_what_runs(stranger: Browser) -> None:
    assert stranger.get("/timer?format=json").location == "/login?next=/timer?format%3Djson"


def test_a_post_without_the_token_is_refused(as_owner: Browser, session: Session, owner: User) -> None:
    assert as_owner.client.post("/timer/start").status_code == 400
    assert entries(session, owner) == []


def test_discarding_marks_the_entry_and_removes_nothing(as_owner: Browser, session: Session, owner: User) -> None:
    as_owner.post("/timer/start", {"description": "slip"})
    answer = as_owner.post(f"/timer/discard/{only_entry(session, owner).id}", {"next": "/timer"})
    assert (answer.status_code, answer.location) == (303, "/timer")
    assert only_entry(session, owner).deleted_at == NOON
    assert running(as_owner) == 0


def test_discarding_twice_finds_nothing(as_owner: Browser, session: Session, owner: User) -> None:
    as_owner.post("/timer/start", {"description": "slip"})
    path = f"/timer/discard/{only_entry(session, owner).id}"
    assert [as_owner.post(path).status_code for _ in range(2)] == [303, 404]


def test_what_has_stopped_is_not_discarded(as_owner: Browser, session: Session, owner: User) -> None:
    as_owner.post("/timer/start", {"description": "work"})
    as_owner.post("/timer/stop")
    entry = only_entry(session, owner)
    assert as_owner.post(f"/timer/discard/{entry.id}").status_code == 409
    assert only_entry(session, owner).deleted_at is None


@pytest.mark.parametrize(("who", "status"), [("as_colleague", 404), ("as_administrator", 403)])
def test_nobody_else_discards_or_stops_it(
    as_owner: Browser, session: Session, owner: User, who: str, status: int, request: pytest.FixtureRequest
) -> None:
    other: Browser = request.getfixturevalue(who)
    as_owner.post("/timer/start", {"description": "work"})
    entry = only_entry(session, owner)
    assert other.post(f"/timer/discard/{entry.id}").status_code == status
    assert other.post("/timer/stop", {"entry": entry.id}).status_code == 303
    assert only_entry(session, owner).is_running


def test_a_colleagues_entry_is_not_continued(
    as_owner: Browser, as_colleague: Browser, session: Session, owner: User
) -> None:
    as_owner.post("/timer/start", {"description": "work"})
    assert as_colleague.post(f"/timer/continue/{only_entry(session, owner).id}").status_code == 404
    assert running(as_colleague) == 0


@pytest.mark.engines
@pytest.mark.parametrize("number", [HUGE, "3000000000"])
def test_numbers_no_entry_can_have_are_not_found(as_owner: Browser, number: str) -> None:
    assert as_owner.post(f"/timer/continue/{number}").status_code == 404
    assert as_owner.post(f"/timer/discard/{number}").status_code == 404
    assert as_owner.post("/timer/stop", {"entry": number}).status_code == 303


def test_what_it_is_about_changes_while_it_runs(
    as_owner: Browser, session: Session, owner: User, project: Project
) -> None:
    as_owner.post("/timer/start", {"description": "work"})
    path = f"/time-entries/{only_entry(session, owner).id}"
    assert 'value="12:00"' in as_owner.get(path).text
    words = {"description": "other", "project": project.id, "tags": "a", "billable": ["0", "1"]}
    assert as_owner.post(path, {**words, "date": "2026-11-17", "time": "12:00"}).status_code == 303
    entry = only_entry(session, owner)
    assert (entry.description, entry.project, tag_names(entry), entry.billable) == ("other", project, ["a"], True)
    assert (entry.started_at, entry.is_running) == (NOON, True)


@pytest.mark.parametrize(
    ("day", "time", "earlier"),
    [
        ("2026-11-17", "9:15", timedelta(hours=2, minutes=45)),
        ("2026-11-16", "23:59:30", timedelta(hours=12, seconds=30)),
    ],
)
def test_it_may_have_been_started_earlier(
    as_owner: Browser, session: Session, owner: User, day: str, time: str, earlier: timedelta
) -> None:
    as_owner.post("/timer/start", {"description": "work"})
    as_owner.post(f"/time-entries/{only_entry(session, owner).id}", {"date": day, "time": time})
    entry = only_entry(session, owner)
    assert (entry.started_at, entry.is_running) == (NOON - earlier, True)
    assert entry.local_date.isoformat() == day


@pytest.mark.parametrize(
    ("day", "time"), [("2026-11-17", "12:01"), ("2026-11-18", "9:00"), ("2026-11-17", "nine"), ("2026-11-17", "9-10")]
)
def test_it_cannot_start_in_the_future_or_at_no_time(
    as_owner: Browser, session: Session, owner: User, day: str, time: str
) -> None:
    as_owner.post("/timer/start", {"description": "work"})
    path = f"/time-entries/{only_entry(session, owner).id}"
    answer = as_owner.post(path, {"description": "changed", "date": day, "time": time})
    assert (answer.status_code, "changed" in answer.text, f'value="{time}"' in answer.text) == (422, True, True)
    entry = only_entry(session, owner)
    assert (entry.description, entry.started_at) == ("work", NOON)


def test_a_form_opened_while_it_ran_never_turns_its_start_into_a_length(
    as_owner: Browser, session: Session, owner: User, traveller: time_machine.Traveller
) -> None:
    as_owner.post("/timer/start", {"description": "work"})
    shown = {"description": "changed", "date": "2026-11-17", "time": "12:00", "running": "1"}
    traveller.shift(600)
    as_owner.post("/timer/stop")
    answer = as_owner.post(f"/time-entries/{only_entry(session, owner).id}", shown)
    assert (answer.status_code, "stopped meanwhile" in answer.text, "changed" in answer.text) == (422, True, True)
    assert only_entry(session, owner).seconds(NOON) == 600
