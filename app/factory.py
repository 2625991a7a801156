"""create_app(): the only place where the parts are joined."""

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, request
from flask_babel import Babel
from flask_wtf import CSRFProtect
from jinja2 import StrictUndefined
from whitenoise import WhiteNoise

from app import config, db, storage
from app.config import Settings
from app.db import Application
from app.routes import (
    about,
    access,
    admin,
    answers,
    attachments,
    auth,
    backups,
    bodies,
    clients,
    dashboard,
    demo,
    errors,
    health,
    lines,
    projects,
    pulse,
    reports,
    settings,
    tags,
    tasks,
    time_entries,
    timer,
    trash,
    welcome,
    words,
)
from app.services import installation, schema
from app.storage import places

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
PUBLIC = (
    "css",
    "js",
    "vendor",
    "icons.svg",
    "mark.svg",
    "mark-running.svg",
)  # and never static/uploads, where the old pictures lay
YEAR_SECONDS = 365 * 24 * 60 * 60


def create_app(settings: Settings | None = None) -> Application:
    """The WSGI application. Raises InvalidSetting, CannotStart."""
    app = assemble(settings or config.load())
    claim_store(app)
    return app


def claim_store(app: Application) -> None:
    """Refuses a store that is away or another installation's (law 1). Raises CannotStart."""
    with db.reading(app.engine) as session:
        installation.claim_uploads(session, storage.store())
    app.engine.dispose()  # the server forks its workers from here, and connections must not be shared


def assemble(settings: Settings) -> Application:
    """The WSGI application before its store has been asked anything. Raises CannotStart."""
    installation.prepare_data_root(settings)
    app = Application("app", static_folder=None)
    app.settings = settings
    app.engine = db.make_engine(settings)
    schema.refuse_unless_current(app.engine)
    _configure(app, installation.secret_key(settings))
    storage.use(places.chosen(settings))
    _add_extensions(app)
    _add_routes(app)
    _serve_static_files(app)
    app.engine.dispose()
    return app


def _configure(app: Application, secret_key: str) -> None:
    app.secret_key = secret_key
    app.session_interface = access.SessionCookie()
    app.request_class = bodies.Request
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.config.update(
        MAX_CONTENT_LENGTH=app.settings.max_content_length,
        MAX_FORM_PARTS=200,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=access.DEVICE_SECONDS,  # the row in user_sessions decides
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its session: a form left open overnight still works
        WTF_CSRF_SSL_STRICT=False,  # access.refuse_other_sites asks better questions than the Referer can answer
        BABEL_DEFAULT_LOCALE="en",
        SELF_REGISTER=app.settings.allow_self_register,
        VOLUME_WARNING=installation.volume_warning(app.settings),
    )


def _add_extensions(app: Application) -> None:
    Babel(app, locale_selector=answers.language).domain_instance = words.Catalogues()
    app.before_request(access.refuse_other_sites)
    app.before_request(access.find_person)
    app.before_request(bodies.allow_large_ones)
    CSRFProtect(app)  # reads the form
    app.teardown_appcontext(db.close_session)


def _add_routes(app: Application) -> None:
    app.before_request(welcome.insist_on_set_up)
    app.before_request(access.require_sign_in)
    for module in (
        auth,
        welcome,
        admin,
        backups,
        dashboard,
        timer,
        time_entries,
        lines,
        projects,
        clients,
        tags,
        tasks,
        attachments,
        trash,
        pulse,
        reports,
        settings,
        about,
        demo,
        health,
    ):
        app.register_blueprint(module.blueprint)
    errors.register(app)
    answers.register(app)
    app.after_request(_protect)
    app.after_request(bodies.read_away)


def _protect(response: Response) -> Response:
    """Headers of every answer, errors included. A view that needs a stricter policy has set its own before."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", answers.CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if access.is_signed_in() or request.endpoint not in access.PUBLIC:
        headers.setdefault("Cache-Control", "no-store")
    return response


def _serve_static_files(app: Flask) -> None:
    """Below a prefix made of the files' own content: whatever changes has a new address, so all may be kept for ever.

    In front of Flask, precompressed where that pays; a relative address in a style sheet keeps the prefix.
    """
    paths = sorted(path for part in PUBLIC for path in [STATIC / part, *(STATIC / part).rglob("*")] if path.is_file())
    prefix = f"/static/{_digest(paths)}/"
    files = WhiteNoise(
        app.wsgi_app,
        max_age=YEAR_SECONDS,
        immutable_file_test=lambda _path, _url: True,
        charset="utf-8",
        add_headers_function=_protect_file,
    )
    for path in paths:
        files.add_file_to_dictionary(prefix + path.relative_to(STATIC).as_posix(), str(path))
    app.wsgi_app = _unless_unreadable(files)  # type: ignore[method-assign, assignment]
    app.jinja_env.globals["static"] = lambda path: prefix + path


def _unless_unreadable(files: WSGIApplication) -> WSGIApplication:
    """A style sheet that cannot be opened, as too many files are, is no mistake of ours: 503 instead of 500."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return files(environ, start_response)
        except OSError as error:
            log.error("%s cannot be read: %s", environ["PATH_INFO"], error)  # noqa: TRY400 - the sentence says it all
            return Response(status=503)(environ, start_response)

    return answer


def _protect_file(headers: dict[str, str], _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Content-Security-Policy"] = answers.NOTHING_RUNS
    headers["Referrer-Policy"] = "same-origin"


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(str(path.relative_to(STATIC)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


logging.getLogger("app").setLevel(logging.INFO)
