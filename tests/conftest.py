"""The cast, the installation they share, and browsers without a window.

The cast is fixed: the owner of the time, a colleague (another member), a stranger (nobody signed in) and the
administrator. Lead and bookkeeper join with their roles. Every test that touches the database runs on a real one:
SQLite in a folder of its own, and PostgreSQL where the mark `engines` asks for both.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import event, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app import config, create_app, db, storage
from app.config import Settings
from app.db import Application
from app.models import Role, User
from app.services import accounts, installation, passwords, schema
from app.storage import mounts
from tests.postgres import PostgresServer
from tests.s3 import S3Server

PASSWORD = "correct horse battery"
NOON = datetime(2026, 11, 17, 11, 0, tzinfo=UTC)  # a Tuesday; noon in Berlin


def pytest_addoption(parser: pytest.Parser) -> None:
    """For tests/crash; options are only known where pytest looks before it collects."""
    parser.addoption("--kills", type=int, default=10, help="how often the crash proof kills the server")
    parser.addoption("--crash-seed", type=int, default=None, help="repeats the chances of a crash proof that failed")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test marked `engines` runs on both; every other one on SQLite, where the two cannot differ."""
    if "engine_name" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("engines") is not None
        metafunc.parametrize("engine_name", ["sqlite", "postgresql"] if both else ["sqlite"], scope="function")


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database at the newest schema, made once and copied for each test."""
    settings = config.load({"DATA_DIR": str(tmp_path_factory.mktemp("template")), "TZ": "Europe/Berlin"})
    installation.prepare_data_root(settings)
    engine = db.make_engine(settings)
    schema.migrate(engine, settings)
    with engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    engine.dispose()
    assert settings.sqlite_file is not None
    return settings.sqlite_file


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer.started(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with S3Server.started() as server:
        yield server


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment the installation starts with; a test may add to it before it asks for `app`."""
    return {"DATA_DIR": str(tmp_path / "data"), "TZ": "Europe/Berlin"}


@pytest.fixture
def settings(environment: dict[str, str], engine_name: str, request: pytest.FixtureRequest) -> Settings:
    """Settings of an installation whose database is migrated and otherwise empty."""
    if engine_name == "postgresql":
        environment["DATABASE_URL"] = request.getfixturevalue("postgres").fresh_database()
    settings = config.load(environment)
    installation.prepare_data_root(settings)
    if settings.sqlite_file is not None:
        shutil.copy(request.getfixturevalue("migrated_file"), settings.sqlite_file)
    return settings


@pytest.fixture
def app(settings: Settings, compiled_templates: Path) -> Iterator[Application]:
    app = create_app(settings)
    app.testing = True
    app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(compiled_templates))
    app.config["PROPAGATE_EXCEPTIONS"] = False  # people see error pages, and so do tests
    yield app
    app.engine.dispose()


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiling templates anew for each test would be most of the tests' time."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def session(app: Application) -> Iterator[Session]:
    """A session beside the requests', for looking at rows. Commit what a test prepares."""
    with Session(app.engine, expire_on_commit=False) as session:
        yield session


@cache
def _hash_of_password() -> str:
    """Hashed once: a real hash costs 30 ms, and the tests make thousands of people."""
    return passwords.hashed(PASSWORD)


def add_person(session: Session, name: str, role: Role = Role.MEMBER) -> User:
    user = accounts.create(session, name, now=NOON, role=role)
    user.password_hash = _hash_of_password()
    session.commit()
    return user


@pytest.fixture
def administrator(session: Session) -> User:
    return add_person(session, "administrator", Role.ADMIN)


@pytest.fixture
def owner(session: Session, administrator: User) -> User:
    return add_person(session, "owner")


@pytest.fixture
def colleague(session: Session, administrator: User) -> User:
    return add_person(session, "colleague")


def length_shown(text: str) -> str:
    """How a page writes a length such as 1:30:07."""
    hours_minutes, _, seconds = text.rpartition(":")
    return f'{hours_minutes}<span class="seconds">:{seconds}</span>'


class Browser:
    """A person at the pages: follows nothing by itself, and sends the token of the page a form stands on."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.client.get(path, **kwargs)

    def post(self, path: str, data: dict[str, Any] | None = None, **kwargs: Any) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token(), **(data or {})}, **kwargs)

    def token(self) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.client.get("/profile/password").text)
        found = found or re.search(r'name="csrf_token" value="([^"]+)"', self.client.get("/login").text)
        found = found or re.search(r'name="csrf_token" value="([^"]+)"', self.client.get("/setup").text)
        assert found, "no page with a form to take a token from"
        return found[1]

    def sign_in(self, name: str, password: str = PASSWORD, **kwargs: Any) -> TestResponse:
        return self.post("/login", {"username": name, "password": password}, **kwargs)


@pytest.fixture
def browser(app: Application) -> Callable[[], Browser]:
    """A fresh browser each time it is called."""
    return lambda: Browser(app.test_client())


@pytest.fixture
def stranger(browser: Callable[[], Browser], administrator: User) -> Browser:
    """Nobody, in front of an installation that is set up."""
    return browser()


@pytest.fixture
def as_owner(browser: Callable[[], Browser], owner: User) -> Browser:
    return _signed_in(browser(), owner)


@pytest.fixture
def as_colleague(browser: Callable[[], Browser], colleague: User) -> Browser:
    return _signed_in(browser(), colleague)


@pytest.fixture
def as_administrator(browser: Callable[[], Browser], administrator: User) -> Browser:
    return _signed_in(browser(), administrator)


def _signed_in(browser: Browser, user: User) -> Browser:
    assert browser.sign_in(user.username).status_code == 303
    return browser


@pytest.fixture
def statements(app: Application) -> Iterator[list[str]]:
    """Every SQL statement sent while the test runs; clear it before the act that counts."""
    sent: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(app.engine, "before_cursor_execute", note)
    yield sent
    event.remove(app.engine, "before_cursor_execute", note)


@pytest.fixture(autouse=True)
def _outside_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever tests run, they say the same of volumes."""
    monkeypatch.setattr(mounts, "CONTAINER_MARKS", ())


@pytest.fixture(autouse=True)
def _one_store_per_test() -> Iterator[None]:
    yield
    storage._current = None
