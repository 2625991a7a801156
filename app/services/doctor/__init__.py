"""What is wrong with this installation, why it matters, and how to mend it.

The quick checks are for a page; the thorough ones read every stored file and the whole database. Each finding has its
place in docs/operate/trouble.md.
"""

from datetime import datetime

from app import clock
from app.config import Settings
from app.services.doctor import configuration, database, places
from app.services.doctor.database import what_it_says as what_the_database_says
from app.services.doctor.finding import Code, Finding, Severity
from app.services.doctor.mending import mend

__all__ = ["Code", "Finding", "Severity", "examine", "has_errors", "mend", "what_the_database_says"]


def examine(settings: Settings, *, thorough: bool = False, now: datetime | None = None) -> list[Finding]:
    """Looks at everything a start needs, and at what was stored. Nothing is changed that was not there."""
    now = now or clock.now()
    return [
        *places.examine(settings),
        *database.examine(settings, thorough=thorough, now=now),
        *configuration.examine(settings),
    ]


def has_errors(findings: list[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)
