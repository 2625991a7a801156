"""Tables as lines of JSON, the same bytes from SQLite and from PostgreSQL, and back again.

Every table of the models is kept, unless it is named here; what a column holds is said by one of a few words, which go
into the manifest, so that an archive can be read when the models have long changed.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    column,
    insert,
    select,
)
from sqlalchemy import table as lightweight_table
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.types import TypeEngine

from app.db import Base, Instant
from app.models import FileKind
from app.models.stored_file import FOLDERS
from app.services.backup.archive import Lines, Sink, TableOf, Unusable

# What nobody made or chose, or what must not outlive the database it is in.
LEFT_OUT = frozenset(
    {
        "alembic_version",
        "backups",
        "one_time_links",
        "sign_in_attempts",
        "user_devices",
        "user_sessions",
        "waiting_removals",
    }
)
LEFT_OUT_COLUMNS = frozenset({("installations", "installation_id")})
LONGEST_LINE = 64 * 1024 * 1024
BATCH = 1000

_Codec = Callable[[Any], Any]


class _Kind(NamedTuple):
    """How values stand in JSON: `write` makes them from Python's, `read` takes them back (raises ValueError)."""

    type: TypeEngine[Any]
    write: _Codec
    read: _Codec


def _same(value: Any) -> Any:
    return value


def _checked(wanted: type) -> _Codec:
    def check(value: Any) -> Any:
        if type(value) is not wanted:
            raise ValueError(value)
        return value

    return check


def _written_instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read_instant(value: str) -> datetime:
    found = datetime.fromisoformat(_checked(str)(value))
    if found.tzinfo is None:
        raise ValueError(value)
    return found


def _read_date(value: str) -> date:
    return date.fromisoformat(_checked(str)(value))


_KINDS = {
    "boolean": _Kind(Boolean(), _same, _checked(bool)),
    "date": _Kind(Date(), date.isoformat, _read_date),
    "instant": _Kind(Instant(), _written_instant, _read_instant),
    "integer": _Kind(BigInteger(), _same, _checked(int)),
    "text": _Kind(Text(), _same, _checked(str)),
}
_OF_TYPES: dict[type[TypeEngine[Any]], str] = {
    BigInteger: "integer",
    Boolean: "boolean",
    Date: "date",
    Instant: "instant",
    Integer: "integer",
    SmallInteger: "integer",
    String: "text",
    Text: "text",
}


def tables() -> list[Table]:
    """All that are kept; what others refer to comes before them."""
    return [table for table in Base.metadata.sorted_tables if table.name not in LEFT_OUT]


def described(table: Table) -> dict[str, str]:
    """Column → what it holds. Raises LookupError for a type that was never thought of."""
    return {kept.name: _OF_TYPES[type(kept.type)] for kept in _columns(table)}


def write(connection: Connection, table: Table, target: Sink) -> int:
    """Writes the rows in the order of their key, one on a line, and says how many there are."""
    columns = _columns(table)
    ordered = select(*columns).order_by(*table.primary_key.columns)
    writers = [(name, _KINDS[kind].write) for name, kind in described(table).items()]
    rows = 0
    for row in connection.execution_options(yield_per=BATCH).execute(ordered):
        told = {
            name: None if value is None else write_value(value)
            for (name, write_value), value in zip(writers, row, strict=True)
        }
        target.write(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        rows += 1
    return rows


def read(table: TableOf, source: Lines) -> Iterator[dict[str, Any]]:
    """The rows as values for the database. Raises Unusable for what is no row of this table, or too few of them."""
    readers = _readers(table)
    count = 0
    while line := source.readline(LONGEST_LINE):
        count += 1
        yield _row(table.name, count, line, readers)
    if count != table.rows:
        raise Unusable(f"rows/{table.name}.jsonl holds {count} rows and not the {table.rows} that its manifest tells.")


def write_back(connection: Connection, table: TableOf, source: Lines, besides: dict[str, Any]) -> int:
    """Inserts the rows, each with the values `besides`, and says how many. Raises Unusable."""
    kept = [column(name, _KINDS[kind].type) for name, kind in table.columns.items()]
    into = insert(lightweight_table(table.name, *kept, *(column(name) for name in besides)))
    found, written = read(table, source), 0
    while batch := [row | besides for row in islice(found, BATCH)]:
        try:
            connection.execute(into, batch)
        except (DataError, IntegrityError) as error:
            said = str(error.orig).strip().partition("\n")[0]
            raise Unusable(f"The database does not take rows {written + 1} on of {table.name}: {said}.") from error
        written += len(batch)
    return written


def key_of_file(row: Mapping[str, Any]) -> str:
    """The key under which the bytes of a row of `stored_files` lie. Raises Unusable for an unknown kind."""
    try:
        return f"{FOLDERS[FileKind(row['kind'])]}/{row['name']}"
    except (ValueError, KeyError) as error:
        raise Unusable(f"It holds a file of an unknown kind, {row.get('kind')!r:.60}.") from error


def _columns(table: Table) -> list[Column[Any]]:
    return [kept for kept in table.columns if (table.name, kept.name) not in LEFT_OUT_COLUMNS]


def _readers(table: TableOf) -> dict[str, _Codec]:
    try:
        return {name: _KINDS[kind].read for name, kind in table.columns.items()}
    except KeyError as error:
        raise Unusable(f"Table {table.name} holds {error.args[0]!r:.60}, which this version cannot read.") from error


def _row(table: str, number: int, line: bytes, readers: Mapping[str, _Codec]) -> dict[str, Any]:
    try:
        told = json.loads(line)
        if list(told) != list(readers):
            raise ValueError(line[:60])  # noqa: TRY301 - one sentence for all that is wrong with a row
        return {name: None if value is None else readers[name](value) for name, value in told.items()}
    except (ValueError, TypeError, RecursionError) as error:
        raise Unusable(f"Row {number} of rows/{table}.jsonl cannot be read.") from error
