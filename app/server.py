"""`timetracker serve`: check, migrate, then granian in front of the WSGI application."""

import gc
import logging
import multiprocessing

from granian import Granian
from granian.constants import Interfaces
from sqlalchemy import Engine

from app import clock, db
from app.config import Settings
from app.db import POOL_SIZE, Application
from app.factory import create_app
from app.models import User
from app.services import accounts, installation, schema

log = logging.getLogger(__name__)

BACKLOG = 1024


def serve(settings: Settings, *, host: str | None, port: int | None) -> None:
    """Serves until told to stop. Raises InvalidSetting, CannotStart."""
    settings = settings.listening_on(host, port)
    app = prepare(settings)
    gc.freeze()  # the worker is a fork of this process: what is shared stays shared
    multiprocessing.set_start_method("fork", force=True)
    Granian(
        "app:application",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=POOL_SIZE,
        backlog=BACKLOG,
        respawn_failed_workers=True,
        log_access=False,
        websockets=False,
    ).serve(target_loader=lambda: app, wrap_loader=False)


def prepare(settings: Settings) -> Application:
    """What a start needs, in order; then the application, and on a terminal what to open."""
    installation.prepare_data_root(settings)
    engine = db.make_engine(settings)
    schema.migrate(engine, settings, waiting=lambda: log.info("Another process migrates the database; waiting."))
    _say("Data lies in %s (%s).", settings.data_dir, settings.data_dir_reason)
    app = create_app(settings)
    address = settings.base_url or f"http://{_shown_host(settings.host)}:{settings.port}"
    token = _set_up_token(engine)
    engine.dispose()
    if token:
        _say("Set TimeTracker up at %s/setup?token=%s", address, token)
    else:
        _say("Open %s", address)
    return app


def _set_up_token(engine: Engine) -> str | None:
    """The secret of a one-time link, while nobody administers."""
    with db.transaction(engine) as session:
        if User.admin_exists(session):
            return None
        return accounts.make_link(session, accounts.Purpose.SET_UP, None, clock.now())


def _shown_host(host: str) -> str:
    if host in {"0.0.0.0", "::", "127.0.0.1", "::1"}:  # noqa: S104 - compared, not bound
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _say(message: str, *words: object) -> None:
    print(message % words, flush=True)  # noqa: T201 - for the person who started it
