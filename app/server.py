"""`timetracker serve`: check, migrate, then granian in front of the WSGI application."""

import errno
import gc
import logging
import multiprocessing
import socket
from multiprocessing.connection import Connection

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from sqlalchemy import Engine

from app import clock, db, jobs, storage
from app.config import Settings
from app.db import POOL_SIZE, Application
from app.errors import CannotStart
from app.factory import assemble, claim_store
from app.models import User
from app.services import accounts, installation, schema, serving
from app.slow_senders import Turns
from app.storage import relocate

log = logging.getLogger(__name__)

BACKLOG = 1024
WAITING = 448  # threads for requests whose bodies are still on their way
HEAD_MS = 10_000  # how long the head of a request may take; it holds a connection, and no thread
STOP_SECONDS = 5  # what is unfinished then is cut off: sooner than Docker would (10) or systemd
GC_THRESHOLD = 10_000  # a page makes thousands of objects, and hardly any form cycles


def serve(settings: Settings, *, host: str | None, port: int | None) -> None:
    """Serves until told to stop. Raises InvalidSetting, CannotStart."""
    settings = settings.listening_on(host, port)
    _refuse_taken_address(settings.host, settings.port)
    with serving.hold(settings):
        _answer(prepare(settings))


def _answer(app: Application) -> None:
    gc.freeze()  # the worker is a fork of this process: what is shared stays shared
    gc.set_threshold(GC_THRESHOLD)
    multiprocessing.set_start_method("fork", force=True)
    Granian(
        "app:application",
        address=app.settings.host,
        port=app.settings.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=POOL_SIZE + WAITING,
        backlog=BACKLOG,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_MS),
        workers_kill_timeout=STOP_SECONDS,
        respawn_failed_workers=True,
        log_access=False,
        log_level=LogLevels.error,  # what it says below that is about itself
        websockets=False,
    ).serve(target_loader=lambda: _in_worker(app), wrap_loader=False)


def _in_worker(app: Application) -> Turns:
    """Called in the forked worker: threads do not cross a fork."""
    jobs.start(app)
    return Turns(app, at_work=POOL_SIZE, waiting=WAITING)


def _refuse_taken_address(host: str, port: int) -> None:
    """Granian would share the port with whoever listens there, and each would get half of the requests."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        raise CannotStart(_why_not_listening(host, port, error)) from error


def _why_not_listening(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken by another program: stop that one, or set PORT to a free one."
    if error.errno == errno.EACCES:
        return f"Port {port} is kept for the administrator of this machine: set PORT to one from 1024 on."
    return f"HOST is {host!r}, which is no address of this machine ({error.strerror}): set it to 0.0.0.0 for all."


def prepare(settings: Settings) -> Application:
    """What a start needs, in order; then the application, and on a terminal what to open."""
    installation.prepare_data_root(settings)
    engine = db.make_engine(settings)
    serving.refuse_while_replaced(engine)
    schema.migrate(engine, settings, waiting=lambda: log.info("Another process migrates the database; waiting."))
    _say("Data lies in %s (%s).", settings.data_dir, settings.data_dir_reason)
    warning = installation.volume_warning(settings)
    if warning:
        log.warning("%s", warning)
    app = assemble(settings)
    _claim_store(app, engine)
    _move_old_pictures(settings)
    address = settings.base_url or f"http://{_shown_host(settings.host)}:{settings.port}"
    token = _set_up_token(engine)
    engine.dispose()
    if token:
        _say("Set TimeTracker up at %s/setup?token=%s", address, token)
    else:
        _say("Open %s", address)
    return app


def _claim_store(app: Application, engine: Engine) -> None:
    """A remote store is asked in a process of its own: its library's threads do not cross the fork to the worker."""
    if app.settings.storage_url is None:
        claim_store(app)
        return
    engine.dispose()
    context = multiprocessing.get_context("fork")
    answer, say = context.Pipe(duplex=False)
    asking = context.Process(target=_say_what_refuses, args=(app, say), daemon=True)
    asking.start()
    say.close()
    try:
        sentence = str(answer.recv())
    except EOFError:  # its own words stand in the log
        sentence = f"{storage.store().place} could not be examined; the lines above say why."
    asking.join()
    if sentence:
        raise CannotStart(sentence)


def _say_what_refuses(app: Application, say: Connection) -> None:
    try:
        claim_store(app)
    except CannotStart as refused:
        say.send(str(refused))
    else:
        say.send("")


def _move_old_pictures(settings: Settings) -> None:
    """Copies what the TimeTracker of old left beside the code, deletes nothing, and serves whatever comes of it."""
    old = tuple(place for place in relocate.old_places() if relocate.holds_pictures(place))
    if old and settings.storage_url:
        _say("Pictures of an older TimeTracker lie beside the code; docs/operate/storage.md tells how to take them in.")
    elif old:
        tally = relocate.run(relocate.Move(settings.upload_folder, old=old))
        _say("%s", relocate.report(tally))


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
