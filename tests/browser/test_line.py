"""One line for anything, with the keyboard alone, on a desk and on a phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, WIDE, Site
from tests.browser.test_journey import set_up


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["desk", "phone"])
def test_a_day_is_entered_without_touching_the_mouse(open_page: Callable[..., Page], site: Site, size: object) -> None:
    page = open_page(viewport=size)
    set_up(page, site)
    page.goto(f"{site.url}/time-entries")

    page.keyboard.press("n")
    line = page.get_by_role("dialog").get_by_role("combobox")
    expect(line).to_be_focused()
    page.keyboard.type('0-0:10 plan the week #"on site"')
    expect(page.get_by_role("dialog")).to_contain_text("0-0:10 = 0:10")
    expect(page.get_by_role("dialog")).to_contain_text("Adds an entry.")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_contain_text("plan the week")
    expect(page.get_by_role("main")).to_contain_text("on site")

    page.keyboard.press("n")
    page.keyboard.type("pla")
    expect(page.get_by_role("option", name="plan the week")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(line).to_have_value("plan the week ")
    page.keyboard.type("0:20-0:30")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main").get_by_text("plan the week")).to_have_count(2)


def test_a_chip_selects_its_words_and_escape_leaves(open_page: Callable[..., Page], site: Site) -> None:
    page = open_page()
    set_up(page, site)

    page.get_by_role("link", name="Enter time in one line (n)").click()
    line = page.get_by_role("dialog").get_by_role("combobox")
    line.press_sequentially("call yesterday 9-10")
    page.get_by_role("button", name="9-10 = 1:00").click()
    page.keyboard.type("14-15:30")
    expect(line).to_have_value("call yesterday 14-15:30")
    expect(page.get_by_role("dialog")).to_contain_text("14-15:30 = 1:30")

    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_refused_line_stays_and_says_why(open_page: Callable[..., Page], site: Site) -> None:
    page = open_page()
    set_up(page, site)

    page.keyboard.press("n")
    page.keyboard.type("9-10 call @nobody")
    page.keyboard.press("Enter")

    expect(page.get_by_role("main")).to_contain_text("There is no open project called nobody.")
    expect(page.get_by_role("combobox")).to_have_value("9-10 call @nobody")
    expect(page.get_by_role("combobox")).to_be_focused()


def test_without_scripts_the_line_is_a_page(open_page: Callable[..., Page], site: Site) -> None:
    page = open_page()
    set_up(page, site)
    plain = page.context.browser.new_context(  # type: ignore[union-attr]
        java_script_enabled=False, storage_state=page.context.storage_state()
    ).new_page()

    plain.goto(site.url)
    plain.get_by_role("link", name="Enter time in one line (n)").click()
    plain.get_by_role("combobox").fill("0-0:10 plan")
    plain.get_by_role("button", name="Enter", exact=True).click()

    expect(plain.get_by_role("main")).to_contain_text("plan")
    plain.context.close()
