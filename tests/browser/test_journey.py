"""The main journey: set up, track, upload a face, lose everything but the data folder, come back."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Site, served

NAME = "Anna <b>Öhm</b>"
PASSWORD = "correct horse battery"


def set_up(page: Page, site: Site) -> None:
    page.goto(site.set_up_link)
    page.get_by_label("User name").fill("anna")
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password again").fill(PASSWORD)
    page.get_by_label("Company").fill("Acme")
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("heading", name="Today")).to_be_visible()


def sign_in(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.get_by_label("User name or e-mail").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Today")).to_be_visible()


def add_client_and_project(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/clients/new")
    page.get_by_label("Name").fill("Website & Söhne")
    page.get_by_role("button", name="Save").click()
    page.goto(f"{site.url}/projects/new")
    page.get_by_label("Name").fill("Relaunch")
    page.get_by_label("Client").select_option("Website & Söhne")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Relaunch")).to_be_visible()


def upload_face(page: Page, site: Site, folder: Path) -> str:
    picture = folder / "face.png"
    Image.new("RGB", (600, 400), "#d33").save(picture)
    page.goto(f"{site.url}/profile/edit")
    page.get_by_label("Picture").set_input_files(picture)
    page.get_by_label("Full name").fill(NAME)
    page.get_by_role("button", name="Save").click()
    face = page.get_by_role("img", name=NAME)
    expect(face).to_be_visible()
    assert face.evaluate("image => image.complete && image.naturalWidth") == 256
    return str(face.get_attribute("src"))


def test_everything_is_there_after_all_but_the_data_folder_is_gone(
    open_page: Callable[..., Page], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with served(data) as site:
        page = open_page()
        set_up(page, site)
        add_client_and_project(page, site)
        page.goto(site.url)
        start = page.get_by_role("region", name="Start the timer")
        start.get_by_label("What are you working on?").fill("Fix <login>")
        start.get_by_label("Project").select_option("Relaunch · Website & Söhne")
        start.get_by_role("button", name="Start").click()
        expect(page.get_by_role("group", name="Running timer")).to_contain_text("Fix <login>")
        face = upload_face(page, site, tmp_path)

    with served(data) as site:
        page = open_page()
        sign_in(page, site)
        expect(page.get_by_role("group", name="Running timer")).to_contain_text("Fix <login>")
        page.get_by_role("group", name="Running timer").get_by_role("button", name="Stop").click()
        expect(page.get_by_role("region", name="Latest")).to_contain_text("Fix <login>")
        expect(page.get_by_role("region", name="Latest")).to_contain_text("Relaunch · Website & Söhne")
        assert page.request.get(site.url + face).status == 200
        page.goto(f"{site.url}/profile")
        assert page.get_by_role("img", name=NAME).get_attribute("src") == face


def test_the_clock_ticks_and_another_device_sees_the_timer(open_page: Callable[..., Page], site: Site) -> None:
    page = open_page()
    set_up(page, site)
    page.get_by_role("banner").get_by_placeholder("What are you working on?").fill("Call")
    page.keyboard.press("Enter")
    clock = page.get_by_role("group", name="Running timer").locator("time")
    first = clock.inner_text()
    page.wait_for_function("([text]) => document.querySelector('.bar time').textContent !== text", arg=[first])
    phone = open_page(viewport=PHONE, has_touch=True)
    sign_in(phone, site)
    phone.get_by_role("group", name="Running timer").get_by_role("button", name="Stop").tap()
    expect(phone.get_by_role("group", name="Running timer")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("group", name="Running timer")).to_have_count(0)


def test_time_is_entered_mended_and_deleted_with_the_keyboard_alone(open_page: Callable[..., Page], site: Site) -> None:
    page = open_page()
    set_up(page, site)
    page.goto(f"{site.url}/time-entries/new")
    page.get_by_label("What was it?").focus()
    page.keyboard.type("Write the offer")
    page.keyboard.press("Tab")
    for _ in range(8):
        if page.evaluate("document.activeElement.name") == "time":
            break
        page.keyboard.press("Tab")
    page.keyboard.type("9-10:30x")
    page.keyboard.press("Enter")
    field = page.get_by_label("Time", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("What was it?")).to_have_value("Write the offer")
    field.fill("9-10:30")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_contain_text("09:00–10:30")
    page.get_by_role("link", name="Write the offer").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Delete").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("in the trash")


def test_every_act_works_without_scripts(open_page: Callable[..., Page], site: Site) -> None:
    page = open_page(java_script_enabled=False)
    set_up(page, site)
    page.get_by_role("banner").get_by_placeholder("What are you working on?").fill("No scripts")
    page.get_by_role("banner").get_by_role("button", name="Start").click()
    page.get_by_role("group", name="Running timer").get_by_role("button", name="Stop").click()
    expect(page.get_by_role("region", name="Latest")).to_contain_text("No scripts")
    page.get_by_label("Your menu").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
