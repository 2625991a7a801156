"""Portraits of people who are not: flat, friendly, and told apart at 32 pixels."""

from dataclasses import dataclass
from io import BytesIO
from random import Random
from typing import ClassVar, Self

from PIL import Image, ImageDraw

SIDE = 256
_OVER = 4  # drawn larger and made smaller, for smooth edges

_SKINS = ("#f6d3bd", "#efc09a", "#dba77c", "#bf8558", "#96613c", "#6b4429")
_HAIRS = ("#1e1a1d", "#3b2620", "#6a4428", "#a4632f", "#c99a4e", "#8f8b88")
_SHIRTS = ("#1d63c4", "#b45309", "#15803d", "#c0262d", "#7c3aed", "#0f766e", "#475569")
_GROUNDS = ("#dbeafe", "#fde9cf", "#d9f2df", "#fbdcdc", "#e9e0fb", "#d2f0ec", "#e6eaf0")
_DARK = "#2b2024"

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Look:
    """Places in the palettes of skin, hair and shirt, and the cut of the hair."""

    skin: int
    hair: int
    cut: str
    shirt: int
    glasses: bool = False
    beard: bool = False

    CUTS: ClassVar = ("short", "bob", "long", "curls", "bun", "bald")

    @classmethod
    def drawn(cls, random: Random) -> Self:
        skin, cut = random.randrange(len(_SKINS)), random.choice(cls.CUTS)
        hair = random.randrange(len(_HAIRS) if skin < 2 else 3)
        beard = cut in {"short", "bald", "curls"} and random.random() < 0.4
        return cls(skin, hair, cut, random.randrange(len(_SHIRTS)), random.random() < 0.3, beard)


def draw(look: Look) -> BytesIO:
    """The portrait as PNG, SIDE pixels square."""
    image = Image.new("RGB", (SIDE * _OVER, SIDE * _OVER), _GROUNDS[(look.shirt + 2) % len(_GROUNDS)])
    pen = _Pen(ImageDraw.Draw(image))
    skin, hair = _SKINS[look.skin], _HAIRS[look.hair]
    _hair_behind(pen, look.cut, hair)
    pen.oval((0.16, 0.76, 0.84, 1.4), _SHIRTS[look.shirt])
    pen.rounded((0.42, 0.6, 0.58, 0.82), skin, 0.08)
    pen.oval((0.26, 0.44, 0.34, 0.55), skin)  # ears
    pen.oval((0.66, 0.44, 0.74, 0.55), skin)
    pen.oval((0.3, 0.22, 0.7, 0.72), skin)
    if look.beard:
        _beard(pen, skin, hair)
    _hair_in_front(pen, look.cut, hair)
    _features(pen, hair)
    if look.glasses:
        _glasses(pen)
    return _as_png(image)


class _Pen:
    """Draws in fractions of the picture's side."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def oval(self, box: Box, color: str) -> None:
        self._draw.ellipse(_scaled(box), fill=color)

    def rounded(self, box: Box, color: str, radius: float) -> None:
        self._draw.rounded_rectangle(_scaled(box), radius * SIDE * _OVER, fill=color)

    def half(self, box: Box, color: str, start: int, end: int) -> None:
        """A piece of an oval between two angles, clockwise from the right, cut straight."""
        self._draw.chord(_scaled(box), start, end, fill=color)

    def line(self, box: Box, color: str, start: int, end: int, width: float) -> None:
        self._draw.arc(_scaled(box), start, end, fill=color, width=int(width * SIDE * _OVER))


def _hair_behind(pen: _Pen, cut: str, hair: str) -> None:
    if cut == "long":
        pen.rounded((0.22, 0.18, 0.78, 0.88), hair, 0.24)
    elif cut == "bob":
        pen.rounded((0.22, 0.17, 0.78, 0.66), hair, 0.2)
    elif cut == "bun":
        pen.oval((0.4, 0.03, 0.6, 0.22), hair)
        pen.oval((0.27, 0.15, 0.73, 0.56), hair)
    elif cut == "short":
        pen.rounded((0.275, 0.16, 0.725, 0.47), hair, 0.19)
    elif cut == "curls":
        for x, y in ((0.2, 0.26), (0.24, 0.16), (0.33, 0.09), (0.43, 0.07), (0.53, 0.09), (0.6, 0.16), (0.63, 0.26)):
            pen.oval((x, y, x + 0.18, y + 0.2), hair)


def _hair_in_front(pen: _Pen, cut: str, hair: str) -> None:
    if cut == "short":
        pen.half((0.28, 0.16, 0.72, 0.56), hair, 196, 325)
    elif cut in {"bob", "long"}:
        pen.half((0.24, 0.15, 0.7, 0.6), hair, 172, 320)
        pen.half((0.4, 0.15, 0.74, 0.55), hair, 250, 365)
    elif cut in {"bun", "curls"}:
        pen.half((0.28, 0.16, 0.72, 0.6), hair, 200, 340)


def _beard(pen: _Pen, skin: str, hair: str) -> None:
    pen.half((0.3, 0.24, 0.7, 0.74), hair, 8, 172)
    pen.oval((0.36, 0.4, 0.64, 0.64), skin)


def _features(pen: _Pen, hair: str) -> None:
    for x in (0.395, 0.605):
        pen.oval((x - 0.022, 0.445, x + 0.022, 0.489), _DARK)
        pen.line((x - 0.05, 0.39, x + 0.05, 0.46), hair if hair != _HAIRS[4] else _HAIRS[3], 215, 325, 0.014)
    pen.half((0.42, 0.53, 0.58, 0.65), "#fff7f2", 10, 170)
    pen.line((0.42, 0.53, 0.58, 0.65), "#8d3b3b", 5, 175, 0.012)


def _glasses(pen: _Pen) -> None:
    for x in (0.395, 0.605):
        pen.line((x - 0.085, 0.385, x + 0.085, 0.545), _DARK, 0, 360, 0.013)
    pen.line((0.47, 0.44, 0.53, 0.48), _DARK, 190, 350, 0.013)


def _scaled(box: Box) -> Box:
    left, top, right, bottom = (value * SIDE * _OVER for value in box)
    return left, top, right, bottom


def _as_png(image: Image.Image) -> BytesIO:
    target = BytesIO()
    image.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(target, "PNG")
    target.seek(0)
    return target
