"""The measure of a picture of hours: zero at the foot, a few round lines above it."""

from dataclasses import dataclass

from app.clock import HOUR

MOST_LINES = 5
_STEPS = (0.25, 0.5, 1, 2, 4, 5, 10, 20, 40, 50, 100, 200, 400, 500, 1000)


@dataclass(frozen=True)
class Scale:
    """`top` and `lines` are in seconds; the lines begin with zero and end with the top."""

    top: int
    lines: tuple[int, ...]

    def percent(self, seconds: int) -> float:
        """How high `seconds` stand, 0 to 100."""
        return round(100 * min(seconds, self.top) / self.top, 2)


def scale(most_seconds: int) -> Scale:
    """A scale that holds `most_seconds`, with an hour at least."""
    most = max(most_seconds, HOUR)
    step = next((int(hours * HOUR) for hours in _STEPS if hours * HOUR * MOST_LINES >= most), int(_STEPS[-1] * HOUR))
    count = -(-most // step)
    every = -(-count // MOST_LINES)
    lines = range(0, (-(-count // every)) * every + 1, every)
    return Scale(lines[-1] * step, tuple(line * step for line in lines))
