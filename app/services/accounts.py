"""People and their rights: made, invited, disabled, given another password or role."""

import re
import unicodedata
from datetime import datetime, timedelta
from enum import StrEnum

from flask_babel import lazy_gettext as _
from sqlalchemy import delete, select
from sqlalchemy.orm import Session, joinedload

from app import db
from app.errors import Conflict, NotFound, Refused
from app.models import Installation, OneTimeLink, Role, User, UserSession
from app.models.user import fold
from app.models.user_session import hashed, new_secret
from app.services import passwords

LINK_LIVES = timedelta(days=7)
LONGEST_NAME = 64
LONGEST_KEY = 256


class Purpose(StrEnum):
    SET_UP = "set_up"
    JOIN = "join"
    RESET = "reset"


def create(
    session: Session,
    username: str,
    *,
    now: datetime,
    password: str | None = None,
    email: str = "",
    full_name: str = "",
    role: Role = Role.MEMBER,
) -> User:
    """A new person with the installation's zone. Without a password nobody can sign in as them yet. Raises Refused."""
    db.serialise(session, "accounts")
    name = checked_username(session, username)
    if password is not None:
        passwords.check_acceptable(password, name)
    user = User(
        username=name,
        username_key=fold(name),
        password_hash=passwords.hashed(password) if password is not None else None,
        role=role,
        full_name=full_name.strip(),
        time_zone=Installation.this(session).time_zone,
        created_at=now,
    )
    set_email(user, email)
    session.add(user)
    session.flush()
    return user


def checked_username(session: Session, username: str) -> str:
    """A user name nobody has yet, trimmed. Raises Refused."""
    name = unicodedata.normalize("NFC", username.strip())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Refused(_("A user name has 1 to %(most)s characters.", most=LONGEST_NAME), "username")
    if len(fold(name)) > LONGEST_KEY:  # a single sign may stand for eighteen letters
        raise Refused(_("This user name cannot be used. Choose a simpler one."), "username")
    if re.search(r"[\x00-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]", name):
        raise Refused(_("A user name cannot hold invisible characters."), "username")
    if session.scalar(select(User.id).where(User.username_key == fold(name))) is not None:
        raise Refused(_("Somebody already has this user name."), "username")
    return name


def set_email(user: User, email: str) -> None:
    """Takes an address as people on a home network have them, too (me@nas.local). Raises Refused."""
    email = email.strip()
    if email and not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
        raise Refused(_("This is not an e-mail address."), "email")
    if len(email) > 254 or len(fold(email)) > 762:
        raise Refused(_("An e-mail address has at most 254 characters."), "email")
    user.email, user.email_key = email or None, fold(email) or None


def set_password(session: Session, user: User, password: str, *, keep_sid: str | None = None) -> None:
    """A new password ends the person's sessions, but the one that holds `keep_sid`, and open links. Raises Refused."""
    passwords.check_acceptable(password, user.username)
    user.password_hash = passwords.hashed(password)
    UserSession.end_all(session, user, but_sid=keep_sid)
    session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user.id))


def change_password(session: Session, user: User, current: str, password: str, *, keep_sid: str | None) -> None:
    """Raises Refused."""
    if not passwords.matches(user.password_hash, current):
        raise Refused(_("This is not your current password."), "current_password")
    set_password(session, user, password, keep_sid=keep_sid)


def disable(session: Session, user: User, now: datetime) -> None:
    """Signs the person out and keeps them out; what they entered stays. Raises Conflict for the last administrator."""
    _keep_an_administrator(session, user)
    user.disabled_at = user.disabled_at or now
    UserSession.end_all(session, user)
    session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user.id))


def enable(user: User) -> None:
    user.disabled_at = None


def change_role(session: Session, user: User, role: Role) -> None:
    """Raises Conflict when nobody would be left to administer."""
    if role != Role.ADMIN:
        _keep_an_administrator(session, user)
    user.role = role


def make_link(session: Session, purpose: Purpose, user: User | None, now: datetime) -> str:
    """The secret of a new one-time link; earlier ones for the same person end. A set-up link does not lapse."""
    if user is not None:
        session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user.id))
    token = new_secret()
    lapses = now + LINK_LIVES if user is not None else None
    session.add(
        OneTimeLink(
            token_hash=hashed(token),
            purpose=purpose,
            user_id=user.id if user else None,
            created_at=now,
            expires_at=lapses,
        )
    )
    return token


def person_of_link(session: Session, token: str, now: datetime) -> User:
    """Whom a link lets in. Raises NotFound when it was used, has lapsed or never was."""
    found = session.scalar(
        select(OneTimeLink).options(joinedload(OneTimeLink.user)).where(OneTimeLink.token_hash == hashed(token))
    )
    if found is None or found.user is None or not found.user.is_active:
        raise NotFound
    if found.expires_at is not None and found.expires_at <= now:
        raise NotFound
    return found.user


def use_link(session: Session, token: str, password: str, now: datetime) -> User:
    """Sets the first or a new password by a link, once. Raises NotFound, Refused."""
    db.serialise(session, "accounts")
    user = person_of_link(session, token, now)
    set_password(session, user, password)
    return user


def set_up_link_is_right(session: Session, token: str) -> bool:
    found = select(OneTimeLink.id).where(OneTimeLink.token_hash == hashed(token), OneTimeLink.purpose == Purpose.SET_UP)
    return session.scalar(found) is not None


def set_up(
    session: Session, *, username: str, password: str, company_name: str, time_zone: str, currency: str, now: datetime
) -> User:
    """Makes the first administrator. Raises Conflict for whoever comes second, Refused."""
    db.serialise(session, "accounts")
    if User.admin_exists(session):
        raise Conflict(_("TimeTracker was set up already. Sign in instead."))
    installation = Installation.this(session)
    installation.company_name = company_name.strip()
    installation.time_zone, installation.currency = time_zone, currency
    user = create(session, username, now=now, password=password, role=Role.ADMIN)
    session.execute(delete(OneTimeLink).where(OneTimeLink.purpose == Purpose.SET_UP))
    return user


def _keep_an_administrator(session: Session, user: User) -> None:
    db.serialise(session, "accounts")
    session.refresh(user)
    if user.is_admin and user.is_active and not User.other_active_admins(session, user):
        raise Conflict(_("This is the last administrator. Make somebody else one first."))
