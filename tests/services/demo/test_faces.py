"""Faces are pictures, each look another."""

from io import BytesIO
from random import Random

import pytest
from PIL import Image

from app.services import pictures
from app.services.demo import faces
from app.services.demo.faces import Look


@pytest.mark.parametrize("cut", Look.CUTS)
def test_a_face_is_a_picture_that_the_profile_takes(cut: str) -> None:
    png = faces.draw(Look(skin=2, hair=1, cut=cut, shirt=3, glasses=True, beard=True))
    portrait = Image.open(BytesIO(pictures.square_portrait(png, "face.png")))
    assert portrait.size == (faces.SIDE, faces.SIDE)


def test_looks_are_told_apart_and_drawn_alike_each_time() -> None:
    drawn = [faces.draw(Look(skin=1, hair=0, cut=cut, shirt=2)).getvalue() for cut in Look.CUTS * 2]
    assert len(set(drawn)) == len(Look.CUTS)
    assert Look.drawn(Random(3)) == Look.drawn(Random(3))
