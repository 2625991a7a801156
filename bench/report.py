"""docs/operate/performance.md and its pictures."""

import os
import platform
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.figures import GROWN_TO, MOST_GROWTH, NOISE_MS, PROMISED_AT, Cost, Figure, Size
from bench.load import SLOW_SENDERS
from bench.pages import EMPTY
from bench.pictures import Bars
from bench.results import Former

FILE = Path(__file__).parent.parent / "docs" / "operate" / "performance.md"
PICTURES = FILE.with_suffix("")


@dataclass(frozen=True)
class Report:
    """`grown` are milliseconds of each page at GROWN_TO, empty where that was not measured."""

    date: str
    sizes: list[Size]
    promised: list[Figure]
    grown: list[Figure]
    former: Former | None

    def write(self) -> None:
        PICTURES.mkdir(exist_ok=True)
        for name, bars in self._pictures().items():
            (PICTURES / f"{name}.svg").write_text(bars.svg())
        FILE.write_text(self.text())

    def text(self) -> str:
        parts = [self._head(), self._promises(), *self._growth(), self._pages(), self._load(), self._sizes(), _HOW]
        return "\n\n".join(parts) + "\n"

    def _head(self) -> str:
        against = f" Changes are against the run of {self.former.date}." if self.former else ""
        return (
            f"# Performance\n\nMeasured by `make bench` on {self.date}: SQLite {sqlite3.sqlite_version}, "
            f"Python {platform.python_version()}, {os.cpu_count()} cores, the real server; one person who makes about "
            f"137 entries a day, so that 1,000 are a week, 100,000 two years, 1,000,000 twenty.{against}"
        )

    def _promises(self) -> str:
        rows = [[_what(figure), *_held(figure), self._before(figure)] for figure in self.promised]
        table = _table(["what", "measured", "at most", "holds", "before"], rows)
        return f"## What is promised\n\nAt {PROMISED_AT:,} entries where nothing else is said.\n\n{table}"

    def _before(self, figure: Figure) -> str:
        value = self.former.figure(figure.what) if self.former else None
        return "–" if value is None else _with_unit(value, figure.unit)

    def _growth(self) -> list[str]:
        if not self.grown:
            return []
        small = next(size for size in self.sizes if size.entries == PROMISED_AT)
        rows = [
            [
                figure.what,
                f"{small.costs[figure.what].cpu:.2f} ms",
                f"{figure.value:.2f} ms",
                f"{figure.value / small.costs[figure.what].cpu:.2f} ×",
                f"{figure.most:.2f} ms",
                "yes" if figure.holds else "NO",
            ]
            for figure in self.grown
        ]
        head = ["server CPU of", f"{PROMISED_AT:,}", f"{GROWN_TO:,}", "growth", "at most", "holds"]
        words = (
            f"## Ten times the past\n\nA page at {GROWN_TO:,} entries takes at most {MOST_GROWTH} times the CPU it "
            f"takes at {PROMISED_AT:,}; {NOISE_MS:g} ms more is taken for noise. The totals above a list and the "
            "numbers of entries on the tags are counted anew each time: what spans all time grows with it."
        )
        return [f"{words}\n\n{_table(head, rows)}"]

    def _pages(self) -> str:
        words = (
            "## What a page and a verb cost\n\n"
            "![Server CPU of each page at each number of entries, as in the tables below](performance/pages.svg)\n\n"
            "![Server CPU of each verb at each number of entries, as in the tables below](performance/verbs.svg)\n\n"
            "CPU is the server's own, a request; *× empty* compares it with an empty page of a person who is signed "
            "in, in the same run; *bare SQL* is the CPU of the same statements on a plain connection; *change* is that "
            "of *× empty* against the former run. p50 and p95 are what one browser waits. A bar with two strokes at "
            "its end goes on beyond the axis."
        )
        return "\n\n".join([words, *(self._page_table(size) for size in self.sizes)])

    def _page_table(self, size: Size) -> str:
        head = ["", "statements", "KB", "p50", "p95", "CPU", "× empty", "bare SQL", "CPU / bare SQL", "change"]
        rows = [[name, *_cost(cost), self._change(size.entries, name, cost)] for name, cost in size.costs.items()]
        return f"### {size.entries:,} entries (times in ms)\n\n{_table(head, rows)}"

    def _change(self, entries: int, name: str, cost: Cost) -> str:
        before = self.former.to_empty(entries, name) if self.former else None
        return f"{100 * (cost.to_empty / before - 1):+.0f} %" if before and name != EMPTY else "–"

    def _load(self) -> str:
        rows = [
            [
                f"{size.entries:,}",
                connections,
                f"{load.seconds:.0f} s",
                f"{load.per_second:.0f}",
                f"{load.p50:.0f} ms",
                f"{load.p95:.0f} ms",
                str(load.server_errors),
                str(load.broken),
                str(load.refused),
            ]
            for size in self.sizes
            for connections, load in size.loads.items()
        ]
        head = ["entries", "connections", "for", "requests/s", "p50", "p95", "5xx", "broken", "4xx"]
        slow = [
            [f"{size.entries:,}", str(size.slow.left), f"{size.slow.p95:.0f} ms", f"{size.slow.longest:.0f} ms"]
            for size in self.sizes
        ]
        return (
            "## Many at once\n\n"
            "![What is waited at so many connections, as in the table below](performance/load.svg)\n\n"
            "Each connection is a browser that asks again as soon as it has an answer: pulse, Today and the list "
            "mostly, one request in ten a verb. The browsers run on the same cores as the server and take their share "
            "of them, so these are lower bounds of what the server can do.\n\n"
            f"{_table(head, rows)}\n\n"
            f"{SLOW_SENDERS} senders send the body of a form a byte at a time; Today is opened meanwhile.\n\n"
            f"{_table(['entries', 'still sending at the end', 'p95 of Today', 'longest'], slow)}"
        )

    def _sizes(self) -> str:
        rows = [
            [
                f"{size.entries:,}",
                f"{size.seeded_in:.0f} s",
                f"{size.database_mb:.1f} MB",
                f"{size.pss_mib:.0f} MiB",
                f"{size.pss_after_load_mib:.0f} MiB",
            ]
            for size in self.sizes
        ]
        head = ["entries", "seeded in", "database", "memory (PSS) at one connection", "after the load"]
        return f"## Sizes\n\n{_table(head, rows)}"

    def _pictures(self) -> dict[str, Bars]:
        series = [f"{size.entries:,} entries" for size in self.sizes]
        last = self.sizes[-1]
        pages = [name for name, cost in last.costs.items() if cost.sql is not None]
        verbs = [name for name, cost in last.costs.items() if cost.sql is None]
        cpu = "server CPU of a request, milliseconds"
        waits = [
            (f"{size.entries:,}: {connections} at once", [load.p50, load.p95])
            for size in self.sizes
            for connections, load in size.loads.items()
        ]
        return {
            "pages": Bars(cpu, series, [(name, self._cpu_of(name)) for name in pages]),
            "verbs": Bars(cpu, series, [(name, self._cpu_of(name)) for name in verbs]),
            "load": Bars("what a browser waits, milliseconds", ["p50", "p95"], waits),
        }

    def _cpu_of(self, name: str) -> list[float]:
        return [size.costs[name].cpu for size in self.sizes]


def table_of(figures: Iterable[Figure]) -> str:
    """For the terminal."""
    return _table(["what", "measured", "at most", "holds"], [[_what(figure), *_held(figure)] for figure in figures])


def _what(figure: Figure) -> str:
    return f"{figure.what} ({figure.note})" if figure.note else figure.what


def _held(figure: Figure) -> list[str]:
    values = [_with_unit(value, figure.unit) for value in (figure.value, figure.most)]
    return [*values, "yes" if figure.holds else "NO"]


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}" if unit else f"{value:g}"


def _cost(cost: Cost) -> list[str]:
    bare = ["–", "–"] if cost.sql is None else [f"{cost.sql:.2f}", f"{cost.cpu / cost.sql:.1f} ×" if cost.sql else "–"]
    return [
        str(cost.statements),
        f"{cost.kilobytes:.1f}",
        f"{cost.p50:.1f}",
        f"{cost.p95:.1f}",
        f"{cost.cpu:.2f}",
        f"{cost.to_empty:.2f}",
        *bare,
    ]


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_HOW = """\
## How it is measured

Each number of entries is seeded into an installation of its own, and the real server is started on it. Pages and
verbs take turns in rounds, the median round counts: a busy minute of the machine falls on all alike. CPU is what the
kernel counts for the server's processes around each request. Statements and bytes are counted inside the application,
without a server. Ranges are of so many days, not of this week or year, so that any day measures the same; only Today
sums the week as far as it has come, and *a year* is the one before this.

Machines differ, so what is kept of a run (`bench/results.json`) is compared by *× empty*. `make test` holds statements,
bytes and plans of the same pages on a small installation; SQLite chooses plans without statistics here, so they are
the same at any size."""
