"""How many bytes people's files may take: one person's, and everybody's together."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import Session

from app.config import Settings
from app.errors import Refused
from app.models import StoredFile, User


@dataclass(frozen=True)
class Quotas:
    """Bytes; 0 is no limit."""

    per_person: int = 0
    in_all: int = 0

    @classmethod
    def of(cls, settings: Settings) -> "Quotas":
        return cls(settings.quota_per_person, settings.quota_in_all)


class OverQuota(Refused):
    """More than is left. `used` and `allowed` are bytes, of the person or of everybody."""

    def __init__(self, *, used: int, allowed: int, of_everybody: bool, field: str) -> None:
        super().__init__("", field)
        self.used, self.allowed, self.of_everybody = used, allowed, of_everybody


def check(session: Session, user: User, more: int, quotas: Quotas, *, field: str) -> None:
    """Raises OverQuota where `more` bytes of the person would be too many. What rests in the trash counts, too."""
    own, everybodys = StoredFile.uploaded_by_id == user.id, true()
    for allowed, whose in ((quotas.per_person, own), (quotas.in_all, everybodys)):
        used = _used(session, whose) if allowed else 0
        if allowed and used + more > allowed:
            raise OverQuota(used=used, allowed=allowed, of_everybody=whose is everybodys, field=field)


def _used(session: Session, whose: ColumnElement[bool]) -> int:
    return int(session.scalar(select(func.coalesce(func.sum(StoredFile.size), 0)).where(whose)) or 0)
