"""Clock-change days of zones that do it differently, then properties of every zone in the menu."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from app import clock

BERLIN = clock.zone("Europe/Berlin")
NEW_YORK = clock.zone("America/New_York")

zones = st.sampled_from(clock.zone_names()).map(clock.zone)
days = st.dates(date(1970, 1, 1), date(2100, 12, 31))
instants = st.integers(0, 131 * 366 * clock.DAY).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
modest = settings(max_examples=200, deadline=None)

# Days in which an evening comes twice, across midnight: the only ones that are no single stretch of time.
BROKEN_DAYS = {
    "America/Goose_Bay",
    "America/Moncton",
    "America/St_Johns",
    "Antarctica/Casey",
}


def at(text: str) -> datetime:
    """An instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall(text: str) -> datetime:
    """A time on the wall, of no zone."""
    return datetime.fromisoformat(text)


def length(bounds: tuple[datetime, datetime]) -> float:
    """Hours."""
    return clock.seconds_between(*bounds) / clock.HOUR


# --- now, and zones ---


def test_now_is_an_instant_of_whole_seconds() -> None:
    with time_machine.travel("2026-03-29T02:30:00.999999+02:00", tick=False):
        moment = clock.now()
    assert moment == at("2026-03-29 00:30:00")
    assert moment.tzinfo is UTC
    assert moment.microsecond == 0


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Asia/Calcutta", "Etc/GMT+5"]
)
def test_a_zone_is_found_by_its_present_or_former_name(name: str) -> None:
    assert clock.zone(name).key == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            " ",
            "Mars/Olympus",
            "europe/berlin ",
            "../x",
            "../../etc/passwd",
            "/etc/localtime",
            "/usr/share/zoneinfo/UTC",
        ),
        *("Europe", "Europe/", "zone.tab", "tzdata.zi", "Europe/Berlin\0", "\udcff", "x" * 5000),
        *("localtime", "Factory", "posixrules", "posix/Europe/Berlin", "right/Europe/Berlin", "SystemV/EST5"),
    ],
)
def test_anything_else_is_an_unknown_zone(name: str) -> None:
    with pytest.raises(clock.UnknownZone):
        clock.zone(name)


def test_the_menu_names_each_place_once_and_sorted() -> None:
    names = clock.zone_names()
    assert names == tuple(sorted(set(names)))
    assert {"UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"} <= set(names)
    assert not {"Asia/Calcutta", "US/Eastern", "GMT0", "localtime", "Factory"} & set(names)
    assert not [name for name in names if name.startswith(("posix", "right", "SystemV", "Etc"))]
    assert len(names) > 400
    assert all(clock.zone(name).key == name for name in names)


# --- wall times and instants ---


@pytest.mark.parametrize(
    ("name", "typed", "instant", "kind"),
    [
        ("Europe/Berlin", "2024-06-01 12:00", "2024-06-01 10:00", "plain"),
        ("Europe/Berlin", "2024-03-31 01:59:59", "2024-03-31 00:59:59", "plain"),
        ("Europe/Berlin", "2024-03-31 02:00", "2024-03-31 01:00", "missing"),
        ("Europe/Berlin", "2024-03-31 02:30", "2024-03-31 01:30", "missing"),
        ("Europe/Berlin", "2024-03-31 03:00", "2024-03-31 01:00", "plain"),
        ("Europe/Berlin", "2024-10-27 01:59:59", "2024-10-26 23:59:59", "plain"),
        ("Europe/Berlin", "2024-10-27 02:00", "2024-10-27 00:00", "ambiguous"),
        ("Europe/Berlin", "2024-10-27 02:59:59", "2024-10-27 00:59:59", "ambiguous"),
        ("Europe/Berlin", "2024-10-27 03:00", "2024-10-27 02:00", "plain"),
        ("America/New_York", "2024-03-10 02:30", "2024-03-10 07:30", "missing"),
        ("America/New_York", "2024-11-03 01:30", "2024-11-03 05:30", "ambiguous"),
        ("Australia/Lord_Howe", "2024-10-06 02:15", "2024-10-05 15:45", "missing"),
        ("Australia/Lord_Howe", "2024-04-07 01:45", "2024-04-06 14:45", "ambiguous"),
        ("Africa/Casablanca", "2024-03-10 02:30", "2024-03-10 01:30", "ambiguous"),
        ("Africa/Casablanca", "2024-04-14 02:30", "2024-04-14 02:30", "missing"),
        ("Pacific/Auckland", "2024-09-29 02:30", "2024-09-28 14:30", "missing"),
        ("Pacific/Auckland", "2024-04-07 02:30", "2024-04-06 13:30", "ambiguous"),
        ("Pacific/Apia", "2011-12-30 12:00", "2011-12-30 22:00", "missing"),
        ("America/Sao_Paulo", "2018-11-04 00:00", "2018-11-04 03:00", "missing"),
        ("America/Sao_Paulo", "2018-02-17 23:30", "2018-02-18 01:30", "ambiguous"),
    ],
)
def test_a_wall_time_becomes_an_instant(name: str, typed: str, instant: str, kind: str) -> None:
    assert clock.to_instant(wall(typed), clock.zone(name)) == clock.Resolved(at(instant), clock.Kind(kind))


def test_a_repeated_time_has_a_second_pass() -> None:
    resolved = clock.to_instant(wall("2024-10-27 02:30"), BERLIN, second_pass=True)
    assert resolved == clock.Resolved(at("2024-10-27 01:30"), clock.Kind.AMBIGUOUS)


@pytest.mark.parametrize("typed", ["2024-03-31 02:30", "2024-06-01 12:00"])
def test_a_second_pass_changes_nothing_where_there_is_none(typed: str) -> None:
    assert clock.to_instant(wall(typed), BERLIN, second_pass=True) == clock.to_instant(wall(typed), BERLIN)


def test_a_fold_left_on_a_wall_time_does_not_decide() -> None:
    typed = wall("2024-10-27 02:30")
    assert clock.to_instant(typed.replace(fold=1), BERLIN) == clock.to_instant(typed, BERLIN)


def test_a_wall_time_loses_what_is_below_a_second() -> None:
    assert clock.to_instant(wall("2024-06-01 12:00:00.9"), BERLIN).instant == at("2024-06-01 10:00")


def test_an_aware_wall_time_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="wall time"):
        clock.to_instant(at("2024-06-01 12:00"), BERLIN)


@pytest.mark.parametrize(
    "ask", [clock.utc, lambda naive: clock.local(naive, BERLIN), lambda naive: clock.seconds_between(naive, naive)]
)
def test_a_naive_instant_is_a_mistake(ask: Callable[[datetime], object]) -> None:
    with pytest.raises(ValueError, match="zone"):
        ask(wall("2024-06-01 12:00"))


def test_an_instant_in_another_zone_is_brought_to_utc_in_whole_seconds() -> None:
    moment = clock.utc(datetime(2024, 6, 1, 12, 0, 0, 900_000, tzinfo=timezone(timedelta(hours=2))))
    assert (moment, moment.tzinfo, moment.microsecond) == (at("2024-06-01 10:00"), UTC, 0)


def test_the_local_date_may_be_another_than_in_utc() -> None:
    instant = at("2024-06-01 22:30")
    assert clock.local_date(instant, BERLIN) == date(2024, 6, 2)
    assert clock.local_date(instant, NEW_YORK) == date(2024, 6, 1)
    assert clock.local(instant, BERLIN).isoformat() == "2024-06-02T00:30:00+02:00"


@modest
@given(zones, instants)
def test_an_instant_survives_the_way_over_the_wall_clock(tz: ZoneInfo, instant: datetime) -> None:
    shown = clock.local(instant, tz)
    back = clock.to_instant(shown.replace(tzinfo=None), tz, second_pass=shown.fold == 1)
    assert back.instant == instant
    assert back.kind is not clock.Kind.MISSING


@modest
@given(st.sampled_from([date(2024, 10, 27), date(2018, 2, 17), date(2024, 11, 3), date(2024, 4, 7)]), zones, st.data())
def test_both_passes_of_a_repeated_time_come_back(day: date, tz: ZoneInfo, data: st.DataObject) -> None:
    start, end = clock.day_bounds(day, tz)
    instant = data.draw(
        st.integers(0, clock.seconds_between(start, end) - 1).map(lambda s: start + timedelta(seconds=s))
    )
    shown = clock.local(instant, tz)
    back = clock.to_instant(shown.replace(tzinfo=None), tz, second_pass=shown.fold == 1)
    assert back.instant == instant


# --- days, weeks, months ---


@pytest.mark.parametrize(
    ("name", "day", "start", "hours"),
    [
        ("UTC", "2024-03-31", "2024-03-31 00:00", 24),
        ("Europe/Berlin", "2024-06-01", "2024-05-31 22:00", 24),
        ("Europe/Berlin", "2024-03-31", "2024-03-30 23:00", 23),
        ("Europe/Berlin", "2024-10-27", "2024-10-26 22:00", 25),
        ("America/New_York", "2024-03-10", "2024-03-10 05:00", 23),
        ("America/New_York", "2024-11-03", "2024-11-03 04:00", 25),
        ("Australia/Lord_Howe", "2024-10-06", "2024-10-05 13:30", 23.5),
        ("Australia/Lord_Howe", "2024-04-07", "2024-04-06 13:00", 24.5),
        ("Africa/Casablanca", "2024-03-10", "2024-03-09 23:00", 25),
        ("Africa/Casablanca", "2024-04-14", "2024-04-14 00:00", 23),
        ("Pacific/Auckland", "2024-09-29", "2024-09-28 12:00", 23),
        ("Pacific/Auckland", "2024-04-07", "2024-04-06 11:00", 25),
        ("Pacific/Apia", "2011-12-29", "2011-12-29 10:00", 24),
        ("Pacific/Apia", "2011-12-30", "2011-12-30 10:00", 0),
        ("Pacific/Apia", "2011-12-31", "2011-12-30 10:00", 24),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04 03:00", 23),
        ("America/Sao_Paulo", "2018-02-17", "2018-02-17 02:00", 25),
        ("Africa/Cairo", "2023-04-28", "2023-04-27 22:00", 23),
        ("Asia/Beirut", "2022-03-27", "2022-03-26 22:00", 23),
        ("America/Havana", "2022-11-06", "2022-11-06 04:00", 25),
        ("America/Toronto", "1919-03-31", "1919-03-31 04:30", 23.5),
        ("America/St_Johns", "2010-11-07", "2010-11-07 03:30", 24),
    ],
)
def test_a_day_begins_at_its_first_moment_and_lasts_as_long_as_the_clocks_say(
    name: str, day: str, start: str, hours: float
) -> None:
    bounds = clock.day_bounds(date.fromisoformat(day), clock.zone(name))
    assert bounds[0] == at(start)
    assert bounds[0].tzinfo is bounds[1].tzinfo is UTC
    assert length(bounds) == hours


def test_a_day_without_midnight_starts_at_one() -> None:
    tz = clock.zone("America/Sao_Paulo")
    start, _ = clock.day_bounds(date(2018, 11, 4), tz)
    assert clock.local(start, tz).isoformat() == "2018-11-04T01:00:00-02:00"
    assert clock.local_date(start - timedelta(seconds=1), tz) == date(2018, 11, 3)


def test_st_johns_loses_no_more_than_the_minute_it_counted_before_going_back() -> None:
    tz = clock.zone("America/St_Johns")
    start, end = clock.day_bounds(date(2010, 11, 6), tz)
    stray = [
        s
        for s in range(0, clock.seconds_between(start, end), 30)
        if clock.local_date(start + timedelta(seconds=s), tz).day != 6
    ]
    assert len(stray) * 30 == clock.MINUTE


@modest
@given(zones, days)
def test_days_tile_time(tz: ZoneInfo, day: date) -> None:
    around = [clock.day_bounds(day + timedelta(days=step), tz) for step in range(-2, 3)]
    assert all(before[1] == after[0] for before, after in pairwise(around))
    assert all(start <= end for start, end in around)


@modest
@given(zones.filter(lambda tz: tz.key not in BROKEN_DAYS), days, st.floats(0, 1, exclude_max=True))
def test_every_moment_of_a_day_has_its_date(tz: ZoneInfo, day: date, part: float) -> None:
    start, end = clock.day_bounds(day, tz)
    seconds = clock.seconds_between(start, end)
    inside = [start, start + timedelta(seconds=int(seconds * part)), end - timedelta(seconds=1)] if seconds else []
    assert {clock.local_date(instant, tz) for instant in inside} <= {day}
    assert clock.local_date(end, tz) > day
    assert clock.local_date(start - timedelta(seconds=1), tz) < day


@modest
@given(st.sampled_from(sorted(BROKEN_DAYS)).map(clock.zone), st.dates(date(1987, 1, 1), date(2011, 12, 31)))
def test_a_day_ends_and_begins_with_its_date_even_where_an_evening_is_repeated(tz: ZoneInfo, day: date) -> None:
    start, end = clock.day_bounds(day, tz)
    assert clock.local_date(start, tz) == clock.local_date(end - timedelta(seconds=1), tz) == day


@pytest.mark.parametrize(
    ("day", "first_weekday", "start"),
    [
        ("2024-10-27", 0, "2024-10-21"),
        ("2024-10-27", 6, "2024-10-27"),
        ("2024-10-26", 6, "2024-10-20"),
        ("2024-10-21", 0, "2024-10-21"),
        ("2024-01-01", 5, "2023-12-30"),
    ],
)
def test_a_week_starts_on_the_weekday_a_person_chose(day: str, first_weekday: int, start: str) -> None:
    assert clock.week_start(date.fromisoformat(day), first_weekday) == date.fromisoformat(start)


@pytest.mark.parametrize("first_weekday", [-1, 7])
def test_there_are_seven_weekdays(first_weekday: int) -> None:
    with pytest.raises(ValueError, match="0 to 6"):
        clock.week_start(date(2024, 1, 1), first_weekday)


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 167), ("2024-10-27", 169), ("2024-06-01", 168)])
def test_a_week_is_an_hour_shorter_or_longer_across_a_change(day: str, hours: int) -> None:
    bounds = clock.week_bounds(date.fromisoformat(day), 0, BERLIN)
    assert clock.local(bounds[0], BERLIN).weekday() == 0
    assert length(bounds) == hours


@pytest.mark.parametrize(
    ("year", "month", "last"),
    [
        (2024, 2, "2024-02-29"),
        (2023, 2, "2023-02-28"),
        (2100, 2, "2100-02-28"),
        (2024, 4, "2024-04-30"),
        (2024, 12, "2024-12-31"),
    ],
)
def test_a_month_knows_its_days(year: int, month: int, last: str) -> None:
    assert clock.month_days(year, month) == (date(year, month, 1), date.fromisoformat(last))


def test_a_month_runs_from_local_midnight_to_local_midnight() -> None:
    assert clock.month_bounds(2024, 3, BERLIN) == (at("2024-02-29 23:00"), at("2024-03-31 22:00"))
    assert clock.month_bounds(2024, 12, NEW_YORK) == (at("2024-12-01 05:00"), at("2025-01-01 05:00"))


@modest
@given(zones, st.integers(1970, 2100), st.integers(1, 12))
def test_months_are_the_sum_of_their_days(tz: ZoneInfo, year: int, month: int) -> None:
    start, end = clock.month_bounds(year, month, tz)
    first, last = clock.month_days(year, month)
    by_day = [clock.day_bounds(first + timedelta(days=n), tz) for n in range((last - first).days + 1)]
    assert (start, end) == (by_day[0][0], by_day[-1][1])
    assert clock.seconds_between(start, end) == sum(clock.seconds_between(*bounds) for bounds in by_day)


def test_a_range_includes_its_last_day() -> None:
    bounds = clock.range_bounds(date(2024, 3, 30), date(2024, 4, 1), BERLIN)
    assert bounds == (at("2024-03-29 23:00"), at("2024-04-01 22:00"))


def test_a_range_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="before"):
        clock.range_bounds(date(2024, 4, 1), date(2024, 3, 31), BERLIN)


@pytest.mark.parametrize("day", [date.min, date(1, 12, 31), date(9999, 1, 1), date.max])
@pytest.mark.parametrize("tz", [clock.zone("Pacific/Kiritimati"), clock.zone("Pacific/Pago_Pago")])
def test_the_ends_of_the_calendar_are_refused_not_stumbled_over(day: date, tz: ZoneInfo) -> None:
    midnight = datetime.combine(day, time())
    for ask in (
        lambda: clock.day_bounds(day, tz),
        lambda: clock.range_bounds(date(2024, 1, 1) if day.year > 1 else day, max(day, date(2024, 1, 1)), tz),
        lambda: clock.week_bounds(day, 3, tz),
        lambda: clock.month_bounds(day.year, day.month, tz),
        lambda: clock.to_instant(midnight, tz),
        lambda: clock.local(midnight.replace(tzinfo=UTC), tz),
    ):
        with pytest.raises(clock.OutOfCalendar):
            ask()


@pytest.mark.parametrize("day", [date(clock.FIRST_YEAR, 1, 1), date(clock.LAST_YEAR, 12, 31)])
@pytest.mark.parametrize("tz", [clock.zone("Pacific/Kiritimati"), clock.zone("Pacific/Pago_Pago")])
def test_the_outermost_days_can_still_be_asked_for(day: date, tz: ZoneInfo) -> None:
    for days_long, (start, end) in (
        (1, clock.day_bounds(day, tz)),
        (31, clock.month_bounds(day.year, day.month, tz)),
    ):
        assert end - start == timedelta(days=days_long)


# --- lengths ---


def test_elapsed_time_is_true_across_a_change_in_one_zone() -> None:
    start = datetime(2024, 3, 31, 1, 30, tzinfo=BERLIN)
    end = datetime(2024, 3, 31, 3, 30, tzinfo=BERLIN)
    assert clock.seconds_between(start, end) == clock.HOUR
    assert clock.seconds_between(end, start) == -clock.HOUR


@pytest.mark.parametrize(
    ("seconds", "short", "full"),
    [
        (0, "0:00", "0:00:00"),
        (59, "0:00", "0:00:59"),
        (60, "0:01", "0:01:00"),
        (3599, "0:59", "0:59:59"),
        (5407, "1:30", "1:30:07"),
        (360_000, "100:00", "100:00:00"),
        (-30, "0:00", "-0:00:30"),
        (-5407, "-1:30", "-1:30:07"),
    ],
)
def test_lengths_are_shown_as_hours_and_minutes_cut_off(seconds: int, short: str, full: str) -> None:
    assert clock.hours_minutes(seconds) == short
    assert clock.hours_minutes_seconds(seconds) == full
