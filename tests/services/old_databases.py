"""Databases of every released schema with data in them, for whatever must survive an upgrade.

`ROWS` has, for each migration that changed what can be stored, the rows and columns it brought. With a new migration
goes a new part here: what it added, filled. `test_every_column_of_every_schema_is_filled` tells which are missing.
"""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, MetaData, Table, insert, select

from app.services import schema

Row = dict[str, Any]
Rows = dict[str, list[Row]]

NINE = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
TEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NIGHT = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # in Berlin's repeated hour

HOLDERS = ("client_id", "project_id", "task_id", "time_entry_id")


def _file(number: int, kind: str, name: str) -> dict[str, Any]:
    return {
        "id": number,
        "kind": kind,
        "name": name,
        "sha256": "d" * 64,
        "size": 12,
        "content_type": "application/pdf",
        "original_name": "Beleg.pdf",
        "uploaded_by_id": 1,
        "uploaded_at": NINE,
    }


# Rows of one table are told apart by their first column, here and in what later migrations add to them.
ROWS: dict[str, Rows] = {
    "20261122_1300": {
        "installations": [
            {
                "id": 1,
                "installation_id": "5f0c9c1e-3f57-4f3e-9d39-0a1f5f5a3b11",
                "company_name": "Ämter & Söhne",
                "time_zone": "Europe/Berlin",
                "currency": "EUR",
                "created_at": NINE,
            }
        ],
        "users": [
            {
                "id": 1,
                "username": "Ada",
                "username_key": "ada",
                "email": "ada@nas.local",
                "email_key": "ada@nas.local",
                "full_name": "Ada <b>Lovelace</b>",
                "password_hash": "$argon2id$v=19$m=65536",
                "role": "admin",
                "disabled_at": None,
                "time_zone": "Europe/Berlin",
                "week_start": 6,
                "time_format": "12h",
                "preferred_language": "de",
                "avatar_filename": "avatar_1_0123abcd.webp",
                "created_at": NINE,
            },
            {
                "id": 7,
                "username": "eve",
                "username_key": "eve",
                "email": None,
                "email_key": None,
                "full_name": "",
                "password_hash": None,
                "role": "member",
                "disabled_at": TEN,
                "time_zone": "Asia/Kolkata",
                "week_start": 0,
                "time_format": "24h",
                "preferred_language": None,
                "avatar_filename": None,
                "created_at": TEN,
            },
        ],
        "sign_in_attempts": [
            {"id": 1, "account_hash": "a" * 64, "address": "192.0.2.1", "device_hash": "d" * 64, "at": NINE}
        ],
        "clients": [
            {"id": 1, "name": "Brücke", "color": 11, "archived_at": None, "created_by_id": 1, "created_at": NINE},
            {"id": 2, "name": "Old", "color": 0, "archived_at": TEN, "created_by_id": None, "created_at": NINE},
        ],
        "import_runs": [
            {"id": 1, "user_id": 1, "source": "toggl", "file_name": "März.csv", "created_at": NINE, "undone_at": TEN}
        ],
        "one_time_links": [
            {"id": 1, "token_hash": "b" * 64, "purpose": "join", "user_id": 7, "created_at": NINE, "expires_at": TEN}
        ],
        "stored_files": [
            {
                "id": 1,
                "kind": "avatar",
                "name": "avatar_1_0123abcd.webp",
                "sha256": "c" * 64,
                "size": 3_000_000_000,
                "content_type": "image/webp",
                "original_name": "me 🎉.png",
                "uploaded_by_id": 1,
                "uploaded_at": NINE,
            }
        ],
        "tags": [{"id": 1, "name": "Überstunden", "created_by_id": 1, "created_at": NINE}],
        "user_devices": [{"id": 1, "user_id": 1, "device_hash": "d" * 64, "created_at": NINE}],
        "user_sessions": [
            {
                "id": 1,
                "sid_hash": "e" * 64,
                "user_id": 1,
                "stay_signed_in": True,
                "created_at": NINE,
                "last_seen_at": TEN,
                "expires_at": NIGHT,
            }
        ],
        "projects": [
            {
                "id": 1,
                "client_id": 1,
                "name": "Bridge",
                "color": 3,
                "billable": True,
                "archived_at": TEN,
                "created_by_id": 1,
                "created_at": NINE,
            },
            {
                "id": 2,
                "client_id": None,
                "name": "Bridge",
                "color": 0,
                "billable": False,
                "archived_at": None,
                "created_by_id": None,
                "created_at": NINE,
            },
        ],
        "tasks": [{"id": 1, "project_id": 1, "name": "Plan", "created_by_id": 7, "created_at": NINE}],
        "time_entries": [
            {
                "id": 1,
                "user_id": 1,
                "project_id": 1,
                "task_id": 1,
                "description": "two\nlines, “quoted”",
                "billable": True,
                "started_at": NINE,
                "ended_at": TEN,
                "timer_slot": 0,
                "time_zone": "Europe/Berlin",
                "local_date": date(2026, 3, 2),
                "source": "toggl",
                "import_run_id": 1,
                "import_key": "f" * 64,
                "import_row": '{"Description": "two"}',
                "created_at": NINE,
                "updated_at": TEN,
                "deleted_at": None,
            },
            {
                "id": 2,
                "user_id": 1,
                "project_id": None,
                "task_id": None,
                "description": "",
                "billable": False,
                "started_at": NIGHT,
                "ended_at": None,
                "timer_slot": 1,
                "time_zone": "Europe/Berlin",
                "local_date": date(2026, 10, 25),
                "source": "timer",
                "import_run_id": None,
                "import_key": None,
                "import_row": None,
                "created_at": NIGHT,
                "updated_at": NIGHT,
                "deleted_at": None,
            },
            {
                "id": 9,
                "user_id": 7,
                "project_id": 2,
                "task_id": None,
                "description": "deleted",
                "billable": False,
                "started_at": NINE,
                "ended_at": NINE,
                "timer_slot": 0,
                "time_zone": "Asia/Kolkata",
                "local_date": date(2026, 3, 2),
                "source": "manual",
                "import_run_id": None,
                "import_key": None,
                "import_row": None,
                "created_at": NINE,
                "updated_at": NINE,
                "deleted_at": TEN,
            },
        ],
        "time_entry_tags": [{"time_entry_id": 1, "tag_id": 1}],
    },
    "20261122_1710": {
        "users": [{"id": 1, "changes": 41}],
        "time_entries": [{"id": 1, "version": 3}],
        "time_entry_changes": [
            {
                "id": 1,
                "act": "a-random-name-of-22-ch",
                "user_id": 1,
                "time_entry_id": 1,
                "version": 3,
                "former": '{"description": "one"}',
                "at": TEN,
            }
        ],
    },
    "20261122_1711": {
        "clients": [{"id": 2, "deleted_at": TEN}],
        "tags": [{"id": 1, "deleted_at": TEN}, {"id": 2, "name": "Überstunden", "created_by_id": 7, "created_at": TEN}],
        "projects": [{"id": 2, "deleted_at": TEN}],
    },
    "20261122_1712": {"users": [{"id": 1, "theme": "dark"}]},
    "20261122_1713": {"users": [{"id": 7, "is_demo": True}]},
    "20261122_1740": {
        "installations": [{"id": 1, "logo_filename": "company_logo_0123abcd.png"}],
        "stored_files": [_file(2 + number, "attachment", f"att_{number}") for number in range(4)]
        + [_file(6, "thumbnail", "att_0.webp")],
        "attachments": [
            {
                "id": 1 + number,
                "stored_file_id": 2 + number,
                "thumbnail_id": None if number else 6,
                "created_by_id": 1,
                "created_at": NINE,
                "deleted_at": TEN if number else None,
                **{key: 1 if key == holder else None for key in HOLDERS},
            }
            for number, holder in enumerate(HOLDERS)
        ],
    },
    "20261122_1750": {
        "backups": [
            {
                "id": 1,
                "kind": "backup",
                "name": "timetracker-20260302T090000Z.tar.gz",
                "state": "done",
                "scheduled": True,
                "began_at": NINE,
                "beat_at": TEN,
                "ended_at": TEN,
                "percent": 100,
                "size": 3_000_000_000,
                "sha256": "e" * 64,
                "entries": 3,
                "files": 1,
                "problem": "avatars/x is lost",
            }
        ],
        "waiting_removals": [{"id": 1, "key": "avatars/avatar_7_0123abcd.webp", "at": TEN}],
    },
}


def rows_at(revision: str) -> Rows:
    """All that a database of this schema holds in these tests."""
    found: Rows = {}
    for part in (ROWS[known] for known in sorted(ROWS) if known <= revision):
        for table, rows in part.items():
            for row in rows:
                _merge(found.setdefault(table, []), row)
    return found


def make(engine: Engine, revision: str) -> Rows:
    """A database of that schema with its rows, as that version would have left it."""
    rows = rows_at(revision)
    with engine.begin() as connection:
        schema.upgrade_to(connection, revision)
        for table in tables(connection):
            for row in rows.get(table.name, []):
                connection.execute(insert(table).values(to_database(table, row)))
    return rows


def read(engine: Engine, wanted: Rows) -> Rows:
    """What lies there now of the columns that `wanted` names, in its order."""
    with engine.connect() as connection:
        found = {table.name: table for table in tables(connection)}
        return {name: [_read_row(connection, found[name], row) for row in rows] for name, rows in wanted.items()}


def count(engine: Engine) -> dict[str, int]:
    """Rows by table, the bookkeeping of migrations left out."""
    with engine.connect() as connection:
        return {table.name: len(connection.execute(select(table)).all()) for table in tables(connection)}


def tables(connection: Connection) -> list[Table]:
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def _merge(rows: list[Row], row: Row) -> None:
    key = next(iter(row))
    for there in rows:
        if there[key] == row[key]:
            there.update(row)
            return
    rows.append(dict(row))


def _read_row(connection: Connection, table: Table, row: Row) -> Row:
    key = next(iter(row))
    (found,) = connection.execute(select(table).where(table.c[key] == row[key])).mappings()
    return {name: _from_database(found[name], value) for name, value in row.items()}


def to_database(table: Table, row: Row) -> Row:
    """SQLite keeps an instant as seconds since 1970."""
    return {
        name: int(value.timestamp())
        if isinstance(table.c[name].type, BigInteger) and isinstance(value, datetime)
        else value
        for name, value in row.items()
    }


def _from_database(value: Any, wanted: Any) -> Any:
    return datetime.fromtimestamp(value, UTC) if isinstance(wanted, datetime) and isinstance(value, int) else value
