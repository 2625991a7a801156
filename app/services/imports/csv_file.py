"""A CSV file as a header and numbered records; what is broken in it costs a line, not the file."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from app.errors import Refused

NOTHING = "Nothing was imported."


@dataclass(frozen=True)
class Table:
    """`lines` are the file's, the header's among them; `first` is where the records begin."""

    header: tuple[str, ...]
    delimiter: str
    lines: list[str]
    first: int

    def records(self) -> Iterator[tuple[int, list[str] | None]]:
        """Each record with the number of its first line; None in place of one whose quotation marks do not fit."""
        yield from _records(self.lines, self.delimiter, self.first)


def table(data: bytes) -> Table:
    """Raises Refused for what is not UTF-8 text, or has no header."""
    lines = io.StringIO(_text(data), newline="").readlines()
    begin = next((number for number, line in enumerate(lines) if line.strip()), None)
    if begin is None:
        raise Refused(f"The file is empty. {NOTHING}")
    delimiter = ";" if lines[begin].count(";") > lines[begin].count(",") else ","
    _line, header = next(_records(lines, delimiter, begin))
    if header is None:
        raise Refused(f"The quotation marks in the first line do not fit. {NOTHING}")
    return Table(tuple(name.strip() for name in header), delimiter, lines, begin + 1)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refused(f"The file is not UTF-8 text (see line {line}): save it as UTF-8. {NOTHING}") from error


def _records(lines: list[str], delimiter: str, start: int) -> Iterator[tuple[int, list[str] | None]]:
    while start < len(lines):
        rest = map(lines.__getitem__, range(start, len(lines)))
        reader = csv.reader(rest, delimiter=delimiter, strict=True)
        begin = start
        try:
            for cells in reader:
                if any(cells):
                    yield start + 1, cells
                start = begin + reader.line_num
        except csv.Error:
            # A mark that is never closed would swallow what follows: read on with the very next line.
            yield start + 1, None
            start += 1
