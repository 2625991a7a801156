"""What we promise: every figure with the most it may be. All limits stand here."""

from dataclasses import dataclass

from bench.pages import EMPTY, PICTURE, START, STOP, TODAY

PROMISED_AT = 100_000
GROWN_TO = 1_000_000
MOST_GROWTH = 1.3
NOISE_MS = 1.0  # what two measurements of the same page may differ by on a machine that does other things, too


@dataclass(frozen=True)
class Figure:
    """A measured value and the most it may be; `note` says against what."""

    what: str
    value: float
    most: float
    unit: str
    note: str = ""

    @property
    def holds(self) -> bool:
        return self.value <= self.most


@dataclass(frozen=True)
class Cost:
    """Of one page or verb: times are milliseconds; `sql` is the CPU of its bare statements, None for a verb."""

    statements: int
    kilobytes: float
    cpu: float
    to_empty: float
    p50: float
    p95: float
    sql: float | None = None


@dataclass(frozen=True)
class Load:
    """Of many at once: times are milliseconds."""

    seconds: float
    per_second: float
    p50: float
    p95: float
    server_errors: int
    broken: int
    refused: int


@dataclass(frozen=True)
class Slow:
    """Today at one connection while `senders` send byte by byte; `left` of them are still served at the end."""

    senders: int
    left: int
    p95: float
    longest: float


@dataclass(frozen=True)
class Size:
    """All that was measured at one number of entries; memory is that of the process tree after the pages, and later."""

    entries: int
    seeded_in: float
    database_mb: float
    pss_mib: float
    pss_after_load_mib: float
    costs: dict[str, Cost]
    loads: dict[str, Load]
    slow: Slow


@dataclass(frozen=True)
class Start:
    """What does not depend on the entries: of a start, a first visit and a large picture."""

    to_one_file: float
    one_file_seconds: float
    first_visit_kb: float
    large_picture_mib: float


def promises(size: Size, start: Start | None) -> list[Figure]:
    """Those of the first release, then those under load."""
    costs = size.costs
    empty = costs[EMPTY].cpu
    figures = [
        Figure("Today: SQL statements", costs[TODAY].statements, 10, ""),
        Figure("Today: HTML", costs[TODAY].kilobytes, 60, "KB"),
        Figure("Today: server CPU", costs[TODAY].cpu, 10, "ms"),
        Figure("start and stop: server CPU of the two posts", costs[START].cpu + costs[STOP].cpu, 10, "ms"),
        Figure("a picture: server CPU", costs[PICTURE].cpu, empty + 0.7, "ms", f"an empty page: {empty:.2f} ms"),
        Figure("memory of the process tree (PSS)", size.pss_mib, 130, "MiB"),
    ]
    if start is not None:
        one_file = f"that one takes {start.one_file_seconds:.2f} s"
        figures += [
            Figure("cold start against a one-file application", start.to_one_file, 2, "×", one_file),
            Figure("first visit over the wire", start.first_visit_kb, 350, "KB"),
            Figure("a 24-megapixel JPEG uploaded: peak of the largest process", start.large_picture_mib, 250, "MiB"),
        ]
    return figures


def under_load(size: Size) -> list[Figure]:
    at = f"{size.entries:,} entries"
    figures = [
        Figure(f"{at}, {size.slow.senders} slow senders: p95 of Today meanwhile", size.slow.p95, 300, "ms"),
    ]
    for connections, load in size.loads.items():
        what = f"{at}, {connections} connections for {load.seconds:.0f} s"
        figures += [
            Figure(f"{what}: errors of the server (5xx)", load.server_errors, 0, ""),
            Figure(f"{what}: broken connections", load.broken, 0, ""),
        ]
    return figures


def growth(small: Size, large: Size) -> list[Figure]:
    """Ten times the past costs hardly more."""
    return [
        Figure(name, large.costs[name].cpu, MOST_GROWTH * cost.cpu + NOISE_MS, "ms")
        for name, cost in small.costs.items()
    ]
