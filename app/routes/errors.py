"""What goes wrong, as a page that says what happened, what is safe and what to do."""

import logging
import sqlite3
from http import HTTPStatus
from typing import cast

from flask import g, render_template, request
from flask_babel import gettext
from markupsafe import escape
from sqlalchemy import inspect
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from app.db import Application
from app.errors import DomainError
from app.models.shared import LARGEST_ID
from app.routes import answers

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
        g.setdefault("company", None)
    try:
        words = {"sentence": sentence, "back_address": _back_address(), "typed": _typed() if status == 400 else []}
        return render_template("error.html", status=status, **words), status
    except OSError as error:
        log.error("the page about %s cannot be drawn: %s", status, error)  # noqa: TRY400 - the sentence says it all
        return _bare_page(), 503


def _typed() -> list[tuple[str, str]]:
    """What was typed into a form that is not taken: it is given back, but for secrets and what nobody typed."""
    ours = {"csrf_token", "next", "version", "entry"}
    return [
        (name, value)
        for name, value in _form().items()
        if value.strip() and name not in ours and "password" not in name
    ]


def _back_address() -> str:
    """The page a refused form stood on, where it said so."""
    back = _form().get("next", "")
    return back if answers.is_on_this_site(back) else ""


def _form() -> MultiDict[str, str]:
    """The form as far as it was read already: a body that is refused, or still on its way, is not waited for."""
    return cast("MultiDict[str, str]", vars(request._get_current_object()).get("form") or MultiDict())  # type: ignore[attr-defined]  # noqa: SLF001


def _bare_page() -> str:
    """Nothing more can be read, not even a template: too many files are open, or the disk is broken."""
    sentence = gettext("The server cannot show its pages just now. Nothing was changed; try again in a minute.")
    return f'<!doctype html><meta charset="utf-8"><title>{gettext("Not just now")}</title><p>{escape(sentence)}</p>'


def _undo() -> None:
    """Whoever is signed in stays known to the page, as they were read: the database is hardly ever asked again."""
    opened = g.get("session")
    if opened is not None:
        opened.expunge_all()
        opened.rollback()
        _remember_person(opened)


def _remember_person(opened: Session) -> None:
    """A write that failed half-way forgot what was read; whoever cannot be read again sees the page of a stranger."""
    person = g.get("user")
    if person is None or not inspect(person).expired_attributes:
        return
    try:
        opened.add(person)
        opened.refresh(person)
    except SQLAlchemyError:
        g.pop("user")
