"""What is measured: the pages a person opens and the verbs behind their buttons, with what each may cost at most."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from random import Random

from PIL import Image
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.models import TimeEntry
from bench.browser import Browser, found

EMPTY = "an empty page"  # /profile: what any page of a person costs, whatever stands on it
TODAY = "Today"
PICTURE = "a picture"
START, STOP = "start", "stop"
FROM_THE_FAR_END = 50


@dataclass(frozen=True)
class Page:
    """`statements` and `kilobytes` (1,024 bytes) are the most it may take, at any number of entries."""

    name: str
    path: str
    statements: int
    kilobytes: float
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200

    def open(self, browser: Browser) -> bytes:
        answer = browser.request("GET", self.path, headers=self.headers)
        assert answer.status == self.status, f"{self.path}: {answer.status}"
        return answer.body


@dataclass(frozen=True)
class Verb:
    """`prepare` brings things to where the verb can be done, and is not measured."""

    name: str
    statements: int
    prepare: Callable[[], object]
    act: Callable[[], object]


@dataclass(frozen=True)
class Ground:
    """What the seeded installation has that addresses are made of; the entry `to_delete` is in the trash at times."""

    today: date
    entry_id: int
    to_delete: int
    far: str
    picture: str
    etag: str


def ground(engine: Engine, browser: Browser) -> Ground:
    """For a browser that is signed in; gives the person a face."""
    with Session(engine) as session:
        latest = select(TimeEntry).where(TimeEntry.deleted_at.is_(None)).order_by(TimeEntry.id.desc())
        entry, other = session.scalars(latest.offset(20).limit(2))
        far = session.get_one(TimeEntry, FROM_THE_FAR_END)
        today = entry.local_date
        after = f"{far.local_date.isoformat()}_{far.started_at.isoformat()}_{far.id}".replace("+", "%2B")
    assert browser.upload(jpeg(512, 512)) == 303
    picture = found(rb'"(/uploads/avatars/[^"]+)', browser.get("/profile"))
    etag = browser.request("GET", "/pulse").headers["etag"]
    return Ground(today, entry.id, other.id, after, picture, etag)


def pages(ground: Ground) -> list[Page]:
    """Ranges are of so many days, not of a calendar week or year, so that each day of a year measures the same."""
    week, month, year = (_days(ground.today, days) for days in (7, 30, 365))
    return [
        Page(EMPTY, "/profile", 3, 10),
        Page(TODAY, "/", 7, 35),
        Page("the list: 7 days", f"/time-entries?{week}", 7, 140),
        Page("the list: 365 days", f"/time-entries?{year}", 7, 140),
        Page("the list: all time", "/time-entries?range=all", 7, 140),
        Page("the list: its far end", f"/time-entries?range=all&after={ground.far}", 7, 90),
        Page("a year", f"/reports?year={ground.today.year - 1}", 5, 70),
        Page("projects", "/projects", 4, 94),
        Page("tags", "/tags", 4, 14),
        Page("the trash", "/trash", 9, 90),
        Page("the timer", "/timer", 4, 16),
        Page("add time", "/time-entries/new", 4, 16),
        Page("an entry", f"/time-entries/{ground.entry_id}", 7, 18),
        Page("pulse", "/pulse", 1, 0.1),
        Page("pulse, nothing new", "/pulse", 1, 0, {"If-None-Match": ground.etag}, 304),
        Page("CSV of 30 days", f"/time-entries.csv?{month}", 17, 750),
        Page(PICTURE, ground.picture, 1, 8),
    ]


def verbs(browser: Browser, ground: Ground) -> list[Verb]:
    """Each ends on a page, as a browser does: there the notice with its undo button is shown, and leaves the cookie."""
    hand = _Hand(browser, ground)
    return [
        Verb(START, 6, hand.rest, hand.start),
        Verb(STOP, 6, hand.run, hand.stop),
        Verb("continue", 9, hand.rest, hand.go_on),
        Verb("add", 6, hand.look, hand.add),
        Verb("edit", 9, hand.look, hand.edit),
        Verb("delete", 7, hand.bring_back, hand.delete),
        Verb("undo", 10, hand.make_undoable, hand.undo),
    ]


class _Hand:
    """Presses buttons, and remembers what the last one offered to undo."""

    def __init__(self, browser: Browser, ground: Ground) -> None:
        self.browser, self.ground = browser, ground
        self.undoable, self.deleted = "", False
        self.numbers = count(1)

    def look(self) -> bytes:
        return self.browser.get("/profile")

    def rest(self) -> None:
        self.stop()
        self.look()

    def run(self) -> None:
        self.start()
        self.look()

    def start(self) -> None:
        self._press("/timer/start", {"description": "bench"})

    def stop(self) -> None:
        self._press("/timer/stop")

    def go_on(self) -> None:
        self._press(f"/timer/continue/{self.ground.entry_id}")

    def add(self) -> None:
        day = (self.ground.today - timedelta(days=1)).isoformat()
        self._press("/time-entries", {"description": "bench", "date": day, "time": "9-10:30", "billable": "1"})

    def edit(self) -> None:
        words = {"description": f"bench {next(self.numbers)}", "date": self.ground.today.isoformat(), "time": "9-10"}
        self._press(f"/time-entries/{self.ground.entry_id}", words)

    def bring_back(self) -> None:
        if self.deleted:
            self._restore()
        self.look()

    def delete(self) -> None:
        self._press(f"/time-entries/{self.ground.to_delete}/delete")
        self.deleted = True

    def make_undoable(self) -> None:
        self.look()  # takes away what an earlier act offers to undo
        if self.deleted:
            self._restore()
        else:
            self.delete()
        self.undoable = found(rb'(/time-entries/undo/[\w-]+)"', self.look())

    def undo(self) -> None:
        self._press(self.undoable)
        self.deleted = not self.deleted

    def _restore(self) -> None:
        self._press(f"/trash/time-entries/{self.ground.to_delete}/undelete")
        self.deleted = False

    def _press(self, path: str, fields: Mapping[str, str] | None = None) -> None:
        status = self.browser.post(path, fields or {})
        assert status == 303, f"{path}: {status}"


def jpeg(width: int, height: int) -> bytes:
    """A picture of soft spots."""
    small = Image.frombytes("RGB", (width // 40, height // 40), Random(3).randbytes(width // 40 * (height // 40) * 3))
    buffer = io.BytesIO()
    small.resize((width, height)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _days(today: date, days: int) -> str:
    return f"from={today - timedelta(days=days - 1)}&to={today}"
