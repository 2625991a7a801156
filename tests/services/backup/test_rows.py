"""Tables as lines of JSON: every table is thought of, and both engines say the same."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Integer, func, select
from sqlalchemy.orm import Session

from app.db import Application, Base
from app.models import Client, StoredFile, User
from app.services.backup import rows
from app.services.backup.archive import TableOf, Unusable
from tests.conftest import NOON
from tests.services.backup.conftest import Lines, told


class TestEveryTable:
    def test_is_kept_or_left_out_by_name(self) -> None:
        kept = {table.name for table in rows.tables()}

        assert kept | rows.LEFT_OUT == {*Base.metadata.tables, "alembic_version"}, "rows.LEFT_OUT names what is gone"
        assert kept == {
            "attachments",
            "clients",
            "import_runs",
            "installations",
            "projects",
            "stored_files",
            "tags",
            "tasks",
            "time_entries",
            "time_entry_changes",
            "time_entry_tags",
            "users",
        }, "a table is new: decide whether people made or chose its rows; if not, name it in rows.LEFT_OUT"

    def test_has_columns_that_were_thought_of(self) -> None:
        for table in rows.tables():
            assert rows.described(table), "name the new type in rows._OF_TYPES, and its way to JSON and back"

    def test_is_ordered_by_numbers(self) -> None:
        """Texts are ordered otherwise by every PostgreSQL."""
        keys = [key for table in rows.tables() for key in table.primary_key.columns]

        assert [str(key) for key in keys if not isinstance(key.type, Integer)] == []

    def test_refers_to_no_later_row_of_its_own(self) -> None:
        """They are inserted in the order of their keys."""
        own = [str(key.parent) for table in rows.tables() for key in table.foreign_keys if key.column.table is table]

        assert own == []


@pytest.mark.engines
def test_rows_are_the_same_bytes_on_both_engines(app: Application, session: Session, administrator: User) -> None:
    session.add(Client(name='Über "Co"\n\u2028', created_by_id=administrator.id, created_at=NOON, archived_at=NOON))
    session.commit()

    found = told(app.engine)

    assert found["clients"].decode() == (
        '{"id":1,"name":"Über \\"Co\\"\\n\u2028","color":0,"archived_at":"2026-11-17T11:00:00Z",'
        f'"created_by_id":{administrator.id},"created_at":"2026-11-17T11:00:00Z","deleted_at":null}}\n'
    )
    assert b'"is_demo":false' in found["users"]
    assert b"installation_id" not in found["installations"]


class TestReadingRows:
    table = TableOf("things", {"id": "integer", "at": "instant", "on": "date", "is": "boolean", "says": "text"}, 1)
    line = b'{"id":1,"at":"2026-11-17T11:00:00Z","on":"2026-11-17","is":true,"says":null}\n'

    def read(self, line: bytes, table: TableOf = table) -> list[dict[str, object]]:
        source = Source(line)
        return list(rows.read(table, source))

    def test_gives_values_for_the_database(self) -> None:
        assert self.read(self.line) == [
            {"id": 1, "at": datetime(2026, 11, 17, 11, tzinfo=UTC), "on": date(2026, 11, 17), "is": True, "says": None}
        ]

    @pytest.mark.parametrize(
        "line",
        [
            b"",
            line * 2,
            b"[]\n",
            b"{}\n",
            b"\xff\n",
            b"[" * 100_000,
            line.replace(b"1,", b'"1",', 1),
            line.replace(b"true", b"1"),
            line.replace(b"11:00:00Z", b"11:00:00"),
            line.replace(b"2026-11-17T11:00:00Z", b"soon"),
            line.replace(b'"on":"2026-11-17"', b'"on":5'),
            line.replace(b'"says"', b'"said"'),
        ],
    )
    def test_refuses_what_is_no_row_of_the_table(self, line: bytes) -> None:
        with pytest.raises(Unusable, match=r"rows/things\.jsonl"):
            self.read(line)

    def test_refuses_a_kind_that_a_later_version_made(self) -> None:
        with pytest.raises(Unusable, match="'colour', which this version cannot read"):
            self.read(b"", TableOf("things", {"id": "colour"}, 0))


class Source:
    def __init__(self, content: bytes) -> None:
        self.lines = content.splitlines(keepends=True)

    def readline(self, size: int) -> bytes:
        return self.lines.pop(0) if self.lines else b""


@pytest.mark.engines
def test_a_snapshot_does_not_see_what_is_written_meanwhile(
    app: Application, session: Session, administrator: User
) -> None:
    from app import db

    with db.snapshot(app.engine) as connection:
        before = connection.scalar(select(func.count()).select_from(User))
        session.add(Client(name="New", created_by_id=administrator.id, created_at=NOON))
        session.commit()
        lines = Lines()
        assert rows.write(connection, Base.metadata.tables["clients"], lines) == 0
    assert before == 1
    assert StoredFile.any_exist(session) is False
