"""What a page asks of the database: how many statements, by which plan, and what they cost without us."""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Engine, event

LEAST, SECONDS = 3, 0.3
_SCAN = re.compile(r"SCAN time_entr")
_WHOLE_PERSON = re.compile(
    r"SEARCH time_entries.* INDEX (?!uq_time_entries_running|ix_time_entries_deleted)\S+ \(user_id=\?\)"
    r"|SEARCH time_entry_tags.* \(tag_id=\?\)"
)


@dataclass(frozen=True)
class Sent:
    """A statement and its parameters as the driver of SQLite got them."""

    sql: str
    parameters: Any

    @property
    def has_a_plan(self) -> bool:
        return self.sql.lstrip().upper().startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE"))

    @property
    def reads(self) -> bool:
        return self.sql.lstrip().upper().startswith(("SELECT", "WITH"))


@contextmanager
def noted(engine: Engine) -> Iterator[list[Sent]]:
    """The statements sent meanwhile."""
    sent: list[Sent] = []

    def note(_conn: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, _many: bool) -> None:
        sent.append(Sent(sql, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def plan(file: Path, sent: Sent) -> list[str]:
    """The lines of SQLite's plan. As nothing runs ANALYZE, they are the same for any number of rows."""
    values = sent.parameters[0] if isinstance(sent.parameters, list) else sent.parameters
    with closing(sqlite3.connect(file)) as connection:
        return [line[3] for line in connection.execute(f"EXPLAIN QUERY PLAN {sent.sql}", values)]


def walks(file: Path, sent: Sent) -> list[str]:
    """The lines of the plan that read every entry there is, or every one of the person's, or every tag of those.

    The small indexes of what runs and what rests in the trash are none, nor is an index read in its order as far as a
    LIMIT.
    """
    lines = plan(file, sent)
    stops = "LIMIT" in sent.sql and not any("TEMP B-TREE" in line for line in lines)
    return [line for line in lines if _SCAN.match(line) or (_WHOLE_PERSON.match(line) and not stops)]


def steps(file: Path, statements: list[Sent]) -> int:
    """How many instructions SQLite's machine takes for them, to the hundred: work that does not depend on a clock."""
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    with closing(sqlite3.connect(file)) as connection:
        connection.set_progress_handler(tick, 100)
        _run(connection, statements)
    return ticks * 100


def bare_ms(file: Path, statements: list[Sent]) -> float:
    """CPU of the reading ones on a plain connection of Python's sqlite3: the median of several runs."""
    costs: list[float] = []
    ends = time.perf_counter() + SECONDS
    with closing(sqlite3.connect(file)) as connection:
        _run(connection, statements)
        while len(costs) < LEAST or time.perf_counter() < ends:
            before = time.thread_time()
            _run(connection, statements)
            costs.append(1000 * (time.thread_time() - before))
    return median(costs)


def _run(connection: sqlite3.Connection, statements: list[Sent]) -> None:
    for sent in statements:
        if sent.reads:
            connection.execute(sent.sql, sent.parameters).fetchall()
