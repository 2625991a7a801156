"""Bars as SVG: no background and mid-grey words, so that they can be read on light and dark pages alike."""

from dataclasses import dataclass
from html import escape
from statistics import quantiles

COLORS = ("#5b9bd5", "#d9822b", "#3f9e6a")
GREY = "#767676"
WIDTH, LEFT, RIGHT = 760, 170, 60
TOP, BAR, GAP, FOOT = 34, 11, 9, 44


@dataclass(frozen=True)
class Bars:
    """For each row one bar a series, side by side; the axis begins at nothing and is named with its unit."""

    axis: str
    series: list[str]
    rows: list[tuple[str, list[float]]]

    def svg(self) -> str:
        size = f'viewBox="0 0 {WIDTH} {self._height}"'
        words = f'font-family="system-ui, sans-serif" font-size="12" fill="{GREY}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} {words}>',
                f"<title>{escape(self.axis)}</title>",
                *self._legend(),
                *self._grid(),
                *(line for number in range(len(self.rows)) for line in self._row(number)),
                "</svg>\n",
            ]
        )

    @property
    def _height(self) -> int:
        return TOP + len(self.rows) * self._row_height + FOOT

    @property
    def _row_height(self) -> int:
        return len(self.series) * BAR + GAP

    @property
    def _step(self) -> float:
        """A round distance of the lines of the scale: about six of them."""
        rough = self._end / 6
        power = 10.0 ** (len(str(int(rough))) - 1) if rough >= 1 else 0.1
        return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)

    @property
    def _end(self) -> float:
        """The most the axis shows: an outlier is cut off, with its number beside, or it would flatten all others."""
        values = [value for _, row in self.rows for value in row]
        usual = quantiles(values, n=4, method="inclusive")[2] if len(values) > 1 else values[0]
        most = max(values)
        return (2.5 * usual if most > 4 * usual > 0 else most) or 1

    def _x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self._end

    def _legend(self) -> list[str]:
        lines, x = [], LEFT
        for name, color in zip(self.series, COLORS, strict=False):
            lines += [
                f'<rect x="{x}" y="8" width="10" height="10" fill="{color}"/>',
                f'<text x="{x + 15}" y="17">{escape(name)}</text>',
            ]
            x += 35 + 7 * len(name)
        return lines

    def _grid(self) -> list[str]:
        foot = self._height - FOOT
        lines, value = [], 0.0
        while value <= self._end:
            x = self._x(value)
            lines += [
                f'<path d="M{x:.1f} {TOP - 6}V{foot}" stroke="{GREY}" stroke-opacity=".35"/>',
                f'<text x="{x:.1f}" y="{foot + 15}" text-anchor="middle">{value:g}</text>',
            ]
            value += self._step
        middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
        lines.append(f'<text x="{middle}" y="{foot + 34}" text-anchor="middle">{escape(self.axis)}</text>')
        return lines

    def _row(self, number: int) -> list[str]:
        name, values = self.rows[number]
        top = TOP + number * self._row_height
        middle = top + len(values) * BAR / 2 + 4
        lines = [f'<text x="{LEFT - 8}" y="{middle:.1f}" text-anchor="end">{escape(name)}</text>']
        for offset, value in enumerate(values):
            lines += self._bar(top + offset * BAR, value, COLORS[offset])
        return lines

    def _bar(self, y: int, value: float, color: str) -> list[str]:
        shown = min(value, self._end)
        width, height = self._x(shown) - LEFT, BAR - 1
        lines = [f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{height}" fill="{color}"/>']
        if value > self._end:  # two strokes through it say that it goes on
            x = LEFT + width - 14
            lines[0] = f'<rect x="{LEFT}" y="{y}" width="{width - 16:.1f}" height="{height}" fill="{color}"/>'
            lines.append(f'<rect x="{x + 2:.1f}" y="{y}" width="4" height="{height}" fill="{color}"/>')
            lines.append(f'<rect x="{x + 10:.1f}" y="{y}" width="4" height="{height}" fill="{color}"/>')
        label = f'<text x="{LEFT + width + 4:.1f}" y="{y + 9}" font-size="10">{_number(value)}</text>'
        return [*lines, label]


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
