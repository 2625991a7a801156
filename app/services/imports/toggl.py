"""Reads the detailed report of Toggl Track (CSV)."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from app import clock
from app.errors import Refused
from app.models.time_entry import DESCRIPTION_LENGTH
from app.services.catalogue import LONGEST_NAME, LONGEST_TAG
from app.services.imports import csv_file, wall_times
from app.services.imports.csv_file import NOTHING, Table
from app.services.imports.rows import NotTaken, Person, Reading, Row, identity, one_line
from app.services.imports.wall_times import Order

Cells = dict[str, str]

_COLUMNS = (
    "User", "Email", "Client", "Project", "Task", "Description", "Billable", "Start date", "Start time",
    "End date", "End time", "Duration", "Tags",
)  # fmt: skip
_ALSO_CALLED = {"Member": "User", "Stop date": "End date", "Stop time": "End time"}
_WHEN = ("Start date", "Start time", "End date", "End time", "Duration")
_BILLABLE = {"yes": True, "no": False}


@dataclass(frozen=True)
class _Sheet:
    """A table whose columns are known: their places by name."""

    table: Table
    places: dict[str, int]

    def cells(self, record: list[str]) -> Cells:
        """The record by column. Raises Refused where a cell may be another column's."""
        if len(record) > len(self.table.header):
            raise Refused(f"it has {len(record)} cells, and the header only {len(self.table.header)}")
        if any(self.places[name] >= len(record) for name in _WHEN if name in self.places):
            raise Refused("it is cut off before its dates and times")
        return {name: one_line(record[place]) for name, place in self.places.items() if place < len(record)}


@dataclass(frozen=True)
class _When:
    """A row's wall times and its length in seconds, as far as they are there."""

    start: datetime
    end: datetime | None
    length: int | None
    notes: list[str]


def read(data: bytes, zone: ZoneInfo) -> Reading:
    """The rows of a report whose wall times are those of `zone`. Raises Refused for what is no such report."""
    sheet = _sheet(csv_file.table(data))
    order = wall_times.order(_dates(sheet))
    rows: list[Row] = []
    refused: list[NotTaken] = []
    people: set[Person] = set()
    met: Counter[str] = Counter()
    for line, record in sheet.table.records():
        try:
            cells = _cells(sheet, record)
            people.add(_person(cells))
            row = _row(line, cells, zone, order)
        except Refused as refusal:
            refused.append(NotTaken(line, str(refusal)))
            continue
        met[row.key] += 1
        rows.append(replace(row, key=identity(row.key, met[row.key]), raw=_raw(sheet, record or [])))
    return Reading(rows, refused, frozenset(people))


def _sheet(table: Table) -> _Sheet:
    names = [_ALSO_CALLED.get(name, name) for name in table.header]
    missing = [name for name in ("Start date", "Start time") if name not in names]
    if "Duration" not in names:
        missing += [name for name in ("End date", "End time") if name not in names]
    if missing:
        raise Refused(f"This is not a detailed report of Toggl: it has no {_quoted(missing)}. {NOTHING}")
    twice = [name for name in _COLUMNS if names.count(name) > 1]
    if twice:
        raise Refused(f"The file has the same column twice: {_quoted(twice)}. {NOTHING}")
    return _Sheet(table, {name: names.index(name) for name in _COLUMNS if name in names})


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _dates(sheet: _Sheet) -> Iterator[str]:
    places = [sheet.places[name] for name in ("Start date", "End date") if name in sheet.places]
    for _line, record in sheet.table.records():
        yield from (one_line(record[place]) for place in places if record and place < len(record))


def _cells(sheet: _Sheet, record: list[str] | None) -> Cells:
    if record is None:
        raise Refused("its quotation marks do not fit")
    return sheet.cells(record)


def _person(cells: Cells) -> Person:
    return Person(cells.get("User", ""), cells.get("Email", ""))


def _row(line: int, cells: Cells, zone: ZoneInfo, order: Order | None) -> Row:
    """The row, its key still without the count of its like. Raises Refused."""
    when = _when(cells, order)
    span = wall_times.resolve(when.start, when.end, when.length, zone)
    notes = [*span.notes, *when.notes]
    project = _cut("project", cells.get("Project", ""), LONGEST_NAME, notes)
    return Row(
        line=line,
        person=_person(cells),
        description=_cut("description", cells.get("Description", ""), DESCRIPTION_LENGTH, notes),
        client=_within(project, "client", cells.get("Client", ""), notes),
        project=project,
        task=_within(project, "task", cells.get("Task", ""), notes),
        tags=tuple(dict.fromkeys(_cut("tag", tag, LONGEST_TAG, notes) for tag in _tags(cells))),
        billable=_billable(cells, notes),
        start=span.start,
        end=span.end,
        time_zone=zone.key,
        local_date=clock.local_date(span.start, zone),
        key=_key(cells, when),
        raw="",
        notes=tuple(notes),
    )


def _when(cells: Cells, order: Order | None) -> _When:
    start = wall_times.wall(cells["Start date"], cells["Start time"], order)
    ends = bool(cells.get("End date") and cells.get("End time"))
    end = wall_times.wall(cells["End date"], cells["End time"], order) if ends else None
    said = cells.get("Duration", "")
    length = wall_times.seconds(said)
    return _When(start, end, length, [f"its duration, {said!r}, was not understood"] if said and length is None else [])


def _within(project: str, what: str, name: str, notes: list[str]) -> str:
    """Clients and tasks are those of a project here."""
    if name and not project:
        notes.append(f"its {what}, {name!r}, was left out as it has no project")
        return ""
    return _cut(what, name, LONGEST_NAME, notes)


def _cut(what: str, text: str, longest: int, notes: list[str]) -> str:
    if len(text) <= longest:
        return text
    notes.append(f"its {what} was cut to {longest} characters")
    return text[:longest].rstrip()


def _tags(cells: Cells) -> list[str]:
    return [tag.strip() for tag in cells.get("Tags", "").split(",") if tag.strip()]


def _billable(cells: Cells, notes: list[str]) -> bool | None:
    said = cells.get("Billable", "")
    if said and said.casefold() not in _BILLABLE:
        notes.append(f"billable is neither Yes nor No but {said!r}; taken as the project says")
    return _BILLABLE.get(said.casefold())


def _key(cells: Cells, when: _When) -> str:
    """What Toggl says of the entry: neither how it writes dates and in which order, nor what it would cost."""
    return identity(
        "toggl",
        _person(cells).key,
        *(cells.get(name, "") for name in ("Client", "Project", "Task", "Description", "Billable")),
        when.start.isoformat(),
        when.end.isoformat() if when.end else "",
        cells.get("Duration", ""),
        sorted(_tags(cells)),
    )


def _raw(sheet: _Sheet, record: list[str]) -> str:
    return json.dumps(dict(zip(sheet.table.header, record, strict=False)), ensure_ascii=False)
