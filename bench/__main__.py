"""Measures what we promise and writes docs/operate/performance.md. `make bench`; exit 1 when a limit is broken."""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from app import config, create_app
from bench import start
from bench.browser import Browser, Inside, Wire
from bench.figures import (
    GROWN_TO,
    PROMISED_AT,
    Cost,
    Figure,
    Load,
    Size,
    Slow,
    Start,
    growth,
    promises,
    under_load,
)
from bench.load import SLOW_SENDERS, mixed, slow_senders
from bench.pages import EMPTY, Ground, ground, pages, verbs
from bench.report import Report, table_of
from bench.results import Former, store
from bench.seed import NAME, PASSWORD, seed
from bench.server import BIN, Server, free_port, started
from bench.statements import bare_ms, noted
from bench.timing import Act, Effort, measured, median_cpu, percentile

SIZES = (1_000, PROMISED_AT, GROWN_TO)
QUICK_SIZES = (1_000, 10_000)
CONNECTIONS = (8, 50)
SECONDS = 120


@dataclass(frozen=True)
class Plan:
    """`seconds` is how long 50 connections last at the promised size; elsewhere it is a sixth of that."""

    sizes: tuple[int, ...]
    seconds: float
    quick: bool

    @property
    def is_full(self) -> bool:
        return self.sizes == SIZES and self.seconds == SECONDS and not self.quick

    @property
    def effort(self) -> Effort:
        return Effort(rounds=2, requests=5) if self.quick else Effort()

    def seconds_of(self, entries: int, connections: int) -> float:
        return self.seconds if (entries, connections) == (PROMISED_AT, max(CONNECTIONS)) else self.seconds / 6


@dataclass(frozen=True)
class Counted:
    """What one page or verb asks of the database and how much it answers; `sql` as in Cost."""

    statements: int
    kilobytes: float
    sql: float | None


def main() -> int:
    plan = _plan()
    sizes, at_start = [], None
    for entries in plan.sizes:
        with tempfile.TemporaryDirectory() as folder:
            environment = {"DATA_DIR": folder, "TZ": "Europe/Berlin"}
            sizes.append(_measure(entries, environment, plan))
            if entries == PROMISED_AT:
                with _told("Starts, the first visit, a large picture"):
                    at_start = start.measure(environment)
    return _judge(sizes, at_start, plan)


def _plan() -> Plan:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--sizes", help="numbers of entries, with commas: 1000,100000")
    parser.add_argument("--seconds", type=float, help="how long 50 connections last at 100,000 entries")
    parser.add_argument("--quick", action="store_true", help="small and coarse, to try the bench itself")
    asked = parser.parse_args()
    sizes = tuple(map(int, asked.sizes.split(","))) if asked.sizes else QUICK_SIZES if asked.quick else SIZES
    return Plan(sizes, asked.seconds or (12 if asked.quick else SECONDS), asked.quick)


def _measure(entries: int, environment: dict[str, str], plan: Plan) -> Size:
    settings = config.load(environment)
    file = settings.sqlite_file
    assert file is not None
    with _told(f"{entries:,} entries: seeding"):
        began = time.perf_counter()
        seed(settings, entries)
        seeded_in = time.perf_counter() - began
    with _told(f"{entries:,} entries: counting statements and bytes"):
        counted = _counted(environment, file)
    port = free_port()
    with started([str(BIN / "timetracker"), "serve", "--port", str(port)], port, environment) as server:
        browser = Wire(port)
        browser.sign_in(NAME, PASSWORD)
        here = _ground(environment, browser)
        with _told(f"{entries:,} entries: each page and verb"):
            costs = _costs(server, browser, here, counted, plan.effort)
        pss = server.pss_mib()
        with _told(f"{entries:,} entries: {SLOW_SENDERS} slow senders"):
            slow = _slow(browser, 20 if plan.quick else 200)
        loads = {}
        for connections in CONNECTIONS:
            with _told(f"{entries:,} entries: {connections} connections"):
                loads[str(connections)] = _load(browser, here, connections, plan.seconds_of(entries, connections))
        return Size(entries, seeded_in, _database_mb(file), pss, server.pss_mib(), costs, loads, slow)


def _database_mb(file: Path) -> float:
    """With the write-ahead log, as that is on the disk, too."""
    return sum(part.stat().st_size for part in file.parent.glob(f"{file.name}*")) / 1e6


@contextmanager
def _told(doing: str) -> Iterator[None]:
    print(f"{doing} …", end=" ", flush=True)
    began = time.perf_counter()
    yield
    print(f"{time.perf_counter() - began:.0f} s", flush=True)


def _ground(environment: dict[str, str], browser: Browser) -> Ground:
    app = create_app(config.load(environment))
    try:
        return ground(app.engine, browser)
    finally:
        app.engine.dispose()


def _counted(environment: dict[str, str], file: Path) -> dict[str, Counted]:
    app = create_app(config.load(environment))
    browser = Inside(app.test_client())
    browser.sign_in(NAME, PASSWORD)
    here = ground(app.engine, browser)
    found = {}
    for page in pages(here):
        with noted(app.engine) as sent:
            body = page.open(browser)
        found[page.name] = Counted(len(sent), len(body) / 1024, bare_ms(file, sent))
    for verb in verbs(browser, here):
        verb.prepare()
        with noted(app.engine) as sent:
            verb.act()
        found[verb.name] = Counted(len(sent), 0, None)
    app.engine.dispose()
    return found


def _costs(server: Server, browser: Wire, here: Ground, counted: dict[str, Counted], effort: Effort) -> dict[str, Cost]:
    """Pages first: verbs add entries, and all sizes should be read as they were seeded."""
    opened = measured(server, [Act(page.name, lambda page=page: page.open(browser)) for page in pages(here)], effort)  # type: ignore[misc]
    done = measured(server, [Act(verb.name, verb.act, verb.prepare) for verb in verbs(browser, here)], effort)
    empty = median_cpu(opened[EMPTY])
    return {
        name: Cost(
            counted[name].statements,
            counted[name].kilobytes,
            median_cpu(timing),
            median_cpu(timing) / empty,
            percentile(timing.walls, 50),
            percentile(timing.walls, 95),
            counted[name].sql,
        )
        for name, timing in (opened | done).items()
    }


def _slow(browser: Wire, requests: int) -> Slow:
    """Whoever gets no answer in ten seconds has waited those."""
    with slow_senders(browser) as still_sending:
        time.sleep(2)  # until the server has taken all of them on, and waits for their next byte
        other = browser.another(timeout=10)
        walls = [_wait(other) for _ in range(requests)]
        return Slow(SLOW_SENDERS, still_sending(), percentile(walls, 95), max(walls))


def _wait(browser: Wire) -> float:
    began = time.perf_counter()
    try:
        browser.get("/")
    except OSError:
        browser.connection.close()  # the next request opens it again
    return 1000 * (time.perf_counter() - began)


def _load(browser: Wire, here: Ground, connections: int, seconds: float) -> Load:
    tally = mixed(browser, here, connections, seconds)
    return Load(
        seconds,
        len(tally.walls) / seconds,
        percentile(tally.walls, 50),
        percentile(tally.walls, 95),
        tally.server_errors,
        tally.broken,
        tally.refused,
    )


def _judge(sizes: list[Size], at_start: Start | None, plan: Plan) -> int:
    """Only the full run is stored and written: a quick one says nothing about the next."""
    by_entries = {size.entries: size for size in sizes}
    promised = promises(by_entries[PROMISED_AT], at_start) if PROMISED_AT in by_entries else []
    promised += chain.from_iterable(map(under_load, sizes))
    both = PROMISED_AT in by_entries and GROWN_TO in by_entries
    grown = growth(by_entries[PROMISED_AT], by_entries[GROWN_TO]) if both else []
    date = datetime.now(UTC).date().isoformat()
    report = Report(date, sizes, promised, grown, Former.load())
    if plan.is_full:
        report.write()
        store(date, sizes, promised)
    print(table_of([*promised, *grown]) if plan.is_full else report.text())
    broken = [figure for figure in [*promised, *grown] if not figure.holds]
    _say(broken)
    return 1 if broken else 0


def _say(broken: list[Figure]) -> None:
    for figure in broken:
        print(f"Broken: {figure.what}: {figure.value:.2f} {figure.unit}, at most {figure.most:.2f}.", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
