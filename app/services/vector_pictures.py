"""An SVG as pixels, or a refusal.

The renderer has no limits of its own, so it goes in two steps. First the document is read here, without building
anything: one that holds more than shapes, or is of no sensible size, is refused. What is left may still be made to
take hours by references that multiply, so it is drawn by a process of its own with little memory and time.
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from typing import BinaryIO
from xml.parsers import expat  # nothing is resolved, and what would be declares itself and is refused

from app.services.pictures import PictureRefused, Reason

MAX_BYTES = 2**20
SECONDS = 10

_LARGEST = 100_000.0  # of the units a drawing is measured in
_LONGEST_SIDES = 100.0  # one side by the other
_MOST_ELEMENTS = 20_000
_DEEPEST = 100
_SVG = "http://www.w3.org/2000/svg"
_SHAPES = frozenset(
    [
        "svg",
        "g",
        "defs",
        "path",
        "rect",
        "circle",
        "ellipse",
        "line",
        "polyline",
        "polygon",
        "linearGradient",
        "radialGradient",
        "stop",
        "clipPath",
        "mask",
        "symbol",
        "use",
        "title",
        "desc",
        "metadata",
        "style",
    ]
)
_LENGTH = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})\s*(px|pt|pc|mm|cm|in|)\s*", re.ASCII)
_NUMBER = r"(-?\d{1,9}(?:\.\d{1,9})?|-?\.\d{1,9})"
_VIEW = re.compile(rf"\s*{_NUMBER}[\s,]+{_NUMBER}[\s,]+{_NUMBER}[\s,]+{_NUMBER}\s*", re.ASCII)
_OUTSIDE = re.compile(r"""url\(\s*["']?\s*(?!["'\s#])|@import|\\""", re.IGNORECASE)
_BYTES_IN_MEMORY = 512 * 2**20
_DRAW = """
import resource, sys
memory, seconds, width = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import resvg_py
svg = sys.stdin.buffer.read().decode()
sys.stdout.buffer.write(resvg_py.svg_to_bytes(svg_string=svg, width=width, dpi=96, skip_system_fonts=True))
"""


def is_one(filename: str) -> bool:
    return filename.lower().endswith(".svg")


def rasterised(upload: BinaryIO, *, width: int, height: int) -> bytes:
    """The drawing as PNG in its proportions, as large as fits in so many pixels. Raises PictureRefused."""
    data = _read(upload)
    proportion = _Document(data).proportion
    return _drawn(data, max(1, min(width, round(height * proportion))))


def _read(upload: BinaryIO) -> bytes:
    upload.seek(0)
    data = upload.read(MAX_BYTES + 1).removeprefix(b"\xef\xbb\xbf")
    if not data:
        raise PictureRefused(Reason.EMPTY, "no bytes")
    if len(data) > MAX_BYTES:
        raise PictureRefused(Reason.TOO_MANY_BYTES, f"more than {MAX_BYTES} bytes")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise PictureRefused(Reason.NOT_A_PICTURE, "not UTF-8") from error
    return data


class _Document:
    """What a first reading tells: `proportion` is width by height. Raises PictureRefused."""

    def __init__(self, data: bytes) -> None:
        self.proportion = 0.0
        self._elements = self._depth = 0
        parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = _refuse_what_leads_outside
        parser.StartDoctypeDeclHandler = _refuse_declarations
        parser.EntityDeclHandler = _refuse_entities
        parser.ProcessingInstructionHandler = _refuse_instructions
        parser.buffer_text = True
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise PictureRefused(Reason.NOT_A_PICTURE, str(error)) from error

    def _begin(self, tag: str, attributes: Mapping[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        self._elements += 1
        self._depth += 1
        if self._elements > _MOST_ELEMENTS or self._depth > _DEEPEST:
            raise PictureRefused(Reason.TOO_MANY_PIXELS, "too many elements, or too deep in one another")
        if self._elements == 1:
            if tag != f"{_SVG} svg":
                raise PictureRefused(Reason.NOT_A_PICTURE, f"begins with {tag!r}")
            self.proportion = _proportion(attributes)
        if namespace == _SVG and name not in _SHAPES:
            raise PictureRefused(Reason.ACTIVE, f"holds {name}")
        for key, value in attributes.items():
            if key.rpartition(" ")[2] == "href" and not value.startswith("#"):
                raise PictureRefused(Reason.ACTIVE, f"refers to {value[:80]!r}")
            if namespace == _SVG:
                _refuse_what_leads_outside(value)

    def _end(self, _tag: str) -> None:
        self._depth -= 1


def _refuse_what_leads_outside(text: str) -> None:
    """Styles may name parts of the drawing by #name and nothing else; escapes could hide it."""
    if _OUTSIDE.search(text):
        raise PictureRefused(Reason.ACTIVE, f"leads outside: {text[:80]!r}")


def _refuse_declarations(_name: str, _system: str | None, _public: str | None, internal: bool) -> None:
    """The one line that names the standard is harmless: nobody fetches it."""
    if internal:
        raise PictureRefused(Reason.ACTIVE, "declares things of its own")


def _refuse_entities(*declared: object) -> None:
    raise PictureRefused(Reason.ACTIVE, f"declares an entity: {declared[0]!r}")


def _refuse_instructions(target: str, _data: str) -> None:
    raise PictureRefused(Reason.ACTIVE, f"instructs {target!r}")


def _proportion(attributes: Mapping[str, str]) -> float:
    """By width and height where both are lengths in the same unit, else by the viewBox."""
    lengths = [_LENGTH.fullmatch(attributes.get(name, "")) for name in ("width", "height")]
    view = _VIEW.fullmatch(attributes.get("viewBox", ""))
    if "viewBox" in attributes and view is None:
        raise PictureRefused(Reason.NOT_A_PICTURE, "a viewBox that cannot be read")
    if lengths[0] and lengths[1] and lengths[0][2] == lengths[1][2]:
        sides = float(lengths[0][1]), float(lengths[1][1])
    elif view:
        sides = float(view[3]), float(view[4])
    else:
        raise PictureRefused(Reason.NOT_A_PICTURE, "neither width and height nor a viewBox")
    every = [*sides, *(abs(float(number)) for number in (view.groups() if view else ()))]
    if min(sides) <= 0 or max(every) > _LARGEST or max(sides) / min(sides) > _LONGEST_SIDES:
        raise PictureRefused(Reason.TOO_MANY_PIXELS, f"{sides[0]} × {sides[1]}")
    return sides[0] / sides[1]


def _drawn(data: bytes, width: int) -> bytes:
    command = [sys.executable, "-I", "-c", _DRAW, str(_BYTES_IN_MEMORY), str(SECONDS), str(width)]
    try:
        run = subprocess.run(command, input=data, capture_output=True, timeout=2 * SECONDS, check=False, env={})  # noqa: S603 - our own words
    except subprocess.TimeoutExpired as error:
        raise PictureRefused(Reason.TOO_MANY_PIXELS, "takes too long to draw") from error
    if run.returncode < 0:
        raise PictureRefused(Reason.TOO_MANY_PIXELS, f"drawing it was ended by signal {-run.returncode}")
    if run.returncode:
        raise PictureRefused(Reason.NOT_A_PICTURE, run.stderr.decode(errors="replace")[-200:])
    return run.stdout
