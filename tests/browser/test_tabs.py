"""Several pages of one person: each sees what the others do, and takes nothing away from whoever is typing."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Site
from tests.browser.test_journey import set_up, sign_in

AT_ONCE = 2_000  # milliseconds: between tabs of one browser nothing waits for the next question to the server
SOON = 8_000  # on another device: asked every 4 s, and the rest for a busy machine


def start(page: Page, what: str) -> None:
    field = page.get_by_role("banner").get_by_placeholder("What are you working on?")
    field.fill(what)
    field.press("Enter")
    expect(page.get_by_role("group", name="Running timer")).to_contain_text(what)


def test_another_tab_sees_a_start_and_a_stop_at_once(open_page: Callable[..., Page], site: Site) -> None:
    here = open_page()
    set_up(here, site)
    there = here.context.new_page()
    there.goto(f"{site.url}/time-entries")

    start(here, "Fix login")
    expect(there.get_by_role("group", name="Running timer")).to_contain_text("Fix login", timeout=AT_ONCE)
    expect(there.get_by_role("main")).to_contain_text("Fix login")
    expect(there).to_have_title(re.compile(r"^0:00 · Fix login · Time"))
    assert "mark-running" in str(there.locator("#favicon").get_attribute("href"))

    here.get_by_role("group", name="Running timer").get_by_role("button", name="Stop").click()
    expect(there.get_by_role("group", name="Running timer")).to_have_count(0, timeout=AT_ONCE)
    expect(there).to_have_title(re.compile(r"^Time · TimeTracker"))
    assert "mark-running" not in str(there.locator("#favicon").get_attribute("href"))


def test_another_device_sees_it_within_seconds(open_page: Callable[..., Page], site: Site) -> None:
    here = open_page()
    set_up(here, site)
    there = open_page()
    sign_in(there, site)
    start(here, "Fix login")
    expect(there.get_by_role("group", name="Running timer")).to_contain_text("Fix login", timeout=SOON)


def test_words_being_typed_are_left_alone(open_page: Callable[..., Page], site: Site) -> None:
    here = open_page()
    set_up(here, site)
    there = here.context.new_page()
    there.goto(site.url)
    there.get_by_role("banner").get_by_placeholder("What are you working on?").fill("half a sen")
    start(here, "Fix login")
    expect(there.get_by_role("region", name="Running")).to_contain_text("Fix login", timeout=AT_ONCE)
    field = there.get_by_role("banner").get_by_placeholder("What are you working on?")
    expect(field).to_have_value("half a sen")

    field.fill("")  # and caught up with once nobody types
    expect(there.get_by_role("group", name="Running timer")).to_contain_text("Fix login", timeout=SOON)


def test_who_stands_on_a_link_stands_there_still(open_page: Callable[..., Page], site: Site) -> None:
    here = open_page()
    set_up(here, site)
    there = here.context.new_page()
    there.goto(site.url)
    there.get_by_role("region", name="Latest").get_by_role("link", name="All time").focus()
    start(here, "Fix login")
    expect(there.get_by_role("group", name="Running timer")).to_contain_text("Fix login", timeout=AT_ONCE)
    assert there.evaluate("document.activeElement.textContent") == "All time"


def test_an_act_is_taken_back_from_its_toast_or_by_a_key(open_page: Callable[..., Page], site: Site) -> None:
    page = open_page()
    set_up(page, site)
    start(page, "Fix login")
    page.get_by_role("group", name="Running timer").get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status")).to_contain_text("Stopped after")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("group", name="Running timer")).to_contain_text("Fix login")

    page.keyboard.press("Control+z")  # the undoing is taken back, too
    expect(page.get_by_role("group", name="Running timer")).to_have_count(0)


def test_a_toast_goes_after_ten_seconds_but_not_from_under_ones_hand(
    open_page: Callable[..., Page], site: Site
) -> None:
    page = open_page()
    set_up(page, site)
    page.clock.install()
    start(page, "Fix login")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.get_by_role("button", name="Undo").focus()
    page.clock.run_for(11_000)
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.get_by_role("link", name="Today").first.focus()
    page.clock.run_for(11_000)
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_without_scripts_undo_is_a_button_all_the_same(open_page: Callable[..., Page], site: Site) -> None:
    page = open_page(java_script_enabled=False)
    set_up(page, site)
    start(page, "Fix login")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("group", name="Running timer")).to_have_count(0)


def test_a_chosen_theme_shows_at_once_and_is_kept(open_page: Callable[..., Page], site: Site) -> None:
    page = open_page(color_scheme="light")
    set_up(page, site)
    page.goto(f"{site.url}/profile/edit")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_label("Appearance").select_option("Dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Profile")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_who_stands_on_a_row_stands_on_it_when_a_row_comes_above(open_page: Callable[..., Page], site: Site) -> None:
    here = open_page()
    set_up(here, site)
    for what in ("first", "second"):
        start(here, what)
        here.get_by_role("group", name="Running timer").get_by_role("button", name="Stop").click()
        expect(here.get_by_role("group", name="Running timer")).to_have_count(0)
    there = here.context.new_page()
    there.goto(site.url)
    latest = there.get_by_role("region", name="Latest")
    latest.get_by_role("link", name="first").focus()
    start(here, "third")
    here.get_by_role("group", name="Running timer").get_by_role("button", name="Stop").click()
    expect(latest).to_contain_text("third", timeout=SOON)
    assert there.evaluate("document.activeElement.textContent").strip() == "first"


def test_a_tab_of_somebody_else_becomes_the_page_of_who_signed_in(open_page: Callable[..., Page], site: Site) -> None:
    here = open_page()
    set_up(here, site)
    here.goto(f"{site.url}/admin/users")
    here.get_by_label("User name").fill("bert")
    here.get_by_role("button", name="Add and show the link").click()
    link = here.get_by_label("One-time link").input_value()
    here.goto(site.url)
    there = here.context.new_page()
    there.goto(link)
    there.get_by_label("New password", exact=True).fill("another long secret")
    there.get_by_label("New password again").fill("another long secret")
    there.get_by_role("button").first.click()
    expect(there.get_by_role("heading", name="Today")).to_be_visible()
    expect(here.get_by_label("Your menu, bert")).to_be_visible(timeout=SOON)
