"""Projects at their pages, for each of the cast."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Client, Project, User
from app.services import catalogue
from tests.conftest import NOON, Browser

HUGE = "99999999999999999999"
WORDS = {"name": "Website", "client": "", "color": "3"}
PATHS = ["/projects/{}", "/projects/{}/archive", "/projects/{}/restore"]


@pytest.fixture
def client(session: Session, owner: User) -> Client:
    made = catalogue.save_client(session, owner, None, name="Acme", color=1, now=NOON)
    session.commit()
    return made


@pytest.fixture
def project(session: Session, owner: User, client: Client) -> Project:
    return add(session, owner, "Website", client)


def add(session: Session, user: User, name: str, client: Client | None = None) -> Project:
    made = catalogue.save_project(session, user, None, name=name, client=client, color=2, billable=True, now=NOON)
    session.commit()
    return made


def projects(session: Session) -> list[Project]:
    session.rollback()
    return list(session.scalars(select(Project).order_by(Project.id), execution_options={"populate_existing": True}))


def names_on(page: str) -> list[str]:
    return re.findall(r'class="cut record-name"[^>]* title="([^"]*)"', page)


@pytest.mark.engines
def test_anybody_signed_in_adds_a_project_and_everybody_sees_it(
    as_owner: Browser, as_colleague: Browser, session: Session, owner: User, client: Client
) -> None:
    answer = as_owner.post("/projects", {**WORDS, "client": client.id, "billable": "y"})
    [made] = projects(session)
    assert (answer.status_code, answer.location) == (303, "/projects")
    assert (made.name, made.client_id, made.color, made.billable) == ("Website", client.id, 3, True)
    assert made.created_by_id == owner.id
    assert names_on(as_colleague.get("/projects").text) == ["Website"]
    assert "Website · Acme" in as_colleague.get("/timer").text


@pytest.mark.parametrize("who", ["as_owner", "as_administrator"])
def test_its_maker_and_an_administrator_edit_archive_and_restore(
    session: Session, project: Project, client: Client, who: str, request: pytest.FixtureRequest
) -> None:
    browser: Browser = request.getfixturevalue(who)
    assert 'value="Website"' in browser.get(f"/projects/{project.id}").text
    assert browser.post(f"/projects/{project.id}", {**WORDS, "name": "Shop", "color": "11"}).status_code == 303
    [changed] = projects(session)
    assert (changed.name, changed.client_id, changed.color, changed.billable) == ("Shop", None, 11, False)
    for act, archived in (("archive", True), ("archive", True), ("restore", False), ("restore", False)):
        assert browser.post(f"/projects/{project.id}/{act}").location == "/projects"
        assert (projects(session)[0].archived_at is not None) == archived


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("who", "status"), [("stranger", 303), ("as_colleague", 403)])
def test_nobody_else_changes_a_project(
    session: Session, project: Project, path: str, who: str, status: int, request: pytest.FixtureRequest
) -> None:
    answer = request.getfixturevalue(who).post(path.format(project.id), {**WORDS, "name": "Shop"})
    assert (answer.status_code, answer.location) == (status, "/login" if who == "stranger" else None)
    [kept] = projects(session)
    assert (kept.name, kept.archived_at) == ("Website", None)


def test_a_stranger_is_sent_to_sign_in_and_back(stranger: Browser) -> None:
    for path in ("/projects", "/projects/new", "/projects/1"):
        assert stranger.get(path).location == f"/login?next={path}"


def test_another_method_is_refused(as_owner: Browser, project: Project) -> None:
    for act in ("archive", "restore"):
        assert as_owner.get(f"/projects/{project.id}/{act}").status_code == 405


@pytest.mark.engines
def test_numbers_no_project_can_have_are_not_found(as_owner: Browser) -> None:
    for number in (HUGE, "3000000000", "4711"):
        assert as_owner.get(f"/projects/{number}").status_code == 404
        assert [as_owner.post(path.format(number), WORDS).status_code for path in PATHS] == [404, 404, 404]


@pytest.mark.engines
@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": " \t "},
        {"name": "x" * 201},
        {"client": "4711"},
        {"client": HUGE},
        {"client": "Acme"},
        {"color": "12"},
        {"color": "-1"},
        {"color": "blue"},
        {"color": ""},
    ],
    ids=lambda wrong: str(wrong)[:30],
)
def test_what_cannot_be_used_is_refused_at_its_field(
    as_owner: Browser, session: Session, project: Project, wrong: dict[str, str]
) -> None:
    for path in ("/projects", f"/projects/{project.id}"):
        posted: dict[str, Any] = {**WORDS, "name": "Kept <words>", **wrong}
        answer = as_owner.post(path, posted)
        assert (answer.status_code, "invalid-feedback" in answer.text) == (422, True)
        assert "name" in wrong or 'value="Kept &lt;words&gt;"' in answer.text
    assert [kept.name for kept in projects(session)] == ["Website"]


def test_names_are_trimmed_put_on_one_line_and_escaped(as_owner: Browser, session: Session) -> None:
    as_owner.post("/projects", {**WORDS, "name": "  <b>a</b>\r\n\0 b  "})
    assert [made.name for made in projects(session)] == ["<b>a</b> b"]
    assert "<b>a" not in as_owner.get("/projects").text
    assert as_owner.post("/projects", {**WORDS, "name": "ä" * 200}).status_code == 303


@pytest.mark.engines
def test_a_client_has_a_name_for_one_open_project_only(
    as_owner: Browser, session: Session, owner: User, project: Project, client: Client
) -> None:
    sentence = "This client has a project of this name already."
    other = add(session, owner, "Shop", client)
    same = {**WORDS, "client": client.id}
    for path in ("/projects", f"/projects/{other.id}"):
        answer = as_owner.post(path, same)
        assert (answer.status_code, sentence in answer.text) == (422, True)
        assert f'<option selected value="{client.id}"' in answer.text
    assert as_owner.post(f"/projects/{project.id}", same).status_code == 303  # its own name is no other's
    assert as_owner.post("/projects", WORDS).status_code == 303  # for nobody else
    as_owner.post(f"/projects/{project.id}/archive")
    assert as_owner.post("/projects", same).status_code == 303


def test_an_archived_project_leaves_the_choices_until_it_is_restored(as_owner: Browser, project: Project) -> None:
    as_owner.post(f"/projects/{project.id}/archive")
    assert names_on(as_owner.get("/projects").text) == []
    assert names_on(as_owner.get("/projects?archived=1").text) == ["Website"]
    assert all("Website" not in as_owner.get(path).text for path in ("/", "/timer", "/time-entries/new"))
    assert as_owner.post("/timer/start", {"project": project.id}).status_code == 422
    as_owner.post(f"/projects/{project.id}/restore")
    assert all("Website" in as_owner.get(path).text for path in ("/", "/timer", "/time-entries/new"))
    assert as_owner.post("/timer/start", {"project": project.id}).status_code == 303


def test_an_archived_clients_projects_are_not_started_until_it_is_restored(
    as_owner: Browser, project: Project, client: Client
) -> None:
    as_owner.post(f"/clients/{client.id}/archive")
    assert "Website" not in as_owner.get("/timer").text
    assert "Start the timer on Website" not in as_owner.get("/projects").text
    assert as_owner.post("/timer/start", {"project": project.id}).status_code == 422
    as_owner.post(f"/clients/{client.id}/restore")
    assert as_owner.post("/timer/start", {"project": project.id}).status_code == 303


@pytest.mark.engines
def test_search_finds_parts_of_names_as_they_are_typed(as_owner: Browser, session: Session, owner: User) -> None:
    for name in ("100% done", "1000 things", "Website"):
        add(session, owner, name)
    assert names_on(as_owner.get("/projects?q=SITE").text) == ["Website"]
    assert names_on(as_owner.get("/projects?q=100%25").text) == ["100% done"]
    assert "Nothing found" in as_owner.get("/projects?q=nothing").text
    assert as_owner.get("/projects?q=%00&page=99999").status_code == 200


def test_a_long_list_has_pages(as_owner: Browser, session: Session, owner: User) -> None:
    names = [f"project {number:03}" for number in range(450)]
    session.add_all(Project(name=name, color=1, created_by_id=owner.id, created_at=NOON) for name in names)
    session.commit()
    seen = [name for page in (1, 2, 3) for name in names_on(as_owner.get(f"/projects?page={page}").text)]
    assert seen == names
    assert ['rel="next"' in as_owner.get(f"/projects?page={page}").text for page in (1, 3)] == [True, False]
    for nonsense in ("0", "-1", "x", HUGE, "²"):
        assert names_on(as_owner.get(f"/projects?page={nonsense}").text) == names[:200]


def test_the_next_colour_is_offered(as_owner: Browser, project: Project) -> None:
    assert re.search(r'<input checked[^>]* name="color"[^>]* value="1"', as_owner.get("/projects/new").text)


@pytest.mark.engines
def test_the_same_project_added_twice_at_once_is_one(
    as_owner: Browser, browser: Callable[[], Browser], session: Session, owner: User
) -> None:
    other = browser()
    other.sign_in(owner.username)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda window: window.post("/projects", WORDS).status_code, [as_owner, other]))
    assert sorted(answers) == [303, 422]
    assert len(projects(session)) == 1
