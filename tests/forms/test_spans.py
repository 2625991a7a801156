"""What people type, read as a table; then what no text may do."""

import unicodedata
from datetime import UTC, date, datetime, time
from time import perf_counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app import clock
from app.clock import DAY, HOUR
from app.forms.spans import (
    LONGEST_TEXT,
    ClockRange,
    Duration,
    Reason,
    SpanRefused,
    parse_clock,
    parse_clock_range,
    parse_duration,
    parse_span,
    resolve,
)

BERLIN = clock.zone("Europe/Berlin")
modest = settings(max_examples=300, deadline=None)


def as_typed(span: ClockRange) -> str:
    """`09:00-10:30`, with a + where the end lies on the next day."""
    return f"{span.start:%H:%M:%S}-{span.end:%H:%M:%S}".replace(":00-", "-").removesuffix(":00") + "+" * span.next_day


def refusal(text: str) -> Reason:
    with pytest.raises(SpanRefused) as refused:
        parse_span(text)
    assert str(refused.value) == refused.value.reason
    return refused.value.reason


# --- durations ---


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        # minutes
        *(("45", 2700), ("90", 5400), ("005", 300), ("90m", 5400), ("90 min", 5400), ("90 Min.", 5400)),
        *(("90 mins", 5400), ("1 minute", 60), ("90 minutes", 5400), ("90 Minuten", 5400), ("1,5 min", 90)),
        # decimal hours
        *(("1.5", 5400), ("1,5", 5400), ("1,50", 5400), (".5", 1800), (",25", 900), ("0.33", 1188)),
        *(
            ("1.30", 4680),
            ("1,5h", 5400),
            ("1.25 h", 4500),
            ("1.5 hours", 5400),
            ("1,5 Std.", 5400),
            ("0,5 Stunden", 1800),
        ),
        # hours
        *(
            ("2h", 7200),
            ("1 h", 3600),
            ("1 hr", 3600),
            ("2 hrs", 7200),
            ("1 hour", 3600),
            ("2 Std", 7200),
            ("1 Stunde", 3600),
        ),
        # hours and minutes
        *(("1h30", 5400), ("1h30m", 5400), ("1h 30m", 5400), ("1 h 30 min", 5400), ("1H30M", 5400), ("1h5", 3900)),
        *(("0h30", 1800), ("1 Std. 30 Min.", 5400), ("2 hours 5 minutes", 7500), ("1h 30m 15s", 5415), ("1h15s", 3615)),
        *(("90m 20s", 5420), ("30s", 30), ("90 sec", 90), ("1 Sekunde", 1), ("1h 30", 5400)),
        # as a clock would show it
        *(
            ("1:30", 5400),
            ("0:45", 2700),
            ("01:30", 5400),
            ("1:30:15", 5415),
            ("0:00:01", 1),
            ("1:30 h", 5400),
            ("24:00", DAY),
        ),
        # typed on other keyboards
        *(
            ("  45  ", 2700),
            ("1h\u00a030m", 5400),
            ("1\u202fh", 3600),
            ("１：３０", 5400),
            ("１，５", 5400),
            ("４５", 2700),
        ),
        *(("٩٠", 5400), ("1\u3000h", 3600), ("\u200e1:30\u200f", 5400), ("\ufeff45\n", 2700), ("９０ｍ", 5400)),
    ],
)
def test_a_duration_is_understood(text: str, seconds: int) -> None:
    assert parse_span(text) == Duration(seconds)
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("0.00013", 0), ("0.00014", 1), ("0,0125 min", 1), ("0,0083 min", 0), ("0.025m", 2)]
)
def test_a_fraction_is_exact_and_half_a_second_goes_up(text: str, seconds: int) -> None:
    if seconds:
        assert parse_duration(text) == seconds
    else:
        assert refusal(text) is Reason.NO_LENGTH


# --- ranges ---


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        *(
            ("9-10:30", "09:00-10:30"),
            ("9:00–10:30", "09:00-10:30"),
            ("9 - 10", "09:00-10:00"),
            ("9—10", "09:00-10:00"),
        ),
        *(("9−10", "09:00-10:00"), ("9‑10", "09:00-10:00"), ("９－１０", "09:00-10:00"), ("9 to 10:30", "09:00-10:30")),
        *(
            ("9to5", "09:00-05:00+"),
            ("9 bis 10:30", "09:00-10:30"),
            ("9 Uhr - 10:30 Uhr", "09:00-10:30"),
            ("9\u2009–\u200910", "09:00-10:00"),
        ),
        # a dot is a time here
        *(("9.30-11", "09:30-11:00"), ("9-11.30", "09:00-11:30"), ("9.00.15-9.00.45", "09:00:15-09:00:45")),
        *(("9:00:15-9:00:45", "09:00:15-09:00:45"), ("0930-1100", "09:30-11:00"), ("930-11", "09:30-11:00")),
        # over midnight
        *(
            ("22-2", "22:00-02:00+"),
            ("22:30-0", "22:30-00:00+"),
            ("10-9:59", "10:00-09:59+"),
            ("23:59:59-0", "23:59:59-00:00+"),
        ),
        *(
            ("9-24", "09:00-00:00+"),
            ("9-24:00", "09:00-00:00+"),
            ("0-24", "00:00-00:00+"),
            ("00:00-24:00:00", "00:00-00:00+"),
        ),
        # halves of the day
        *(
            ("9am-5pm", "09:00-17:00"),
            ("9:30 am - 1 pm", "09:30-13:00"),
            ("9 A.M. – 5 P.M.", "09:00-17:00"),
            ("9a-5p", "09:00-17:00"),
        ),
        *(
            ("12am-12pm", "00:00-12:00"),
            ("12pm-12am", "12:00-00:00+"),
            ("10pm-2am", "22:00-02:00+"),
            ("930am-5pm", "09:30-17:00"),
        ),
        # one half said: the shortest range
        *(("9-5pm", "09:00-17:00"), ("1-5pm", "13:00-17:00"), ("10-2am", "22:00-02:00+"), ("11-1pm", "11:00-13:00")),
        *(
            ("12-1pm", "12:00-13:00"),
            ("9am-5", "09:00-17:00"),
            ("9am-10:30", "09:00-10:30"),
            ("10pm-2", "22:00-02:00+"),
        ),
        *(
            ("9am - 12", "09:00-12:00"),
            ("9am-17:00", "09:00-17:00"),
            ("13-5pm", "13:00-17:00"),
            ("10pm-0:30", "22:00-00:30+"),
        ),
        *(("5-5pm", "05:00-17:00"), ("1pm-24", "13:00-00:00+"), ("12:30-12:45am", "00:30-00:45")),
    ],
)
def test_a_range_is_understood(text: str, typed: str) -> None:
    span = parse_span(text)
    assert isinstance(span, ClockRange)
    assert as_typed(span) == typed


def test_two_fields_are_read_like_one_range() -> None:
    assert parse_clock_range(" 9", "10.30 ") == parse_span("9-10:30")
    assert parse_clock_range("1", "5pm") == parse_span("1-5pm")
    assert parse_clock_range("22", "24:00") == parse_span("22-24")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("9", time(9)), ("9:30", time(9, 30)), ("9.30", time(9, 30)), ("930", time(9, 30)), ("0930", time(9, 30))),
        *(
            ("9:30:15", time(9, 30, 15)),
            ("9am", time(9)),
            ("12 am", time(0)),
            ("12:30PM", time(12, 30)),
            ("0", time(0)),
        ),
        *(("23:59:59", time(23, 59, 59)), ("9 Uhr", time(9)), ("09", time(9)), ("2359", time(23, 59))),
    ],
)
def test_a_clock_time_is_understood(text: str, expected: time) -> None:
    assert parse_clock(text) == expected


# --- refusals ---


REFUSED = {
    Reason.EMPTY: ["", " \t\n\u00a0", "\u200b\ufeff"],
    Reason.TEXT_TOO_LONG: ["x" * 101, " " * 101],
    Reason.NEGATIVE: ["-5", "−1:30", "- 5", "-9-10"],
    Reason.NOT_UNDERSTOOD: [
        *("soon", "h", "m", ":", "1:", ":30", "1:3", "1:300", "1:30:1", "1.", "1,5,5", "1.5h30", "1h 1.5m", "1 30"),
        *("1h30h", "30m 1h", "1h:30", "+5", "5e2", "0x10", "9am", "1½", "1²", "½", "⑨", "一", "1_000", "1'30", "nan"),
        *("inf", "1/2", "9-", "9-10-11", "2024-01-02", "9--10", "1h-2h", "9,5-11", "9.5-11", "to", "9-x", "9:30.15-10"),
        *("100:00-2", "93015-10", "9 am pm-10", "45\0", "\udcff"),
    ],
    Reason.HOUR_OUT_OF_RANGE: [
        *("25-2", "9-25", "24-2", "9-24:01", "45-60", "13pm-2pm", "0am-1am", "24-24", "9am-24:30", "24pm-1am"),
    ],
    Reason.MINUTE_OUT_OF_RANGE: ["1:60", "1h60", "1h 90m", "9:60-10", "9-10:99", "0990-11"],
    Reason.SECOND_OUT_OF_RANGE: ["1:30:60", "1h 5m 60s", "90m 60s", "9:00:60-10"],
    Reason.NO_LENGTH: ["0", "0:00", "0h", "0.0", "0:00:00", "9-9", "9-9:00", "9am-9am", "0-0", "12am-0:00"],
    Reason.TOO_LONG: [
        *("24:01", "24:00:01", "1441", "25h", "24.01", "1530", "9" * 100, "9" * 99 + "h", "٩" * 100, "9" * 97 + ":00"),
        "9" * 50 + "." + "9" * 49,
    ],
}


@pytest.mark.parametrize(("text", "reason"), [(text, reason) for reason, texts in REFUSED.items() for text in texts])
def test_what_is_no_span_is_refused_with_its_reason(text: str, reason: Reason) -> None:
    assert refusal(text) is reason


def test_a_duration_is_no_range() -> None:
    with pytest.raises(SpanRefused, match=Reason.RANGE_NOT_WANTED):
        parse_duration("9-10")


@pytest.mark.parametrize("text", ["24:00", "24", "25", "13pm"])
def test_a_lone_clock_time_ends_before_midnight(text: str) -> None:
    with pytest.raises(SpanRefused, match=Reason.HOUR_OUT_OF_RANGE):
        parse_clock(text)


def test_an_empty_field_is_said_to_be_empty() -> None:
    for start, end in (("", "9"), ("9", " ")):
        with pytest.raises(SpanRefused, match=Reason.EMPTY):
            parse_clock_range(start, end)


def test_more_than_a_day_is_understood_where_it_is_asked_for() -> None:
    assert parse_duration("120 h", longest=500 * HOUR) == 120 * HOUR
    assert parse_span("30:00", longest=500 * HOUR) == Duration(30 * HOUR)
    with pytest.raises(SpanRefused, match=Reason.TOO_LONG):
        parse_duration("500:00:01", longest=500 * HOUR)


@pytest.mark.parametrize(
    ("start", "end", "next_day", "reason"),
    [
        (time(10), time(9), False, Reason.ENDS_BEFORE_START),
        (time(9), time(9), False, Reason.NO_LENGTH),
        (time(9), time(10), True, Reason.TOO_LONG),
    ],
)
def test_a_range_holds_more_than_nothing_and_at_most_a_day(
    start: time, end: time, next_day: bool, reason: Reason
) -> None:
    with pytest.raises(SpanRefused, match=reason):
        ClockRange(start, end, next_day)


# --- ranges on a day ---


@pytest.mark.parametrize(
    ("zone", "day", "text", "start", "end"),
    [
        ("Europe/Berlin", "2024-06-01", "9-10:30", "06-01 07:00 plain", "06-01 08:30 plain"),
        ("Europe/Berlin", "2024-06-01", "22-2", "06-01 20:00 plain", "06-02 00:00 plain"),
        ("Europe/Berlin", "2024-06-30", "9-24", "06-30 07:00 plain", "06-30 22:00 plain"),
        # clocks go forward: 02:00 to 03:00 does not exist
        ("Europe/Berlin", "2024-03-31", "1:30-3:30", "03-31 00:30 plain", "03-31 01:30 plain"),
        ("Europe/Berlin", "2024-03-31", "1:30-2:30", "03-31 00:30 plain", "03-31 01:30 missing"),
        ("Europe/Berlin", "2024-03-31", "2:15-2:45", "03-31 01:15 missing", "03-31 01:45 missing"),
        ("Europe/Berlin", "2024-03-31", "3:10-2:30", "03-31 01:10 plain", "04-01 00:30 plain"),
        ("Europe/Berlin", "2024-03-31", "0-24", "03-30 23:00 plain", "03-31 22:00 plain"),
        ("Europe/Berlin", "2024-03-30", "22-6", "03-30 21:00 plain", "03-31 04:00 plain"),
        # clocks go back: 02:00 to 03:00 comes twice
        ("Europe/Berlin", "2024-10-27", "1:30-3:30", "10-26 23:30 plain", "10-27 02:30 plain"),
        ("Europe/Berlin", "2024-10-27", "1:30-2:30", "10-26 23:30 plain", "10-27 00:30 ambiguous"),
        ("Europe/Berlin", "2024-10-27", "2:30-3:30", "10-27 00:30 ambiguous", "10-27 02:30 plain"),
        ("Europe/Berlin", "2024-10-27", "2:10-2:50", "10-27 00:10 ambiguous", "10-27 00:50 ambiguous"),
        ("Europe/Berlin", "2024-10-27", "2:50-2:10", "10-27 00:50 ambiguous", "10-27 01:10 ambiguous"),
        ("Europe/Berlin", "2024-10-27", "3:30-2:30", "10-27 02:30 plain", "10-28 01:30 plain"),
        ("Europe/Berlin", "2024-10-27", "2:30-1:30", "10-27 00:30 ambiguous", "10-28 00:30 plain"),
        ("Europe/Berlin", "2024-10-26", "22-2:30", "10-26 20:00 plain", "10-27 00:30 ambiguous"),
        ("America/New_York", "2024-11-03", "1:50-1:10", "11-03 05:50 ambiguous", "11-03 06:10 ambiguous"),
        ("Australia/Lord_Howe", "2024-04-07", "1:55-1:35", "04-06 14:55 ambiguous", "04-06 15:05 ambiguous"),
        ("America/Sao_Paulo", "2018-02-17", "23:50-23:10", "02-18 01:50 ambiguous", "02-18 02:10 ambiguous"),
        ("America/Sao_Paulo", "2018-11-03", "22-24", "11-04 01:00 plain", "11-04 03:00 missing"),
        ("Pacific/Apia", "2011-12-29", "22-2", "12-30 08:00 plain", "12-30 12:00 missing"),
        # midnight as an end is the day's end, though Havana's 00:00 comes twice
        ("America/Havana", "2022-11-06", "0-24", "11-06 04:00 ambiguous", "11-07 05:00 plain"),
        ("America/Havana", "2022-11-06", "0:30-0", "11-06 04:30 ambiguous", "11-07 05:00 plain"),
    ],
)
def test_a_range_is_resolved_on_its_day(zone: str, day: str, text: str, start: str, end: str) -> None:
    span = parse_span(text)
    assert isinstance(span, ClockRange)
    resolved = resolve(span, date.fromisoformat(day), clock.zone(zone))
    assert [f"{reading.instant:%m-%d %H:%M} {reading.kind}" for reading in resolved] == [start, end]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("2-3", Reason.NO_LENGTH), ("2:30-3", Reason.ENDS_BEFORE_START), ("2:30-3:30", Reason.NO_LENGTH)],
)
def test_an_hour_that_was_skipped_holds_no_work(text: str, reason: Reason) -> None:
    span = parse_span(text)
    assert isinstance(span, ClockRange)
    with pytest.raises(SpanRefused, match=reason):
        resolve(span, date(2024, 3, 31), BERLIN)


def test_a_whole_day_from_within_a_repeated_hour_is_not_cut_to_the_hour() -> None:
    readings = resolve(ClockRange(time(2, 30), time(2, 30), next_day=True), date(2024, 10, 27), BERLIN)
    assert clock.seconds_between(readings[0].instant, readings[1].instant) == 25 * HOUR


def test_a_day_off_the_calendar_is_refused() -> None:
    with pytest.raises(clock.OutOfCalendar):
        resolve(ClockRange(time(22), time(2), next_day=True), date.max, BERLIN)


clock_times = st.times().map(lambda moment: moment.replace(microsecond=0))


@modest
@given(st.sampled_from(clock.zone_names()), st.dates(date(1970, 1, 1), date(2100, 1, 1)), clock_times, clock_times)
@example("Europe/Berlin", date(2024, 3, 31), time(2, 30), time(3))
@example("Pacific/Apia", date(2011, 12, 30), time(22), time(2))
@example("America/St_Johns", date(2010, 11, 6), time(23, 30), time(23, 10))
def test_a_resolved_range_never_runs_backwards_nor_much_over_a_day(
    zone: str, day: date, start: time, end: time
) -> None:
    try:
        readings = resolve(parse_clock_range(f"{start}", f"{end}"), day, clock.zone(zone))
    except SpanRefused as refused:
        assert refused.reason in {Reason.NO_LENGTH, Reason.ENDS_BEFORE_START}  # noqa: PT017 - most ranges are fine
    else:
        assert 0 < clock.seconds_between(readings[0].instant, readings[1].instant) <= DAY + 3 * HOUR


# --- there and back, and hostile text ---


@modest
@given(st.integers(1, DAY))
def test_a_printed_duration_is_read_as_itself(seconds: int) -> None:
    assert parse_duration(clock.hours_minutes_seconds(seconds)) == seconds
    assert seconds < 60 or parse_duration(clock.hours_minutes(seconds)) == seconds - seconds % 60


@modest
@given(clock_times, clock_times)
def test_a_printed_range_is_read_as_itself(start: time, end: time) -> None:
    text = f"{start}–{end}"
    if start == end:
        assert refusal(text) is Reason.NO_LENGTH
    else:
        assert parse_span(text) == ClockRange(start, end, next_day=end < start)


@modest
@given(st.integers(0, 11), st.integers(0, 59), st.sampled_from(["am", "pm"]))
def test_twelve_hours_and_twenty_four_agree(hour: int, minute: int, half: str) -> None:
    shown = f"{hour or 12}:{minute:02} {half}"
    assert parse_clock(shown) == time(hour + 12 * (half == "pm"), minute)
    assert parse_clock(shown) == datetime.strptime(shown.upper(), "%I:%M %p").replace(tzinfo=UTC).time()


@modest
@given(st.text(max_size=120) | st.text("0123456789:.,-–hmsap td½٩ \0", max_size=120))
def test_any_text_is_a_span_or_refused(text: str) -> None:
    for parse in (parse_span, parse_duration, parse_clock):
        try:
            found = parse(text)
        except SpanRefused as refused:
            assert (refused.reason is Reason.TEXT_TOO_LONG) == (len(text) > LONGEST_TEXT)  # noqa: PT017 - either is fine
        else:
            assert found is not None
            assert len(text) <= LONGEST_TEXT


@modest
@given(st.sampled_from(["45", "1:30", "1,5", "1h30m", "9:30-11", "22-2"]), st.characters(categories=["Nd"]))
def test_the_digits_of_every_script_count_alike(text: str, digit: str) -> None:
    zero = ord(digit) - unicodedata.decimal(digit)
    elsewhere = "".join(chr(zero + int(char)) if char.isdigit() else char for char in text)
    assert parse_span(elsewhere) == parse_span(text)


@pytest.mark.parametrize(
    "piece", ["9", "1h", "1:", "1.", " ", "- ", "9-", "to", "1h 1m ", "٩", "std.", "ａ", "9 " * 3 + "h"]
)
def test_a_hostile_text_costs_next_to_nothing(piece: str) -> None:
    for size in (LONGEST_TEXT, 1_000_000):
        text = (piece * size)[:size]
        begun = perf_counter()
        with pytest.raises(SpanRefused):
            parse_span(text)
        assert perf_counter() - begun < 0.5


def test_the_grammar_itself_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.forms.spans.LONGEST_TEXT", 100_000)
    for text in (
        "9" * 99_999 + "x",
        "9" * 50_000 + "." + "9" * 49_000 + "x",
        "1h" * 50_000,
        "1 " * 50_000,
        "9:" * 50_000,
    ):
        begun = perf_counter()
        assert refusal(text) is Reason.NOT_UNDERSTOOD
        assert perf_counter() - begun < 1
