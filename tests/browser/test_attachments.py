"""Files are attached by choosing or dropping them; the page tells how far they are and what is refused."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site
from tests.browser.test_journey import add_client_and_project, set_up

DROP = """(form) => {
  const files = new DataTransfer();
  files.items.add(new File(["one"], "dropped 1.txt"));
  files.items.add(new File(["two"], "dropped <2>.txt"));
  form.dispatchEvent(new DragEvent("dragover", { bubbles: true, cancelable: true, dataTransfer: files }));
  form.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: files }));
}"""


def project_page(page: Page, site: Site) -> None:
    set_up(page, site)
    add_client_and_project(page, site)
    page.get_by_role("link", name="Relaunch").click()


def test_chosen_and_dropped_files_are_sent_listed_and_downloaded(
    open_page: Callable[..., Page], site: Site, tmp_path: Path
) -> None:
    page = open_page(accept_downloads=True)
    project_page(page, site)
    Image.new("RGB", (300, 200), "#d33").save(tmp_path / "photo.png")
    (tmp_path / "large.bin").write_bytes(bytes(24 * 2**20))
    page.evaluate("""() => {
      const seen = [];
      const shown = document.querySelector(".upload-progress span");
      new MutationObserver(() => { seen.push(shown.textContent); sessionStorage.seen = seen; })
        .observe(shown, { childList: true });
    }""")
    page.get_by_label("Add files").set_input_files([tmp_path / "photo.png", tmp_path / "large.bin"])
    page.get_by_role("button", name="Attach").click()
    expect(page.get_by_role("status")).to_contain_text("2 files are attached.")
    assert "100 %" in page.evaluate("sessionStorage.seen")
    thumbnail = page.locator("img.attached-sign")
    expect(thumbnail).to_have_count(1)
    assert thumbnail.evaluate("image => image.decode().then(() => image.naturalWidth)") == 96

    page.locator("form.upload").evaluate(DROP)
    expect(page.get_by_role("link", name="dropped <2>.txt")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="dropped <2>.txt").click()
    assert download.value.path().read_text() == "two"

    page.get_by_role("button", name="Delete dropped <2>.txt").click()
    expect(page.get_by_role("link", name="dropped <2>.txt")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="dropped <2>.txt")).to_be_visible()


def test_what_is_refused_is_said_at_the_field_and_the_page_stays(
    open_page: Callable[..., Page], site: Site, tmp_path: Path
) -> None:
    page = open_page()
    project_page(page, site)
    page.get_by_label("Name").fill("half typed")
    (tmp_path / "empty.txt").touch()
    page.get_by_label("Add files").set_input_files(tmp_path / "empty.txt")
    page.get_by_role("button", name="Attach").click()
    expect(page.locator("#files-error")).to_contain_text("empty.txt is empty.")
    expect(page.get_by_label("Name")).to_have_value("half typed")

    (tmp_path / "large.bin").write_bytes(bytes(26 * 2**20))
    page.get_by_label("Add files").set_input_files(tmp_path / "large.bin")
    page.get_by_role("button", name="Attach").click()
    expect(page.locator("#files-error")).to_contain_text("each at most 25 MiB")


def test_without_scripts_the_form_works_all_the_same(
    open_page: Callable[..., Page], site: Site, tmp_path: Path
) -> None:
    page = open_page(java_script_enabled=False)
    project_page(page, site)
    (tmp_path / "plan.txt").write_text("plan")
    page.get_by_label("Add files").set_input_files(tmp_path / "plan.txt")
    page.get_by_role("button", name="Attach").click()
    expect(page.get_by_role("link", name="plan.txt")).to_be_visible()
    (tmp_path / "large.bin").write_bytes(bytes(26 * 2**20))
    page.get_by_label("Add files").set_input_files(tmp_path / "large.bin")
    page.get_by_role("button", name="Attach").click()
    expect(page.locator("#files-error")).to_contain_text("large.bin has more than 25 MiB")
