"""Who is asking: the session cookie, the person behind it, and requests that other sites send in their name."""

from collections.abc import Callable
from functools import wraps
from ipaddress import ip_address
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

from flask import Flask, Response, abort, g, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface

from app import clock, db
from app.errors import Forbidden
from app.models import Installation, User
from app.services import sign_in

P = ParamSpec("P")
R = TypeVar("R")

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
PUBLIC = frozenset(
    {
        "auth.login",
        "auth.login_post",
        "auth.logout",
        "health.health",
        "health.ready",
        "settings.serve_uploaded_logo",
        "welcome.set_up",
        "welcome.set_up_here",
        "welcome.join",
        "welcome.join_here",
        "welcome.register",
        "welcome.register_here",
    }
)
WITHOUT_SESSION = frozenset({"health.health", "health.ready"})
FORWARDING = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
DEVICE_COOKIE = "device"
DEVICE_SECONDS = int(sign_in.DEVICE_LIVES.total_seconds())


class SessionCookie(SecureCookieSessionInterface):
    """Flask's signed cookie, called `__Host-session` under https: then no other host or path can have set it."""

    def get_cookie_name(self, app: Flask) -> str:  # noqa: ARG002 - the name Flask calls
        return "__Host-session" if is_https() else "session"

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002
        return is_https()

    def get_cookie_path(self, app: Flask) -> str:  # noqa: ARG002
        return "/"


class Company(NamedTuple):
    """What each page shows of whoever runs the site: plain words, which outlive a database that goes away."""

    name: str
    logo: str | None

    @classmethod
    def of(cls, installation: Installation) -> "Company":
        return cls(installation.company_name, installation.logo_filename)


def require_sign_in() -> Response | None:
    """Before each request: sends whoever has to sign in to the sign-in page, and back afterwards."""
    if is_signed_in() or request.endpoint in PUBLIC or request.endpoint is None:
        return None
    wanted = None
    if request.method in SAFE and request.endpoint != "dashboard.today":
        wanted = request.full_path.rstrip("?")
    return cast("Response", redirect(url_for("auth.login", next=wanted), 303))


def find_person() -> None:
    """Before each request: the person behind the session cookie, if there is one."""
    sid = session.get("sid") if request.endpoint not in WITHOUT_SESSION else None
    if not sid:
        return
    now = clock.now()
    found = sign_in.who_is(db.session(), sid, now)
    if found is None:
        session.pop("sid")
        return
    g.user, g.company = found.session.user, Company.of(found.installation)
    if request.headers.get("X-Background") is None:  # a page's own polling is not somebody being there
        sign_in.note_seen(db.session(), found.session, now)


def is_signed_in() -> bool:
    return "user" in g


def user() -> User:
    """The person signed in."""
    return cast("User", g.user)


def admin_only(view: Callable[P, R]) -> Callable[P, R]:
    """Raises Forbidden for members."""

    @wraps(view)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if not user().is_admin:
            raise Forbidden
        return view(*args, **kwargs)

    return checked


def remember_in_cookies(response: Response, signed_in: sign_in.SignedIn, *, stay: bool) -> Response:
    """A new session with a new id; what the cookie held before is dropped, and the session it named has ended."""
    if "sid" in session:
        sign_in.sign_out(db.session(), session["sid"])
    session.clear()
    session["sid"] = signed_in.sid
    session.permanent = stay
    response.set_cookie(
        DEVICE_COOKIE,
        signed_in.device,
        max_age=DEVICE_SECONDS,
        secure=is_https(),
        httponly=True,
        samesite="Lax",
        path=url_for("auth.login"),
    )
    return response


def visitor() -> sign_in.Visitor:
    return sign_in.Visitor(client_address(), request.cookies.get(DEVICE_COOKIE))


def client_address() -> str:
    """The connection's address, or the one that a trusted proxy vouches for."""
    address = request.remote_addr or "unknown"
    for former in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        if not is_trusted_proxy(address) or not former.strip():
            break
        address = former.strip()
    return address


def is_trusted_proxy(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found  # how a socket for both kinds of address shows IPv4
    return any(found in network for network in db.application().settings.trusted_proxies)


def is_https() -> bool:
    """Whether the browser speaks https: to us, to a trusted proxy, or at the address in BASE_URL."""
    if request.is_secure:
        return True
    if is_trusted_proxy(request.remote_addr or "") and "X-Forwarded-Proto" in request.headers:
        return request.headers["X-Forwarded-Proto"].split(",")[-1].strip() == "https"
    base = db.application().settings.base_url
    return base is not None and base.startswith("https://") and urlsplit(base).netloc == request.host


def is_local_without_proxy() -> bool:
    """Whether the request can only come from this very machine, and not from a page of another site in its browser.

    Such a page can give its own name our address (DNS rebinding), but cannot make the browser call it localhost.
    """
    listens = db.application().settings.host
    if db.application().settings.trusted_proxies or db.application().settings.base_url:
        return False  # whoever set these put a proxy in front, which may speak to us from here
    if listens not in LOOPBACK or _host_and_port(f"//{request.host}")[0] not in LOOPBACK:
        return False
    return not any(name in request.headers for name in FORWARDING)


def refuse_other_sites() -> None:
    """A write that a page of another site sent is refused, whatever token it carries (Fetch Metadata, then Origin)."""
    if request.method in SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            abort(403)
        return
    origin = request.headers.get("Origin")
    if origin is not None and not _is_own(origin):
        abort(403)


def _is_own(origin: str) -> bool:
    base = db.application().settings.base_url
    own = {_host_and_port(f"//{request.host}")} | ({_host_and_port(base)} if base else set())
    return _host_and_port(origin) in own


def _host_and_port(url: str) -> tuple[str | None, Any]:
    """The scheme is not compared, so 80 and 443, which a URL leaves out, count as none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None, None
    return parts.hostname, port if port not in {80, 443} else None
