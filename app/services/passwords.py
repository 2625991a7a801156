"""Passwords, hashed with argon2id (RFC 9106) at the least cost OWASP advises: 19 MiB, two passes, one lane."""

from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask_babel import lazy_gettext as _

from app.errors import Refused

SHORTEST = 8  # ASVS 5.0, 6.2.1
LONGEST = 1024

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Verified where there is no password, so that an unknown name takes as long as a known one.
_NOBODYS_HASH = "$argon2id$v=19$m=19456,t=2,p=1$MUIdz+EUHKrGfhi55L4yRg$1C8QgGPUeZB66UjnOZ7H4t+L7vOXZI7Vs+1fB5poo20"


# Each takes 19 MiB and a core; a crowd of guesses must not take the machine.
_few_at_once = BoundedSemaphore(4)


def hashed(password: str) -> str:
    with _few_at_once:
        return _hasher.hash(password)


def matches(stored_hash: str | None, password: str) -> bool:
    """Takes the same time whether or not there is a hash to compare with."""
    try:
        with _few_at_once:
            _hasher.verify(stored_hash or _NOBODYS_HASH, password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    return stored_hash is not None


def is_outdated(stored_hash: str) -> bool:
    """Whether the hash was made at another cost than today's."""
    return _hasher.check_needs_rehash(stored_hash)


def check_acceptable(password: str, username: str = "") -> None:
    """Raises Refused."""
    if len(password) < SHORTEST:
        raise Refused(_("Use at least %(count)s characters.", count=SHORTEST), "password")
    if len(password) > LONGEST:
        raise Refused(_("Use at most %(count)s characters.", count=LONGEST), "password")
    if username and password.strip().casefold() == username.strip().casefold():
        raise Refused(_("The password must differ from the user name."), "password")
