"""What can go wrong in the domain. Each error knows its HTTP status and the sentence a person is shown."""

from typing import Any


class DomainError(Exception):
    """The root of what we refuse on purpose. `message` may be a lazy translation; it is shown to people."""

    status = 400

    def __init__(self, message: Any = "") -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return str(self.message)


class NotFound(DomainError):
    """There is no such record for this person: unknown, or somebody else's."""

    status = 404


class Forbidden(DomainError):
    """The person may see the record, but not change it."""

    status = 403


class Conflict(DomainError):
    """The act does not fit what is stored now."""

    status = 409


class Refused(DomainError):
    """What was typed cannot be used. `field` names the input it belongs to."""

    status = 422

    def __init__(self, message: Any, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class TooManyAttempts(DomainError):
    """Refused sign-ins piled up; `retry_after` is in seconds."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


class Unavailable(DomainError):
    """The disk or the database does not take a write just now; nothing was changed."""

    status = 503


class CannotStart(Exception):
    """The start is refused (exit status 78, EX_CONFIG of sysexits.h); the message says how to mend it."""

    exit_status = 78
