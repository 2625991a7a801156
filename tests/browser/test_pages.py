"""Every page: readable by everybody, within the policy, never wider than the screen; with much data and with none."""

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from app import clock, config, db, storage
from app.models import Client, Project, Role, Source, TimeEntry
from app.services import accounts, attachments, catalogue, installation, logos, schema
from app.services.attachments import Sent
from app.services.quotas import Quotas
from app.storage.local import LocalStore
from tests.browser.conftest import PHONE, WIDE, Site, served
from tests.browser.test_journey import set_up
from tests.services.test_avatars import drawn

NAME, PASSWORD = "anna", "correct horse battery"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnung " * 3
PAGES = (
    "/",
    "/time-entries",
    "/time-entries?range=all",
    "/time-entries?range=all&filter=1&text=a",
    "/time-entries/new",
    "/line?line=fix%20@x%20%23bug%209-10:30",
    "/time-entries/1",
    "/timer",
    "/projects",
    "/projects/new",
    "/projects/1",
    "/clients",
    "/clients/new",
    "/clients/1",
    "/clients/1/attachments",
    "/tasks/1",
    "/time-entries/1/attachments",
    "/profile",
    "/profile/edit",
    "/profile/password",
    "/reports",
    "/tags",
    "/tags/1",
    "/trash",
    "/admin/users",
    "/admin/settings",
    "/admin/backups",
    "/admin/about",
    "/nowhere",
)


@pytest.fixture(scope="module")
def full_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A house with far too much in it: long names, many rows, a timer that runs."""
    data = tmp_path_factory.mktemp("full") / "data"
    settings = config.load({"DATA_DIR": str(data), "TZ": "Europe/Berlin"})
    installation.prepare_data_root(settings)
    engine = db.make_engine(settings)
    schema.migrate(engine, settings)
    storage.use(LocalStore(settings.upload_folder))
    with db.transaction(engine) as session:
        _fill(session)
    engine.dispose()
    with served(data) as site:
        yield site


def _fill(session: Any) -> None:
    now = clock.now()
    user = accounts.create(session, NAME, now=now, password=PASSWORD, full_name=LONG[:200], role=Role.ADMIN)
    for number in range(25):
        accounts.create(session, f"person {number}", now=now, full_name=f"{number} {LONG}"[:200])
    clients = [Client(name=f"{n} {LONG}"[:200], color=n % 12, created_by_id=user.id, created_at=now) for n in range(40)]
    projects = [
        Project(name=f"{n} {LONG}"[:200], client=clients[n % 40], color=n % 12, created_by_id=user.id, created_at=now)
        for n in range(400)
    ]
    session.add_all([*clients, *projects])
    session.flush()
    catalogue.task_named(session, user, projects[0], LONG[:200], now)
    names = [f"{n} {LONG}"[:200] + ".png" for n in range(130)]
    for first in range(0, len(names), 10):
        sent = [Sent(io.BytesIO(drawn(size=(40, 30))), name) for name in names[first : first + 10]]
        attachments.add(session, user, clients[0], sent, quotas=Quotas(), now=now)
    logos.replace(session, user, io.BytesIO(drawn(size=(600, 60))), "logo.png", now)
    tags = catalogue.tags_named(session, user, [f"tag {n}" for n in range(12)], now)
    for number in range(300):
        entry = TimeEntry(user_id=user.id, source=Source.MANUAL, created_at=now, updated_at=now)
        entry.billable = number % 2 > 0
        entry.description, entry.project = LONG * (number % 3), projects[number] if number % 5 else None
        begins = now - timedelta(hours=4 * number)
        entry.take_span(begins, begins + timedelta(hours=3) if number else None, user.zone)
        entry.tags = tags[: number % 12]
        session.add(entry)


def sign_in(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/login")
    page.get_by_label("User name or e-mail").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site.url}/")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_hinders_anybody_or_is_wider_than_the_screen(
    open_page: Callable[..., Page], full_site: Site, size: dict[str, int], theme: str
) -> None:
    page = open_page(viewport=size, color_scheme=theme)
    sign_in(page, full_site)
    for path in PAGES:
        page.goto(full_site.url + path)
        found = Axe().run(page).response["violations"]
        assert not found, f"{path}: " + "; ".join(f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{path} is {wider} px wider than the screen"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sign_in_page_hinders_nobody(open_page: Callable[..., Page], full_site: Site, theme: str) -> None:
    page = open_page(color_scheme=theme)
    page.goto(f"{full_site.url}/login")
    assert not Axe().run(page).response["violations"]


def test_nothing_is_fetched_from_elsewhere(open_page: Callable[..., Page], full_site: Site) -> None:
    page, asked = open_page(), []
    page.on("request", lambda request: asked.append(request.url))
    sign_in(page, full_site)
    for path in PAGES:
        page.goto(full_site.url + path)
    assert asked
    assert all(url.startswith((full_site.url, "data:", "blob:")) for url in asked)


def test_the_page_is_usable_at_twice_the_size(open_page: Callable[..., Page], full_site: Site) -> None:
    page = open_page(viewport={"width": 640, "height": 400}, device_scale_factor=2)
    sign_in(page, full_site)
    for path in PAGES:
        page.goto(full_site.url + path)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path


@pytest.mark.parametrize("path", ["/time-entries", "/projects", "/clients", "/reports"])
def test_an_empty_page_offers_what_to_do_first(open_page: Callable[..., Page], tmp_path: Path, path: str) -> None:
    with served(tmp_path / "data") as site:
        page = open_page()
        set_up(page, site)
        page.goto(site.url + path)
        assert page.locator(".empty-action a").count() == 1
        assert not Axe().run(page).response["violations"]
