"""Time entries as CSV (RFC 4180): a table any spreadsheet opens, safely."""

import csv
import io
from collections.abc import Iterable, Iterator

from app import clock
from app.models import TimeEntry

BYTE_ORDER_MARK = "\ufeff"  # or a spreadsheet takes the letters for another alphabet's
COLUMNS = (
    "Date",
    "Start",
    "End",
    "Duration",
    "Seconds",
    "Description",
    "Client",
    "Project",
    "Task",
    "Tags",
    "Billable",
    "Time zone",
    "Started at (UTC)",
    "Ended at (UTC)",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(entries: Iterable[TimeEntry]) -> Iterator[str]:
    """The file line by line; a running entry has no end and no duration yet."""
    yield BYTE_ORDER_MARK + _line(COLUMNS)
    for entry in entries:
        yield _line(_cells(entry))


def _cells(entry: TimeEntry) -> tuple[str, ...]:
    end, local_end = entry.ended_at, entry.local_end
    seconds = entry.seconds(end) if end else None
    client = entry.project.client if entry.project else None
    return (
        entry.local_date.isoformat(),
        entry.local_start.strftime("%H:%M:%S"),
        local_end.strftime("%H:%M:%S") if local_end else "",
        clock.hours_minutes_seconds(seconds) if seconds is not None else "",
        str(seconds) if seconds is not None else "",
        _harmless(entry.description),
        _harmless(client.name if client else ""),
        _harmless(entry.project.name if entry.project else ""),
        _harmless(entry.task.name if entry.task else ""),
        _harmless(", ".join(tag.name for tag in entry.tags)),
        "Yes" if entry.billable else "No",
        entry.time_zone,
        entry.started_at.isoformat(),
        end.isoformat() if end else "",
    )


def _harmless(text: str) -> str:
    """A cell a spreadsheet would calculate is kept as words (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
