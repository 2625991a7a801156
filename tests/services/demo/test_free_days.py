"""Public holidays by the calendar, and vacations that end before anybody looks."""

from datetime import date, timedelta
from random import Random

import pytest

from app.services.demo.free_days import absences, easter, holidays


@pytest.mark.parametrize(
    "sunday", [date(2011, 4, 24), date(2024, 3, 31), date(2025, 4, 20), date(2026, 4, 5), date(2038, 4, 25)]
)
def test_easter_is_found(sunday: date) -> None:
    assert easter(sunday.year) == sunday


def test_holidays_are_fixed_or_follow_easter() -> None:
    english = {date(2026, 1, 1), date(2026, 4, 3), date(2026, 4, 6), date(2026, 12, 25), date(2026, 12, 26)}
    german = {date(2026, 5, 1), date(2026, 5, 14), date(2026, 5, 25), date(2026, 10, 3)}
    assert holidays(2026, "en") == english
    assert holidays(2026, "de") == english | german


@pytest.mark.parametrize("today", [date(2026, 8, 1), date(2026, 12, 31), date(2027, 1, 3)])
def test_people_have_vacations_but_not_just_now(today: date) -> None:
    away = absences(Random(1), date(2024, 11, 17), today)
    assert 60 < len(away) < 130
    assert max(away) < today - timedelta(days=14)
