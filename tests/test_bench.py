"""What `make bench` measures, on a small installation: how many statements, by which plans, how many bytes. No times.

Production never runs ANALYZE, so SQLite chooses its plans without knowing how many rows there are: those of two weeks
of entries are those of twenty years.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from app import config, create_app
from bench.browser import Inside
from bench.pages import Ground, ground, pages, verbs
from bench.pictures import Bars
from bench.seed import NAME, PASSWORD, seed
from bench.statements import Sent, noted, steps, walks

ENTRIES = 2_000
NOWHERE = Ground(date(2026, 11, 22), 1, 1, "", "", "")
PAGES = {page.name: page for page in pages(NOWHERE)}
VERBS = {verb.name: verb for verb in verbs(Inside.__new__(Inside), NOWHERE)}


@dataclass(frozen=True)
class Seen:
    """What a page or verb sent to the database, and the bytes of its answer."""

    sent: list[Sent]
    size: int


@dataclass(frozen=True)
class House:
    file: Path
    seen: dict[str, Seen]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Every page opened and every verb done once, while a timer runs, as that costs each page a statement more."""
    settings = config.load({"DATA_DIR": str(tmp_path_factory.mktemp("bench")), "TZ": "Europe/Berlin"})
    assert settings.sqlite_file is not None
    seed(settings, ENTRIES)
    app = create_app(settings)
    browser = Inside(app.test_client())
    browser.sign_in(NAME, PASSWORD)
    assert browser.post("/timer/start", {"description": "x", "tags": "tag 1"}) == 303
    there = ground(app.engine, browser)
    seen: dict[str, Seen] = {}
    for page in pages(there):
        browser.get("/profile")
        with noted(app.engine) as sent:
            body = page.open(browser)
        seen[page.name] = Seen(sent, len(body))
    for verb in verbs(browser, there):
        verb.prepare()
        with noted(app.engine) as sent:
            verb.act()
        seen[verb.name] = Seen(sent, 0)
    yield House(settings.sqlite_file, seen)
    app.engine.dispose()


@pytest.mark.parametrize("name", PAGES)
class TestAPage:
    def test_sends_so_few_statements(self, house: House, name: str) -> None:
        assert len(house.seen[name].sent) <= PAGES[name].statements

    def test_is_so_small(self, house: House, name: str) -> None:
        assert house.seen[name].size <= PAGES[name].kilobytes * 1024


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_sends_so_few_statements(house: House, name: str) -> None:
    assert len(house.seen[name].sent) <= VERBS[name].statements


@pytest.mark.parametrize("name", [*PAGES, *VERBS])
def test_nothing_reads_all_entries(house: House, name: str) -> None:
    found = [line for sent in house.seen[name].sent if sent.has_a_plan for line in walks(house.file, sent)]

    assert found == []


def test_the_far_end_of_a_list_is_reached_without_reading_what_lies_before(house: House) -> None:
    near, far = (_page_of(house, name) for name in ("the list: all time", "the list: its far end"))

    assert steps(house.file, [far]) <= steps(house.file, [near])


@pytest.mark.parametrize("index", ["ix_time_entries_user_id_local_date", "uq_time_entries_running"])
def test_a_missing_index_would_be_noticed(house: House, tmp_path: Path, index: str) -> None:
    bare = tmp_path / "bare.db"
    with closing(sqlite3.connect(house.file)) as whole, closing(sqlite3.connect(bare)) as copy:
        whole.backup(copy)
        copy.execute(f"DROP INDEX {index}")

    assert any(walks(bare, sent) for sent in house.seen["the list: 7 days"].sent)


def _page_of(house: House, name: str) -> Sent:
    [found] = [sent for sent in house.seen[name].sent if "LIMIT" in sent.sql]
    return found


def test_an_outlier_does_not_flatten_the_other_bars_of_a_picture() -> None:
    usual = [(f"page {number}", [10.0]) for number in range(9)]

    drawn = Bars("milliseconds", ["1,000 entries"], [*usual, ("<slow>", [5000.0])]).svg()

    assert 'width="212.0"' in drawn
    assert ">5000<" in drawn
    assert "&lt;slow&gt;" in drawn
