"""Who of the company works when, whose clock runs now, and how many time entries each of them has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import islice, pairwise
from random import Random
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _

from app import clock
from app.clock import MINUTE
from app.errors import Refused
from app.services.demo import habits
from app.services.demo.company import Company, Person
from app.services.demo.habits import Period, Shift
from app.services.demo.plan import Plan

_ELSEWHERE = ("America/New_York", "Asia/Tokyo")
_AT_ONCE = 2  # clocks that run


@dataclass(frozen=True)
class Worker:
    """A person of the company with what follows from the plan.

    `place` is the person's among all. The clock runs since `running`, if it does. `seconds` are those of all shifts,
    `entries` is how many ended entries fill them.
    """

    place: int
    person: Person
    period: Period
    seed: str
    language: str
    running: datetime | None = None
    seconds: int = 0
    entries: int = 0

    def shifts(self) -> Iterator[Shift]:
        """Worked out anew each time, as many years of many people would fill the memory."""
        every = habits.shifts(self.person.habit, self.period, f"{self.seed} days", language=self.language)
        return habits.until(every, self.running) if self.running else every


def draw_up(firm: Company, plan: Plan, *, first: date, now: datetime, home: ZoneInfo) -> list[Worker]:
    """The people of the firm from the day `first` until now. Raises Refused where the entries do not fit."""
    elsewhere = clock.zone(next(name for name in _ELSEWHERE if name != home.key))
    workers = [
        Worker(
            place,
            person,
            Period(first, now, elsewhere if person.is_elsewhere else home),
            f"{plan.seed} {person.username}",
            plan.language,
        )
        for place, person in enumerate(firm.people)
    ]
    at_once = _AT_ONCE if plan.entries is None else min(_AT_ONCE, plan.entries)
    return _with_entries(_with_running(workers, now, at_once), plan.entries)


def _with_running(workers: Sequence[Worker], now: datetime, at_once: int) -> list[Worker]:
    """The clock runs for the first who are at work; at an hour when nobody is, for the one who signs in."""
    at_work = ((worker.place, since) for worker in workers if (since := _at_work_since(worker, now)))
    running = dict(islice(at_work, at_once))
    if not running and at_once:
        running = {0: _just_now(workers[0].period)}
    return [replace(worker, running=running.get(worker.place)) for worker in workers]


def _at_work_since(worker: Worker, now: datetime) -> datetime | None:
    """A moment earlier today, within the shift the person is in now; None where there is no such shift."""
    shift = _last(worker.shifts())
    if shift is None or shift.end < now:
        return None
    earliest = max(shift.start, clock.day_bounds(worker.period.today, worker.period.zone)[0])
    since = now - timedelta(seconds=Random(worker.seed).randrange(4 * MINUTE, 70 * MINUTE))  # noqa: S311 - repeatable
    return max(since, earliest) if earliest <= now - timedelta(minutes=4) else None


def _last(shifts: Iterator[Shift]) -> Shift | None:
    found = None
    for found in shifts:  # noqa: B007 - all but the last are passed over
        pass
    return found


def _just_now(period: Period) -> datetime:
    """Half an hour ago, if that was today."""
    return max(period.now - timedelta(minutes=24, seconds=37), clock.day_bounds(period.today, period.zone)[0])


def _with_entries(workers: Sequence[Worker], entries: int | None) -> list[Worker]:
    """Shares the entries out by hours worked; those that run count. Raises Refused where they do not fit."""
    seconds = [sum(shift.seconds for shift in worker.shifts()) for worker in workers]
    running = sum(worker.running is not None for worker in workers)
    ended = sum(seconds) // habits.USUAL if entries is None else entries - running
    most = sum(seconds) // habits.TIGHTEST
    if ended > most:
        raise Refused(
            _(
                "So many entries do not fit: of a minute or more, these people could have %(most)s in that time. "
                "Ask for fewer, or for more users or years.",
                most=most + running,
            ),
            "entries",
        )
    shares = _shared(ended, seconds)
    return [
        replace(worker, seconds=of_all, entries=share)
        for worker, of_all, share in zip(workers, seconds, shares, strict=True)
    ]


def _shared(count: int, weights: Sequence[int]) -> list[int]:
    """`count` in whole parts by weight; the parts sum up to it."""
    bounds = [count * sum(weights[:place]) // max(1, sum(weights)) for place in range(len(weights) + 1)]
    return [after - before for before, after in pairwise(bounds)]
