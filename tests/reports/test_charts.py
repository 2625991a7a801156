"""A picture of hours has zero at its foot, round lines, and room for the longest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clock import HOUR
from app.reports.charts import MOST_LINES, scale


@pytest.mark.parametrize(
    ("hours", "lines"),
    [
        (0, [0, 0.25, 0.5, 0.75, 1]),
        (3, [0, 1, 2, 3]),
        (7.75, [0, 2, 4, 6, 8]),
        (24, [0, 5, 10, 15, 20, 25]),
        (160, [0, 40, 80, 120, 160]),
    ],
)
def test_lines_are_round_hours(hours: float, lines: list[float]) -> None:
    assert [line / HOUR for line in scale(int(hours * HOUR)).lines] == lines


@given(st.integers(0, 10**9))
def test_whatever_there_is_fits_below_the_top_and_few_lines_tell_it(seconds: int) -> None:
    found = scale(seconds)
    assert found.lines[0] == 0
    assert found.lines[-1] == found.top >= seconds
    assert 2 <= len(found.lines) <= MOST_LINES + 1
    assert 0 <= found.percent(seconds) <= 100
