"""What goes wrong, as a page that says what happened, what is safe and what to do."""

import logging
import sqlite3
from http import HTTPStatus

from flask import g, render_template, request
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

from app.db import Application
from app.errors import DomainError
from app.models.shared import LARGEST_ID

log = logging.getLogger(__name__)

Answer = tuple[str, int]


def register(app: Application) -> None:
    app.register_error_handler(DomainError, _domain_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(IntegrityError, _changed_meanwhile)
    app.register_error_handler(StaleDataError, _changed_meanwhile)
    app.register_error_handler(DataError, _cannot_be_stored)
    app.register_error_handler(OverflowError, _cannot_be_stored)
    app.register_error_handler(OperationalError, _database_refuses)
    app.register_error_handler(PoolTimeout, _database_refuses)
    app.register_error_handler(Exception, _our_mistake)


def _domain_error(error: DomainError) -> Answer:
    return _page(error.status, str(error))


def _http_error(error: HTTPException) -> Answer:
    return _page(error.code or 500)


def _changed_meanwhile(error: IntegrityError | StaleDataError) -> Answer:
    log.warning("the database refused: %s", error.orig if isinstance(error, IntegrityError) else error)
    return _page(409)


def _cannot_be_stored(error: DataError | OverflowError) -> Answer:
    """A number in the address that is too large for any record's, or text that PostgreSQL does not take (NUL)."""
    if any(isinstance(part, int) and part > LARGEST_ID for part in (request.view_args or {}).values()):
        return _page(404)
    return _page(422) if isinstance(error, DataError) else _our_mistake(error)


def _database_refuses(error: DBAPIError | PoolTimeout) -> Answer:
    """A full disk, a read-only mount, a server that is away: nothing was changed, and trying again may help."""
    log.error("the database does not take it: %s", error.orig if isinstance(error, DBAPIError) else error)
    return _page(503)


def _our_mistake(error: Exception) -> Answer:
    if isinstance(error, OSError | sqlite3.Error):
        log.error("storage does not take it: %s", error)
        return _page(503)
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return _page(500)


def _page(status: int, sentence: str = "") -> Answer:
    _undo()
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        g.setdefault("running", [])
    return render_template("error.html", status=status, sentence=sentence), status


def _undo() -> None:
    """Whoever is signed in stays known to the page, as they were read: the database is not asked again."""
    opened = g.get("session")
    if opened is not None:
        opened.expunge_all()
        opened.rollback()
