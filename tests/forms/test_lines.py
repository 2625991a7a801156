"""One line for an entry: what each form of it means, and that every line can be read."""

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.forms import lines
from app.forms.lines import Kind
from app.forms.spans import ClockRange, Duration

SUNDAY = date(2026, 11, 22)


def read(text: str) -> lines.Line:
    return lines.read(text, today=SUNDAY)


def at(start: str, end: str) -> ClockRange:
    return ClockRange(time.fromisoformat(start), time.fromisoformat(end), next_day=end < start)


@pytest.mark.parametrize(
    ("text", "description", "day", "span"),
    [
        ("fix login", "fix login", None, None),
        ("9-10:30 fix login", "fix login", None, at("09:00", "10:30")),
        ("fix login 9-10:30", "fix login", None, at("09:00", "10:30")),
        ("fix login 9 - 10:30", "fix login", None, at("09:00", "10:30")),
        ("9am to 5pm fix login", "fix login", None, at("09:00", "17:00")),
        ("22-2 deploy", "deploy", None, at("22:00", "02:00")),
        ("yesterday 2h standup", "standup", date(2026, 11, 21), Duration(7200)),
        ("2h yesterday standup", "standup", date(2026, 11, 21), Duration(7200)),
        ("standup 2h yesterday", "standup", date(2026, 11, 21), Duration(7200)),
        ("yesterday standup 2h", "standup", date(2026, 11, 21), Duration(7200)),
        ("mon 14-15 call", "call", date(2026, 11, 16), at("14:00", "15:00")),
        ("Sunday 1h rest", "rest", SUNDAY, Duration(3600)),
        ("1h30 review", "review", None, Duration(5400)),
        ("1 h 30 min review", "review", None, Duration(5400)),
        ("1:30 review", "review", None, Duration(5400)),
        ("90m", "", None, Duration(5400)),
        ("2026-11-20 1h x", "x", date(2026, 11, 20), Duration(3600)),
        ("20.11. 1h x", "x", date(2026, 11, 20), Duration(3600)),
        ("20.11.2025 1h x", "x", date(2025, 11, 20), Duration(3600)),
        ("20 nov 1h x", "x", date(2026, 11, 20), Duration(3600)),
        ("nov 20 1h x", "x", date(2026, 11, 20), Duration(3600)),
        ("1h x 3. März 2026", "x", date(2026, 3, 3), Duration(3600)),
        ("gestern 9 bis 10 Uhr Besprechung", "Besprechung", date(2026, 11, 21), at("09:00", "10:00")),
        ("Montag 1,5h Büro", "Büro", date(2026, 11, 16), Duration(5400)),
        ("gisteren 2h overleg", "overleg", date(2026, 11, 21), Duration(7200)),
    ],
)
def test_a_line_says_what_and_when(
    text: str, description: str, day: date | None, span: Duration | ClockRange | None
) -> None:
    found = read(text)

    assert (found.description, found.day, found.span) == (description, day, span)


@pytest.mark.parametrize(
    "text",
    ["45 chairs", "version 1.5", "room 12", 'read "9-10"', '"yesterday" by the Beatles', "the mon goes", "9-10-11 x"],
)
def test_what_only_looks_like_a_time_is_words(text: str) -> None:
    found = read(text)

    assert (found.day, found.span) == (None, None)
    assert found.description == text.replace('"', "")


@pytest.mark.parametrize(
    ("text", "description", "project", "tags"),
    [
        ("fix login @website #bug", "fix login", "website", ("bug",)),
        ("fix @acme/website login #bug #urgent", "fix login", "acme/website", ("bug", "urgent")),
        ('call @"Acme Ltd/New site" #"on site"', "call", "Acme Ltd/New site", ("on site",)),
        ('call @"Acme L', "call", "Acme L", ()),
        ("@one @two x", "x", "two", ()),
        ("#Bug #bug x", "x", "", ("bug",)),
        ("mail a@b.org about x#1", "mail a@b.org about x#1", "", ()),
        ("# @ x", "# @ x", "", ()),
        ("1h @website", "", "website", ()),
    ],
)
def test_a_line_says_for_whom(text: str, description: str, project: str, tags: tuple[str, ...]) -> None:
    found = read(text)

    assert (found.description, found.project, found.tags) == (description, project, tags)


def test_marks_may_stand_between_the_words_and_the_time() -> None:
    found = read("fix login @acme/website #bug 9-10:30")

    assert (found.description, found.project, found.tags) == ("fix login", "acme/website", ("bug",))
    assert found.span == at("09:00", "10:30")
    assert [(part.kind, part.text) for part in found.parts] == [
        (Kind.WORDS, "fix login"),
        (Kind.PROJECT, "acme/website"),
        (Kind.TAG, "bug"),
        (Kind.TIME, "9-10:30"),
    ]


def test_a_day_without_a_year_is_the_nearest_one() -> None:
    assert lines.read("30.12. 1h", today=date(2026, 1, 2)).day == date(2025, 12, 30)
    assert lines.read("2.1. 1h", today=date(2026, 12, 30)).day == date(2027, 1, 2)
    assert lines.read("29.2. 1h", today=date(2026, 3, 1)).day is None


PIECES = st.sampled_from(
    [
        "fix",
        "login",
        "9-10:30",
        "1h30",
        "yesterday",
        "mon",
        "@acme",
        '#"on site"',
        '"',
        "45",
        "-",
        "2026-13-45",
        "é",
        "@",
    ]
)


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=12).map(" ".join)))
def test_every_line_can_be_read_and_its_parts_are_its_own_in_order(text: str) -> None:
    found = read(text)

    end = 0
    for part in found.parts:
        assert end <= part.start < part.end <= len(text)
        end = part.end
    kept = "".join(text[part.start : part.end] for part in found.parts)
    left_out = {c for c in text if c not in kept}
    assert not {c for c in left_out if not c.isspace() and c not in '"@#'}


@given(
    st.lists(st.sampled_from(["fix", "login", "review", "the", "page"]), min_size=1, max_size=5),
    st.sampled_from(["9-10:30", "1h30", "22-2", "45m", "9am-5pm"]),
    st.sampled_from(["yesterday", "mon", "2026-11-20", "20.11."]),
)
def test_the_place_of_day_and_time_does_not_matter(words: list[str], span: str, day: str) -> None:
    said = " ".join(words)
    spoken = [read(f"{day} {span} {said}"), read(f"{span} {day} {said}"), read(f"{said} {span} {day}")]
    spoken += [read(f"{day} {said} {span}"), read(f"{span} {said} {day}"), read(f"{said} {day} {span}")]

    assert {(one.description, one.day, one.span) for one in spoken} == {(said, spoken[0].day, spoken[0].span)}
    assert spoken[0].day is not None
    assert spoken[0].span is not None
