"""Days on which nobody or one person does not work: public holidays, vacations, a cold."""

from datetime import date, timedelta
from functools import cache
from random import Random

# Month and day, and days after Easter Sunday.
_FIXED = {
    "en": ((1, 1), (12, 25), (12, 26)),
    "de": ((1, 1), (5, 1), (10, 3), (12, 25), (12, 26)),
}
_AROUND_EASTER = {
    "en": (-2, 1),  # Good Friday, Easter Monday
    "de": (-2, 1, 39, 50),  # and Ascension Day, Whit Monday
}
# Month and day from which on somebody leaves, by how many days at most later, and for how many days.
_VACATIONS = ((2, 5, 45, 7), (6, 25, 40, 19), (10, 1, 25, 7), (12, 24, 0, 8))
_A_COLD = 0.012  # of days
_LATELY = timedelta(days=14)  # nobody was away then: who tries the demo wants to see a full week


@cache
def holidays(year: int, language: str) -> frozenset[date]:
    fixed = {date(year, month, day) for month, day in _FIXED[language]}
    return frozenset(fixed | {easter(year) + timedelta(days=days) for days in _AROUND_EASTER[language]})


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones, Butcher)."""
    century, of_century = divmod(year, 100)
    moons = (century - (century + 8) // 25 + 1) // 3
    age = (19 * (year % 19) + century - century // 4 - moons + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (of_century // 4) - age - of_century % 4) % 7
    late = (year % 19 + 11 * age + 22 * weekday) // 451
    month, day = divmod(age + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def absences(random: Random, since: date, today: date) -> frozenset[date]:
    """A person's own free days."""
    vacations = {day for year in range(since.year, today.year + 1) for day in _vacations(random, year)}
    colds = {since + timedelta(days=n) for n in range((today - since).days) if random.random() < _A_COLD}
    return frozenset(day for day in vacations | colds if day < today - _LATELY)


def _vacations(random: Random, year: int) -> list[date]:
    days = list[date]()
    for month, day, latest, length in _VACATIONS:
        leaves = date(year, month, day) + timedelta(days=random.randint(0, latest))
        days += [leaves + timedelta(days=n) for n in range(length)]
    return days
