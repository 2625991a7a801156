"""Signing in and out. Refusals are counted in the database, so that every process counts the same."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from flask_babel import lazy_gettext as _
from sqlalchemy import bindparam, delete, func, select, true
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, contains_eager

from app import clock, db
from app.errors import Refused, TooManyAttempts
from app.models import Installation, OneTimeLink, Role, SignInAttempt, User, UserDevice, UserSession
from app.models.user import fold
from app.models.user_session import hashed, new_secret
from app.services import passwords

log = logging.getLogger(__name__)

WINDOW = timedelta(minutes=15)
DEVICE_LIVES = timedelta(days=400)  # the longest a browser keeps a cookie
PER_ACCOUNT = 10
PER_DEVICE = 10
PER_ADDRESS = 50

# Asked by every request, so it is built once: building a statement costs as much as running it.
_WHO_IS = (
    select(UserSession, Installation)
    .join(UserSession.user)
    .join(Installation, true())
    .options(contains_eager(UserSession.user))
    .where(
        UserSession.sid_hash == bindparam("sid_hash"),
        UserSession.expires_at > bindparam("now", type_=db.Instant),
        User.disabled_at.is_(None),
    )
)


@dataclass(frozen=True)
class SignedIn:
    """`sid` goes into the session cookie, `device` into the cookie that only has a count of its own."""

    user: User
    sid: str
    device: str


class Recognised(NamedTuple):
    """A session with its person, and the installation whose pages the person sees."""

    session: UserSession
    installation: Installation


@dataclass(frozen=True)
class Visitor:
    """Where a sign-in comes from: the address of the connection and the device cookie, if any."""

    address: str
    device: str | None = None

    @property
    def network(self) -> str:
        """The address refusals are counted for; an IPv6 visitor owns a whole /64."""
        try:
            address = ip_address(self.address)
        except ValueError:
            return self.address[:64]
        if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
            return f"{IPv6Address(int(address) >> 64 << 64)}/64"
        return str(getattr(address, "ipv4_mapped", None) or address)


def sign_in(
    session: Session, name: str, password: str, visitor: Visitor, *, stay: bool, admins: frozenset[str], now: datetime
) -> SignedIn:
    """Checks name and password and opens a session.

    Raises TooManyAttempts, and Refused with one and the same sentence for an unknown name, a wrong password and a
    disabled person. The attempt is counted before the password is looked at, so that a hundred at once are counted
    as a hundred; a success takes it back.
    """
    user = User.of_sign_in_name(session, name)
    account = hashed(user.username_key if user else fold(name))
    _count_attempt(session, account, user, visitor, now)
    if not passwords.matches(user.password_hash if user else None, password) or user is None or not user.is_active:
        raise Refused(_("The name or the password is wrong."), "password")
    _refuse_former_password(session, user)
    _take_back_attempts(session, account, visitor)
    if passwords.is_outdated(user.password_hash or ""):
        user.password_hash = passwords.hashed(password)
    if user.username_key in admins:
        user.role = Role.ADMIN
    return open_session(session, user, visitor.device, stay=stay, now=now)


def open_session(session: Session, user: User, device: str | None, *, stay: bool, now: datetime) -> SignedIn:
    """Signs the person in on this device; lapsed sessions of anybody are swept on the way."""
    sid = new_secret()
    opened = UserSession(sid_hash=hashed(sid), user_id=user.id, stay_signed_in=stay, created_at=now)
    opened.seen(now)
    session.add(opened)
    _sweep(session, now)
    return SignedIn(user, sid, _remembered(session, user, device, now))


def sign_out(session: Session, sid: str) -> None:
    """Ends the session on the server: the cookie is worth nothing afterwards."""
    session.execute(delete(UserSession).where(UserSession.sid_hash == hashed(sid)))


def who_is(session: Session, sid: str, now: datetime) -> Recognised | None:
    """The session behind a cookie and what each page shows, in one statement; None when ended, lapsed or disabled."""
    row = session.execute(_WHO_IS, {"sid_hash": hashed(sid), "now": now}).one_or_none()
    return Recognised(*row) if row else None


def note_seen(session: Session, found: UserSession, now: datetime) -> None:
    """Writes "last seen" at most once a minute, in a transaction of its own."""
    if not found.is_due_to_be_seen(now):
        return
    try:
        with db.aside(session) as own:
            mine = own.get(UserSession, found.id)
            if mine is not None:
                mine.seen(now)
    except OperationalError as error:  # a full disk must not take reading away, too
        log.warning('"last seen" could not be written: %s', error.orig)


def _refuse_former_password(session: Session, user: User) -> None:
    """A password may be changed while it is being compared; the sessions it opened are ended, and this is one."""
    compared = user.password_hash
    db.lock(session, user)
    if user.password_hash != compared or not user.is_active:
        raise Refused(_("The name or the password is wrong."), "password")


def _sweep(session: Session, now: datetime) -> None:
    """What has lapsed, of anybody."""
    session.execute(delete(UserSession).where(UserSession.expires_at <= now))
    session.execute(delete(OneTimeLink).where(OneTimeLink.expires_at <= now))
    session.execute(delete(UserDevice).where(UserDevice.created_at <= now - DEVICE_LIVES))


def _count_attempt(session: Session, account: str, user: User | None, visitor: Visitor, now: datetime) -> None:
    with db.aside(session) as own:
        db.serialise(own, "sign_in")
        own.execute(delete(SignInAttempt).where(SignInAttempt.at <= now - WINDOW))
        device = visitor.device if user and visitor.device and _is_known(own, user, visitor.device) else None
        _refuse_too_many(own, account, visitor, device, now)
        own.add(
            SignInAttempt(
                account_hash=account,
                address=visitor.network,
                device_hash=hashed(device) if device else None,
                at=now,
            )
        )


def _refuse_too_many(session: Session, account: str, visitor: Visitor, device: str | None, now: datetime) -> None:
    """A known device has a count of its own, so that others' guesses do not lock its owner out."""
    of_account = SignInAttempt.account_hash == account
    if device:
        limits = [([of_account, SignInAttempt.device_hash == hashed(device)], PER_DEVICE)]
    else:
        limits = [
            ([of_account, SignInAttempt.device_hash.is_(None)], PER_ACCOUNT),
            ([SignInAttempt.address == visitor.network], PER_ADDRESS),
        ]
    for conditions, most in limits:
        row = session.execute(
            select(func.count().label("attempts"), func.min(SignInAttempt.at).label("first")).where(*conditions)
        ).one()
        if row.attempts >= most:
            raise TooManyAttempts(clock.seconds_between(now, row.first + WINDOW))


def _take_back_attempts(session: Session, account: str, visitor: Visitor) -> None:
    """Whoever knows the password was no attacker: the refusals from this address for this account are forgotten."""
    session.execute(
        delete(SignInAttempt).where(SignInAttempt.account_hash == account, SignInAttempt.address == visitor.network)
    )


def _is_known(session: Session, user: User, device: str) -> bool:
    known = select(UserDevice.id).where(UserDevice.user_id == user.id, UserDevice.device_hash == hashed(device))
    return session.scalar(known) is not None


def _remembered(session: Session, user: User, device: str | None, now: datetime) -> str:
    """The device's secret, known for this account from now on."""
    device = device or new_secret()
    if not _is_known(session, user, device):
        session.add(UserDevice(user_id=user.id, device_hash=hashed(device), created_at=now))
    return device
