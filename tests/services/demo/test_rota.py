"""Clocks run for one or two people, started earlier today; entries are shared out by hours."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app import clock
from app.errors import Refused
from app.services.demo import company, rota
from app.services.demo.plan import Plan
from app.services.demo.rota import Worker
from tests.conftest import NOON

BERLIN = ZoneInfo("Europe/Berlin")


def drawn_up(plan: Plan, now: datetime = NOON, home: ZoneInfo = BERLIN) -> list[Worker]:
    today = clock.local_date(now, home)
    first = today - timedelta(days=365 * plan.years)
    firm = company.found(
        plan.users, plan.projects, first=first, today=today, seed=plan.seed, language=plan.language, taken=()
    )
    return rota.draw_up(firm, plan, first=first, now=now, home=home)


MOMENTS = [
    NOON,
    datetime(2026, 11, 17, 23, 50, tzinfo=UTC),  # the night owl at work, past midnight
    datetime(2026, 11, 17, 23, 0, 1, tzinfo=UTC),  # a second past midnight
    datetime(2026, 11, 22, 14, tzinfo=UTC),  # a Sunday
    datetime(2026, 12, 25, 10, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # 02:30, the first of two
    datetime(2026, 10, 25, 1, 30, tzinfo=UTC),  # and the second
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),  # 03:00, just after 01:59:59
]


@pytest.mark.parametrize("now", MOMENTS)
@pytest.mark.parametrize("home", ["Europe/Berlin", "America/New_York", "Asia/Kolkata"])
def test_one_or_two_clocks_run_since_earlier_today(now: datetime, home: str) -> None:
    running = [worker for worker in drawn_up(Plan(years=1), now, ZoneInfo(home)) if worker.running]
    assert 1 <= len(running) <= 2
    for worker in running:
        assert worker.running is not None
        zone = worker.period.zone
        assert worker.running <= now
        assert clock.local_date(worker.running, zone) == clock.local_date(now, zone)
        assert all(shift.end <= worker.running for shift in worker.shifts())


def test_at_work_the_clock_runs_for_who_is_there() -> None:
    morning = NOON - timedelta(hours=2)
    running = {worker.person.full_name for worker in drawn_up(Plan(years=1), morning) if worker.running}
    assert running <= {"Mia Berger", "Jonas Weber", "Aylin Demir", "Lukas Novák"}
    assert len(running) == 2


@pytest.mark.parametrize("minutes", range(-240, 0, 20))
def test_a_clock_runs_since_work_began_at_the_earliest(minutes: int) -> None:
    now = NOON + timedelta(minutes=minutes)
    for worker in drawn_up(Plan(years=1), now):
        today = list(replace(worker, running=None).shifts())[-1]
        if worker.running and today.end == now:
            assert today.start <= worker.running <= now


def test_somebody_lives_in_another_zone() -> None:
    zones = [
        {worker.period.zone.key for worker in drawn_up(Plan(), home=ZoneInfo(home))}
        for home in ("UTC", "America/New_York")
    ]
    assert zones == [{"UTC", "America/New_York"}, {"America/New_York", "Asia/Tokyo"}]


@pytest.mark.parametrize("entries", [0, 1, 2, 3, 1000, 1_000_000])
def test_as_many_entries_as_asked_for_are_shared_out(entries: int) -> None:
    workers = drawn_up(Plan(entries=entries, years=3))
    assert sum(worker.entries + (worker.running is not None) for worker in workers) == entries


def test_by_habit_a_small_team_has_some_thousand() -> None:
    assert 7_000 < sum(worker.entries for worker in drawn_up(Plan())) < 9_000


def test_who_works_less_has_less() -> None:
    shares = {worker.person.full_name: worker.entries for worker in drawn_up(Plan())}
    assert shares["Aylin Demir"] < 0.6 * min(share for name, share in shares.items() if name != "Aylin Demir")


def test_more_than_fit_are_refused_with_what_would() -> None:
    with pytest.raises(Refused, match=r"could have (\d+) in that time") as refused:
        drawn_up(Plan(users=1, entries=1_000_000, years=1))
    assert refused.value.field == "entries"
    most = int(str(refused.value).partition("could have ")[2].split()[0])
    assert sum(worker.entries for worker in drawn_up(Plan(users=1, entries=most, years=1))) == most - 1
    with pytest.raises(Refused):
        drawn_up(Plan(users=1, entries=most + 1, years=1))
