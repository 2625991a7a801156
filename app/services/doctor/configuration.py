"""What the operator chose: the secret key, and the address people use."""

import os
import shlex
from collections.abc import Iterator

from flask_babel import lazy_gettext as _

from app.config import Settings
from app.errors import CannotStart
from app.services import installation
from app.services.doctor.finding import Code, Finding, Severity, fine


def examine(settings: Settings) -> Iterator[Finding]:
    yield _secret(settings)
    yield _address(settings)
    yield from _proxies(settings)


def _secret(settings: Settings) -> Finding:
    if settings.secret_key:
        return fine(Code.SECRET_KEY, _("A secret key is set."))
    if not os.path.lexists(settings.secret_key_file):
        what = _("No secret key was made yet; the first start makes one.")
        return Finding(Code.SECRET_KEY, Severity.WARNING, what)
    return _key_file(settings)


def _key_file(settings: Settings) -> Finding:
    file = settings.secret_key_file
    try:
        installation.secret_key(settings)
    except CannotStart as error:
        return Finding(Code.SECRET_KEY, Severity.ERROR, str(error), why=_("TimeTracker does not start without it."))
    if file.stat().st_mode & 0o077:
        return Finding(
            Code.SECRET_KEY,
            Severity.WARNING,
            _("%(file)s can be read by others.", file=file),
            _("Run `%(command)s`.", command=f"chmod 600 {shlex.quote(str(file))}"),
            _("Whoever reads it can forge what this server signs."),
        )
    return fine(Code.SECRET_KEY, _("The secret key is safe."))


def _address(settings: Settings) -> Finding:
    if settings.base_url:
        return fine(Code.ADDRESS, _("The address is %(address)s.", address=settings.base_url))
    return Finding(
        Code.ADDRESS,
        Severity.WARNING,
        _("BASE_URL is not set."),
        _("Set BASE_URL to the address people use, such as https://time.example.org."),
        _("Links that are sent to people would lead to this machine only."),
    )


def _proxies(settings: Settings) -> Iterator[Finding]:
    if any(network.prefixlen == 0 for network in settings.trusted_proxies):
        yield Finding(
            Code.PROXIES,
            Severity.WARNING,
            _("TRUSTED_PROXIES names every address there is."),
            _("Set TRUSTED_PROXIES to the addresses of your reverse proxy."),
            _("Anybody can pretend to come from another address, and so escape the limit on sign-ins."),
        )
    elif not settings.trusted_proxies and (settings.base_url or "").startswith("https:"):
        yield Finding(
            Code.PROXIES,
            Severity.WARNING,
            _("BASE_URL is https, but TRUSTED_PROXIES is not set."),
            _("Set TRUSTED_PROXIES to the addresses of your reverse proxy."),
            _("Everybody seems to come from the proxy, so that one person's wrong passwords slow all down."),
        )
