"""Snapshots of a PostgreSQL database: a schema beside the one in use, with a copy of each table's rows."""

from collections.abc import Callable

from sqlalchemy import Connection, MetaData, Table, func, insert, inspect, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.schema import CreateSchema, DropSchema

from app.errors import CannotStart, Conflict


def names(connection: Connection) -> list[str]:
    return inspect(connection).get_schema_names()


def take(connection: Connection, name: str) -> None:
    """Writers wait from here on until the migration is committed. Raises CannotStart."""
    tables = _tables(connection)
    quoted = connection.dialect.identifier_preparer.format_table
    connection.exec_driver_sql(f"LOCK TABLE {', '.join(map(quoted, tables))} IN SHARE MODE")
    _create(connection, name)
    for table in tables:
        connection.execute(select(*table.columns).into(table.name, schema=name))


def remove(connection: Connection, name: str) -> None:
    connection.execute(DropSchema(name, cascade=True))


def bring_back(connection: Connection, name: str, *, keep_as: str, rebuild: Callable[[Connection], None]) -> str:
    """Moves the tables in use to the schema `keep_as`, has them built anew as they were, and fills them.

    All in the caller's transaction. Numbers of rows go on where they were, so that none is given twice. Raises Conflict
    while somebody else is connected.
    """
    _refuse_company(connection)
    _create(connection, keep_as)
    for table in _tables(connection):
        quoted = connection.dialect.identifier_preparer.format_table(table)
        connection.exec_driver_sql(f"ALTER TABLE {quoted} SET SCHEMA {keep_as}")  # with indexes, sequences and all
    rebuild(connection)
    snapshot = MetaData()
    snapshot.reflect(connection, schema=name)
    for table in _tables(connection):
        former = snapshot.tables[f"{name}.{table.name}"]
        if table.name != "alembic_version":
            columns = [column.name for column in table.columns]
            connection.execute(insert(table).from_select(columns, select(*(former.c[name] for name in columns))))
            _go_on_counting(connection, table, keep_as)
    return keep_as


def _tables(connection: Connection) -> list[Table]:
    """Those in use, each after those it refers to."""
    found = MetaData()
    found.reflect(connection)
    return found.sorted_tables


def _create(connection: Connection, name: str) -> None:
    try:
        connection.execute(CreateSchema(name))
    except ProgrammingError as error:
        role, database = connection.engine.url.username, connection.engine.url.database
        raise CannotStart(
            "No snapshot of the database could be made, as its user may not create schemas: have an administrator of "
            f'the server run `GRANT CREATE ON DATABASE "{database}" TO "{role}"`, then try again. Nothing was changed.'
        ) from error


def _go_on_counting(connection: Connection, table: Table, kept: str) -> None:
    counter = connection.scalar(select(func.pg_get_serial_sequence(table.name, "id"))) if "id" in table.c else None
    if counter is None:
        return
    last = connection.scalar(select(func.max(table.c.id))) or 0
    former = f"{kept}.{counter.rpartition('.')[2]}"
    if connection.scalar(select(func.to_regclass(former))) is not None:
        last = max(last, connection.exec_driver_sql(f"TABLE {former}").one().last_value)
    if last:
        connection.execute(select(func.setval(counter, last)))


def _refuse_company(connection: Connection) -> None:
    others = connection.scalar(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    )
    if others:
        raise Conflict(f"{others} other connections to the database are open: end them first. Nothing was changed.")
