"""What becomes of an uploaded picture. Fixtures are drawn here; Pillow's own samples are tried where they lie."""

import io
import random
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms, ImageStat

from app.services import pictures
from app.services.pictures import PictureRefused, Reason, square_portrait

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT.parent / "shared" / "samples" / "pictures"
KINDS = ("PNG", "JPEG", "GIF", "WEBP")
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
TRANSPOSE = Image.Transpose

needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample pictures are not here")
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def portrait(data: bytes, name: str = "me.png", side: int = 256) -> Image.Image:
    """The decoded result, checked to be WebP."""
    result = Image.open(io.BytesIO(square_portrait(io.BytesIO(data), name, side=side)), formats=("WEBP",))
    result.load()
    return result


def refusal(data: bytes, name: str = "me.png") -> Reason:
    with pytest.raises(PictureRefused) as refused:
        square_portrait(io.BytesIO(data), name)
    return refused.value.reason


def colour(picture: Image.Image, at: tuple[int, int] | None = None) -> tuple[int, ...]:
    pixel = picture.getpixel(at or (picture.width // 2, picture.height // 2))
    assert isinstance(pixel, tuple)
    return pixel


def near(one: tuple[int, ...], other: tuple[int, ...], by: int = 8) -> bool:
    """Equal but for what lossy coding changes."""
    return len(one) == len(other) and all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean over pixels and channels, of 255."""
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)


def quarters(width: int = 90, height: int = 61) -> Image.Image:
    """Four colours, so that each turn and mirroring shows."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(GREEN, (width // 2, 0, width, height // 2))
    picture.paste(BLUE, (0, height // 2, width // 2, height))
    picture.paste(WHITE, (width // 2, height // 2, width, height))
    return picture


def noise(width: int = 120, height: int = 90) -> Image.Image:
    """Pixels that do not compress, so that a file consists of them."""
    return Image.frombytes("RGB", (width, height), random.Random(7).randbytes(3 * width * height))


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(size: tuple[int, int], depth: int, kind: int, row: bytes, extra: bytes = b"") -> bytes:
    """A PNG of equal rows, written by hand, for what Pillow does not write (or only from a full picture)."""
    squeeze = zlib.compressobj(1)
    rows = b"".join(squeeze.compress(b"\0" + row) for _ in range(size[1])) + squeeze.flush()
    header = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def png_with(data: bytes, *chunks: bytes) -> bytes:
    """`data` with further chunks after its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def jpeg_with(data: bytes, marker: int, body: bytes) -> bytes:
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + data[2:]


def webp_of_canvas(width: int, height: int) -> bytes:
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + (width - 1).to_bytes(3, "little")
    body += (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_of(width: int, height: int, components: int, *, progressive: bool = False) -> bytes:
    """A small JPEG whose header is changed to say otherwise."""
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[components]
    data = bytearray(encoded(Image.new(mode, (8, 8)), "JPEG", progressive=progressive))
    frame = data.find(b"\xff\xc2" if progressive else b"\xff\xc0")
    struct.pack_into(">HH", data, frame + 5, height, width)
    return bytes(data)


def exif(orientation: int, order: str = ">") -> bytes:
    mark = b"MM" if order == ">" else b"II"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + mark + struct.pack(order + "HIH", 42, 8, 1) + entry + bytes(4)


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile_with_red_and_green_swapped() -> bytes:
    return srgb_profile().replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")


def linear_profile() -> bytes:
    """Half the light at 128, which sRGB writes as 188."""
    profile = bytearray(srgb_profile())
    (curve,) = struct.unpack_from(">I", profile, profile.find(b"rTRC") + 4)
    profile[curve : curve + 14] = b"curv" + struct.pack(">IIH", 0, 1, 0x0100)
    return bytes(profile)


def linear_grey_profile() -> bytes:
    return linear_profile().replace(b"RGB XYZ ", b"GRAYXYZ ").replace(b"rTRC", b"kTRC")


# What is taken.


@pytest.mark.parametrize("kind", KINDS)
def test_each_of_the_four_kinds_becomes_a_square_webp(kind: str) -> None:
    result = portrait(encoded(quarters(600, 400), kind))

    assert (result.format, result.size) == ("WEBP", (256, 256))


def test_the_scaling_hint_in_a_webp_is_no_part_of_its_size() -> None:
    data = bytearray(encoded(quarters(), "WEBP"))
    data[27] |= 0xC0
    data[29] |= 0xC0

    assert portrait(bytes(data)).size == (61, 61)


@pytest.mark.parametrize(
    "name", ["me.png", "ME.PNG", "me.jpg", "me.jpeg", "me.gif", "me.webp", "my.holiday.JPG", ".png"]
)
def test_the_last_part_of_the_name_decides_whatever_its_case(name: str) -> None:
    assert portrait(encoded(quarters(), "PNG"), name).size == (61, 61)


@pytest.mark.parametrize("name", ["", "png", "me", "me.", "me.svg", "me.png.exe", "me.bmp", "me.png "])
def test_other_names_are_refused_unread(name: str) -> None:
    assert refusal(encoded(quarters(), "PNG"), name) is Reason.EXTENSION


@pytest.mark.parametrize("name", ["me.heic", "me.HEIF", "me.avif", "me.hif"])
def test_a_telephones_own_format_is_refused_by_its_name(name: str) -> None:
    assert refusal(b"whatever", name) is Reason.NEEDS_CONVERSION


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"avif", b"avis"])
def test_a_telephones_own_format_is_known_under_a_false_name(brand: bytes) -> None:
    assert refusal(b"\0\0\0\x1cftyp" + brand + bytes(16), "me.jpg") is Reason.NEEDS_CONVERSION


@pytest.mark.parametrize(
    "data",
    [
        encoded(quarters(), "BMP"),
        encoded(quarters(), "TIFF"),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\0\0\0\x1cftypisom" + bytes(16),
        b"\0",
    ],
    ids=["bmp", "tiff", "svg", "film", "zero"],
)
def test_what_is_no_picture_of_ours_is_refused_whatever_its_name(data: bytes) -> None:
    assert refusal(data) is Reason.NOT_A_PICTURE


def test_an_empty_file_is_refused_as_empty() -> None:
    assert refusal(b"") is Reason.EMPTY


def test_a_file_above_16_mib_is_refused_and_not_read_to_its_end() -> None:
    upload = io.BytesIO(encoded(quarters(), "PNG") + bytes(20 * 2**20))

    with pytest.raises(PictureRefused) as refused:
        square_portrait(upload, "me.png")

    assert refused.value.reason is Reason.TOO_MANY_BYTES
    assert upload.tell() == pictures.MAX_BYTES + 1


class OnlyForward(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation


def test_a_stream_that_cannot_go_back_is_enough() -> None:
    assert square_portrait(OnlyForward(encoded(quarters(), "PNG")), "me.png")


def test_a_spooled_stream_is_read_from_its_start() -> None:
    with tempfile.SpooledTemporaryFile(max_size=10) as upload:
        upload.write(encoded(quarters(), "PNG"))

        assert square_portrait(upload, "me.png")  # type: ignore[arg-type]  # typeshed: no BinaryIO, though it acts so


# Cut and damaged files.


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_in_its_pixels_is_refused(kind: str, share: float) -> None:
    data = encoded(noise(), kind)

    assert refusal(data[: int(len(data) * share)]) is Reason.TRUNCATED


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_single_missing_byte_is_noticed(kind: str) -> None:
    assert refusal(encoded(noise(), kind)[:-1]) is Reason.TRUNCATED


def test_a_cut_photo_is_noticed_although_it_is_decoded_smaller() -> None:
    data = encoded(noise(1100, 1100), "JPEG", progressive=True)

    assert refusal(data[: len(data) // 2]) is Reason.TRUNCATED


def test_a_gif_cut_in_its_second_frame_is_refused() -> None:
    data = encoded(noise(), "GIF", save_all=True, append_images=[noise().rotate(180)])

    assert refusal(data[:-50]) is Reason.TRUNCATED


def test_a_gif_that_only_lacks_its_trailer_is_taken() -> None:
    assert portrait(encoded(quarters(), "GIF").removesuffix(b";")).size == (61, 61)


@pytest.mark.parametrize(("kind", "length"), [(kind, length) for kind in KINDS for length in (8, 13, 20, 30, 45)])
def test_a_mere_beginning_is_refused(kind: str, length: int) -> None:
    assert refusal(encoded(noise(), kind)[:length]) in {Reason.TRUNCATED, Reason.NOT_A_PICTURE}


def test_pixels_that_end_early_in_a_whole_png_are_noticed() -> None:
    data = encoded(noise(), "PNG")
    start = data.find(b"IDAT") + 4

    assert refusal(data[: start - 8] + chunk(b"IDAT", data[start:-5000]) + chunk(b"IEND", b"")) is Reason.TRUNCATED


def test_a_png_with_a_wrong_check_sum_is_refused() -> None:
    data = bytearray(encoded(noise(), "PNG"))
    data[len(data) // 2] ^= 1

    assert refusal(bytes(data)) is Reason.NOT_A_PICTURE


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (SyntaxError("x"), Reason.NOT_A_PICTURE),
        (RecursionError("x"), Reason.NOT_A_PICTURE),
        (OverflowError("x"), Reason.NOT_A_PICTURE),
        (RuntimeWarning("x"), Reason.NOT_A_PICTURE),
        (struct.error("x"), Reason.TRUNCATED),
        (IndexError("x"), Reason.TRUNCATED),
        (EOFError("x"), Reason.TRUNCATED),
        (OSError("image file is truncated (3 bytes not processed)"), Reason.TRUNCATED),
        (MemoryError("x"), Reason.TOO_MANY_PIXELS),
        (Image.DecompressionBombError("x"), Reason.TOO_MANY_PIXELS),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_whatever_pillow_raises_becomes_a_refusal(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, reason: Reason
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(Image, "open", fail)

    assert refusal(encoded(quarters(), "PNG")) is reason


def test_a_failing_disk_is_no_fault_of_the_picture() -> None:
    class Failing(io.BytesIO):
        def read(self, *_: int | None) -> bytes:
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        square_portrait(Failing(), "me.png")


# Too large, and known before decoding.


@pytest.mark.parametrize(
    "data",
    [
        png((7072, 7071), 8, 2, b"") + bytes(1000),
        png((50_001, 1000), 1, 0, b""),
        png((60_000, 60_000), 1, 0, b""),
        png((65_536, 1), 8, 0, b""),
        png((1, 65_536), 8, 0, b""),
        jpeg_of(7072, 7071, 3),
        b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + encoded(quarters(), "GIF")[10:],
        webp_of_canvas(7072, 7071),
        webp_of_canvas(2**24, 2**24),
    ],
    ids=["png", "png between Pillow's limits", "png above", "wide", "tall", "jpeg", "gif", "webp", "webp above"],
)
def test_a_picture_above_the_limits_is_refused_undecoded(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", None)

    assert refusal(data) is Reason.TOO_MANY_PIXELS


def test_a_gif_frame_that_widens_the_screen_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(encoded(quarters(), "GIF"))
    struct.pack_into("<HH", data, data.find(b",\0\0\0\0") + 5, 60_000, 60_000)
    monkeypatch.setattr(Image, "open", None)

    assert refusal(bytes(data)) is Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize(("size", "components", "progressive"), [((7000, 7000), 4, True), ((1000, 50_000), 3, True)])
def test_a_jpeg_whose_decoder_would_keep_too_much_is_refused(
    size: tuple[int, int], components: int, progressive: bool
) -> None:
    assert refusal(jpeg_of(*size, components, progressive=progressive)) is Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize(
    ("size", "components", "progressive"),
    [((7000, 7000), 3, True), ((7000, 7000), 4, False), ((1000, 50_000), 3, False)],
)
def test_other_jpegs_of_that_size_are_taken(size: tuple[int, int], components: int, progressive: bool) -> None:
    assert portrait(jpeg_of(*size, components, progressive=progressive)).size == (256, 256)


def test_a_jpeg_whose_only_scan_lacks_components_counts_as_kept_whole() -> None:
    data = jpeg_of(1000, 50_000, 3)
    scan = data.find(b"\xff\xda")

    assert refusal(data[: scan + 4] + b"\x01" + data[scan + 5 :]) is Reason.TOO_MANY_PIXELS


def test_a_progressive_jpeg_of_one_scan_counts_as_kept_whole() -> None:
    data = jpeg_of(7000, 7000, 4, progressive=True)
    second = data.find(b"\xff\xda", data.find(b"\xff\xda") + 2)

    assert refusal(data[:second] + b"\xff\xd9") is Reason.TOO_MANY_PIXELS


def test_a_jpeg_of_two_sizes_is_refused() -> None:
    data, other = jpeg_of(8, 8, 3), jpeg_of(9, 9, 3)
    frame, length = data.find(b"\xff\xc0"), 19

    assert refusal(data[:frame] + other[frame : frame + length] + data[frame:]) is Reason.NOT_A_PICTURE


# Peak memory.

MEASURE = """
import sys, time
from pathlib import Path
from app.services.pictures import square_portrait
with open(sys.argv[1], "rb") as upload:
    square_portrait(upload, "me.png")
assert "PIL.ImageCms" not in sys.modules
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024, time.process_time())
"""


def flat(mode: str, size: tuple[int, int], kind: str, **options: object) -> bytes:
    return encoded(Image.new(mode, size), kind, **options)


LARGE = {
    "photo of 24 megapixels": (250, lambda: flat("RGB", (6000, 4000), "JPEG")),
    "progressive jpeg": (400, lambda: flat("RGB", (7071, 7071), "JPEG", progressive=True, subsampling=0)),
    "rgba png": (400, lambda: png((7071, 7071), 8, 6, bytes(4 * 7071))),
    "16-bit rgb png": (400, lambda: png((7071, 7071), 16, 2, bytes(6 * 7071))),
    "palette png with alpha": (
        400,
        lambda: png((7071, 7071), 8, 3, bytes(7071), chunk(b"PLTE", bytes(768)) + chunk(b"tRNS", bytes(range(256)))),
    ),
    "narrow png": (400, lambda: png((763, 65_500), 8, 6, bytes(4 * 763))),
    "webp": (400, lambda: flat("RGB", (4470, 4470), "WEBP", method=0)),
    "gif": (400, lambda: flat("P", (7071, 7071), "GIF", transparency=0)),
}


@needs_proc
@pytest.mark.parametrize(("limit", "make"), LARGE.values(), ids=LARGE)
def test_the_largest_pictures_stay_within_memory_and_time(
    limit: int, make: Callable[[], bytes], tmp_path: Path
) -> None:
    """By VmHWM, as `ru_maxrss` of a child begins with the peak of the process that started it."""
    upload = tmp_path / "upload"
    upload.write_bytes(make())

    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", MEASURE, str(upload)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    mebibytes, seconds = run.stdout.split()
    assert int(mebibytes) < limit
    assert float(seconds) < 10


def test_a_large_webp_is_refused_as_its_decoder_keeps_four_copies() -> None:
    assert refusal(flat("RGB", (4480, 4480), "WEBP", method=0)) is Reason.TOO_MANY_PIXELS


# Bombs.


def test_text_in_a_png_is_not_even_unpacked() -> None:
    bomb = b"Comment\0\0" + zlib.compress(bytes(2 * 2**20))

    assert portrait(png_with(encoded(quarters(), "PNG"), *[chunk(b"zTXt", bomb)] * 100)).size == (61, 61)


def test_a_profile_bomb_leaves_the_colours_as_they_are() -> None:
    bomb = b"icc\0\0" + zlib.compress(profile_with_red_and_green_swapped() + bytes(64 * 2**20))

    assert near(colour(portrait(png_with(flat_red("PNG"), chunk(b"iCCP", bomb)))), RED)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_an_oversized_profile_is_left_aside(kind: str) -> None:
    profile = profile_with_red_and_green_swapped() + bytes(5 * 2**20)

    assert near(colour(portrait(flat_red(kind, icc_profile=profile))), RED)


def flat_red(kind: str, mode: str = "RGB", **options: object) -> bytes:
    return encoded(Image.new("RGB", (40, 40), RED).convert(mode), kind, **options)


@pytest.mark.parametrize(
    "data",
    [
        png_with(encoded(quarters(), "PNG"), chunk(b"prVt", b"") * 110_000),
        b"\xff\xd8" + b"\xff\xfe\0\x02" * 110_000 + encoded(quarters(), "JPEG")[2:],
        encoded(quarters(), "GIF").removesuffix(b";") + b"!\x01\0" * 110_000 + b";",
        b"RIFF" + struct.pack("<I", 4 + 8 * 110_000) + b"WEBP" + b"junk\0\0\0\0" * 110_000,
    ],
    ids=KINDS,
)
def test_a_file_of_countless_parts_is_refused(data: bytes) -> None:
    assert refusal(data) is Reason.NOT_A_PICTURE


def test_a_jpeg_of_countless_scans_is_refused() -> None:
    data = encoded(noise(), "JPEG", progressive=True)
    scan = data[data.rfind(b"\xff\xda") : -2]

    assert portrait(data[:-2] + scan + data[-2:]).size == (90, 90)
    assert refusal(data[:-2] + scan * 50 + data[-2:]) is Reason.NOT_A_PICTURE


@pytest.mark.parametrize("marker", [0xC3, 0xC9, 0xCA])
def test_a_jpeg_that_no_browser_shows_is_refused(marker: int) -> None:
    data = encoded(quarters(), "JPEG").replace(b"\xff\xc0", bytes((0xFF, marker)))

    assert refusal(data) is Reason.NOT_A_PICTURE


def test_exif_entries_that_all_point_to_everything_cost_nothing() -> None:
    entries = b"".join(struct.pack(">HHII", tag, 7, 65_000, 0) for tag in range(1000, 6000))
    data = jpeg_with(encoded(quarters(), "JPEG"), 0xE1, b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 5000) + entries)

    assert portrait(data).size == (61, 61)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_only_the_first_of_many_frames_is_shown(kind: str) -> None:
    first, *others = [Image.new("RGB", (16, 16), value) for value in (RED, *(GREEN, BLUE) * 100)]

    result = portrait(encoded(first, kind, save_all=True, append_images=others, duration=20))

    assert near(colour(result), RED)
    assert getattr(result, "n_frames", 1) == 1


def test_what_the_second_frame_hides_the_first_does_not() -> None:
    data = encoded(Image.new("P", (16, 16), 0), "GIF")
    frame = data[data.find(b",\0\0\0\0") : -1]

    assert portrait(data[:-1] + b"!\xf9\x04\x01\0\0\0\0" + frame + b";").mode == "RGB"


def test_a_profile_of_endless_steps_is_not_followed() -> None:
    profile = profile_with_red_and_green_swapped() + b"mpet"

    assert near(colour(portrait(flat_red("PNG", icc_profile=profile))), RED)


# Upright.

STORED_AS = {
    1: None,
    2: TRANSPOSE.FLIP_LEFT_RIGHT,
    3: TRANSPOSE.ROTATE_180,
    4: TRANSPOSE.FLIP_TOP_BOTTOM,
    5: TRANSPOSE.TRANSPOSE,
    6: TRANSPOSE.ROTATE_90,
    7: TRANSPOSE.TRANSVERSE,
    8: TRANSPOSE.ROTATE_270,
}


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    method = STORED_AS[orientation]
    return picture if method is None else picture.transpose(method)


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_a_turned_picture_comes_out_as_the_upright_one_to_the_pixel(
    kind: str, options: dict[str, bool], orientation: int
) -> None:
    stored = encoded(turned(quarters(), orientation), kind, exif=exif(orientation), **options)

    assert portrait(stored).tobytes() == portrait(encoded(quarters(), "PNG")).tobytes()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", STORED_AS)
def test_a_sideways_photo_comes_out_upright(orientation: int, order: str) -> None:
    upright = quarters(1801, 1200)
    stored = jpeg_with(encoded(turned(upright, orientation), "JPEG"), 0xE1, exif(orientation, order))

    assert difference(portrait(stored), portrait(encoded(upright, "PNG"))) < 4


@pytest.mark.parametrize(
    "broken",
    [exif(0), exif(9), exif(6)[:15], exif(6)[:20], b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0nonsense"],
)
def test_a_broken_orientation_counts_as_upright(broken: bytes) -> None:
    data = encoded(quarters(), "PNG")

    assert portrait(png_with(data, chunk(b"eXIf", broken))).tobytes() == portrait(data).tobytes()


def test_a_png_in_many_chunks_is_put_together() -> None:
    data = encoded(noise(), "PNG")
    start = data.find(b"IDAT") + 4
    pixels = data[start:-16]
    parts = b"".join(chunk(b"IDAT", pixels[at : at + 1000]) for at in range(0, len(pixels), 1000))

    assert portrait(data[: start - 8] + parts + chunk(b"IEND", b"")).tobytes() == portrait(data).tobytes()


# Square and small.


@pytest.mark.parametrize(("size", "edge"), [((1000, 300), 256), ((300, 2000), 256), ((31, 90), 31), ((5, 4), 4)])
def test_the_result_is_square_and_never_enlarged(size: tuple[int, int], edge: int) -> None:
    assert portrait(encoded(quarters(*size), "PNG")).size == (edge, edge)


@pytest.mark.parametrize("size", [(1, 1), (1, 9000), (9000, 1), (2, 60_000)])
def test_a_thin_line_has_a_centre_too(size: tuple[int, int]) -> None:
    assert portrait(encoded(Image.new("RGB", size, RED), "PNG")).size == (min(size), min(size))


def test_the_side_is_the_callers_choice() -> None:
    assert portrait(encoded(quarters(500, 500), "PNG"), side=96).size == (96, 96)


@pytest.mark.parametrize("scale", [1, 20])
@pytest.mark.parametrize("tall", [False, True])
def test_the_centre_is_kept_and_the_ends_are_cut(scale: int, tall: bool) -> None:
    picture = Image.new("RGB", (300 * scale, 100 * scale), RED)
    picture.paste(BLUE, (100 * scale, 0, 200 * scale, 100 * scale))
    result = portrait(encoded(picture.rotate(90, expand=True) if tall else picture, "PNG"))
    last = result.width - 1

    assert all(near(colour(result, at), BLUE) for at in [(0, 0), (0, last), (last, 0), (last, last)])


def test_bands_are_joined_in_order() -> None:
    ramp = Image.linear_gradient("L").resize((3000, 3001), Image.Resampling.BILINEAR)
    result = portrait(encoded(ramp, "PNG")).getchannel(0)

    assert ImageStat.Stat(ImageChops.difference(result, Image.linear_gradient("L"))).mean[0] < 2


# Colours.


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_colours_are_converted_from_the_embedded_profile(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95}
    data = flat_red(kind, icc_profile=profile_with_red_and_green_swapped(), **options)

    assert near(colour(portrait(data)), GREEN, by=12)


def test_a_long_profile_in_several_segments_is_joined_in_order() -> None:
    profile = profile_with_red_and_green_swapped()
    data = jpeg_with(flat_red("JPEG"), 0xE2, b"ICC_PROFILE\0\x01\x02" + profile[:200])
    data = jpeg_with(data, 0xE2, b"ICC_PROFILE\0\x02\x02" + profile[200:])
    missing = jpeg_with(flat_red("JPEG"), 0xE2, b"ICC_PROFILE\0\x01\x02" + profile)

    assert near(colour(portrait(data)), GREEN, by=12)
    assert near(colour(portrait(missing)), RED)


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_is_converted_from_its_profile_too(mode: str) -> None:
    picture = Image.new(mode, (40, 40), (128, 255) if mode == "LA" else 128 * 257 if mode == "I;16" else 128)

    assert near(colour(portrait(encoded(picture, "PNG", icc_profile=linear_grey_profile()))), (188, 188, 188), by=2)


def test_a_colour_profile_on_a_grey_picture_is_followed() -> None:
    data = encoded(Image.new("L", (40, 40), 128), "PNG", icc_profile=linear_profile())

    assert near(colour(portrait(data)), (188, 188, 188), by=2)


@pytest.mark.parametrize(
    "profile",
    [
        b"nonsense",
        srgb_profile()[:200],
        srgb_profile()[:300] + bytes(288),
        linear_grey_profile(),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes(),
        srgb_profile().replace(b"RGB XYZ ", b"CMYKXYZ "),
    ],
    ids=["nonsense", "cut", "emptied", "grey", "lab", "xyz", "cmyk"],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_profile_that_is_broken_or_of_another_kind_is_left_aside(kind: str, profile: bytes) -> None:
    assert near(colour(portrait(flat_red(kind, icc_profile=profile))), RED)


def test_an_unreadable_profile_chunk_is_left_aside() -> None:
    assert near(colour(portrait(png_with(flat_red("PNG"), chunk(b"iCCP", b"icc\0\0not zlib")))), RED)


@pytest.mark.parametrize("inks", [(255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 0, 0), (0, 0, 0, 255), (0, 0, 255, 100)])
def test_cmyk_is_not_inverted_with_or_without_adobes_mark(inks: tuple[int, ...]) -> None:
    picture = Image.new("CMYK", (40, 40), inks)
    expected = colour(picture.convert("RGB"))
    data = encoded(ImageChops.invert(picture), "JPEG", quality=95)
    mark = data.find(b"\xff\xee")

    assert near(colour(portrait(encoded(picture, "JPEG", quality=95))), expected)
    assert near(colour(portrait(data[:mark] + data[mark + 16 :])), expected)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("kind", [0, 2, 4, 6])
def test_deep_colours_keep_their_brightness(kind: int, depth: int) -> None:
    sample = struct.pack(">H", 100 * 257 + 3)[: depth // 8]
    opaque = b"\xff" * (depth // 8) if kind & 4 else b""
    data = png((30, 30), depth, kind, (sample * (3 if kind & 2 else 1) + opaque) * 30)

    assert near(colour(portrait(data)), (100, 100, 100), by=2)


@pytest.mark.parametrize("value", [0, 1])
def test_black_and_white_stay_so(value: int) -> None:
    assert near(colour(portrait(encoded(Image.new("1", (40, 40), value), "PNG"))), (255 * value,) * 3, by=2)


def test_a_fine_black_and_white_pattern_turns_grey() -> None:
    row = b"\xaa" * 256

    assert near(colour(portrait(png((2048, 2048), 1, 0, row))), (127, 127, 127), by=4)


# What shows through.


def holed(mode: str) -> Image.Image:
    """Blue or dark, with a clear square in the middle."""
    picture = Image.new("RGBA", (60, 60), BLUE)
    picture.paste((255, 0, 0, 0), (20, 20, 40, 40))
    return picture.convert(mode)


def with_clear_index(kind: str, alpha: int | bytes) -> bytes:
    picture = Image.new("P", (60, 60), 0)
    picture.putpalette([*BLUE, *RED])
    picture.paste(1, (20, 20, 40, 40))
    return encoded(picture, kind, transparency=alpha)


def with_clear_key(
    mode: str, ground: int | tuple[int, ...], key: int | tuple[int, ...], hole: int | tuple[int, ...]
) -> bytes:
    picture = Image.new(mode, (60, 60), ground)
    picture.paste(hole, (20, 20, 40, 40))
    return encoded(picture, "PNG", transparency=key)


def by_key(depth: int, kind: int, ground: int, key: int) -> bytes:
    """64 pixels square, the left half of the clear colour; by hand, as Pillow writes no such depths."""
    channels = 3 if kind == 2 else 1
    bits = "".join(f"{sample:0{depth}b}" * channels * 32 for sample in (key, ground))
    row = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return png((64, 64), depth, kind, row, chunk(b"tRNS", struct.pack(">H", key) * channels))


@pytest.mark.parametrize(
    "data",
    [
        encoded(holed("RGBA"), "PNG"),
        encoded(holed("RGBA"), "WEBP", lossless=True, exact=True),
        encoded(holed("LA"), "PNG"),
        with_clear_index("PNG", 1),
        with_clear_index("PNG", b"\xff\x00"),
        with_clear_index("GIF", 1),
        with_clear_key("RGB", BLUE, RED, RED),
        with_clear_key("L", 10, 200, 200),
        with_clear_key("1", 0, 1, 1),
    ],
    ids=["rgba", "webp", "la", "index", "alphas", "gif", "rgb key", "grey key", "bit key"],
)
def test_what_is_clear_stays_clear_and_the_rest_opaque(data: bytes) -> None:
    result = portrait(data)

    assert result.mode == "RGBA"
    assert (colour(result)[3], colour(result, (5, 5))[3]) == (0, 255)


@pytest.mark.parametrize(
    ("depth", "kind", "ground", "key"), [(2, 0, 2, 1), (4, 0, 15, 6), (16, 0, 50_000, 25_600), (16, 2, 50_000, 25_600)]
)
def test_a_clear_colour_is_found_at_any_depth(depth: int, kind: int, ground: int, key: int) -> None:
    result = portrait(by_key(depth, kind, ground, key))

    assert (colour(result, (10, 30))[3], colour(result, (50, 30))[3]) == (0, 255)


def test_a_half_clear_picture_stays_half_clear() -> None:
    assert near(colour(portrait(encoded(Image.new("RGBA", (600, 600), (*BLUE, 100)), "PNG"))), (*BLUE, 100))


def test_alpha_survives_a_profile() -> None:
    picture = Image.new("RGBA", (40, 40), (*RED, 100))

    result = portrait(encoded(picture, "PNG", icc_profile=profile_with_red_and_green_swapped()))

    assert near(colour(result), (*GREEN, 100), by=12)


def test_an_alpha_that_hides_nothing_is_dropped() -> None:
    assert portrait(encoded(quarters().convert("RGBA"), "PNG")).mode == "RGB"


@pytest.mark.parametrize("edge", [512, 2048])
def test_what_nobody_sees_does_not_bleed_into_the_edges(edge: int) -> None:
    stripe = Image.new("RGBA", (2, 1), (*WHITE, 255))
    stripe.putpixel((1, 0), (*RED, 0))
    picture = stripe.resize((2, edge)).copy()
    whole = Image.new("RGBA", (edge, edge))
    for x in range(0, edge, 2):
        whole.paste(picture, (x, 0))

    assert near(colour(portrait(encoded(whole, "PNG"))), (*WHITE, 127), by=4)


# Nothing is told.


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_pixels_is_left(kind: str) -> None:
    secrets = {"exif": exif(1), "xmp": b"<x:xmpmeta>Lisbon</x:xmpmeta>", "comment": b"Lisbon"}
    secrets |= {} if kind == "GIF" else {"icc_profile": srgb_profile()}

    result = square_portrait(io.BytesIO(encoded(holed("RGB"), kind, **secrets)), "me.png")

    assert result[12:16] == b"VP8 "  # one chunk, the pixels, fills the file
    assert struct.unpack_from("<I", result, 16)[0] + 20 == len(result)


# Any bytes at all.


SEEDS = [
    encoded(quarters(40, 30), "PNG", icc_profile=srgb_profile(), exif=exif(6)),
    with_clear_index("PNG", b"\xff\x00"),
    encoded(quarters(40, 30), "JPEG", icc_profile=srgb_profile(), exif=exif(6)),
    encoded(quarters(40, 30).convert("CMYK"), "JPEG", progressive=True),
    with_clear_index("GIF", 1),
    encoded(quarters(40, 30), "GIF", save_all=True, append_images=[holed("RGB").resize((40, 30))], loop=0),
    encoded(quarters(40, 30), "WEBP", icc_profile=srgb_profile(), exif=exif(6)),
    encoded(holed("RGBA"), "WEBP", lossless=True),
]


def mended(data: bytes) -> bytes:
    """A PNG with its check sums put right, so that damage gets past them."""
    parts, position = [data[:8]], 8
    while data.startswith(b"\x89PNG") and position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        parts.append(chunk(data[position + 4 : position + 8], data[position + 8 : position + 8 + length]))
        position += 12 + length
    return b"".join(parts) if len(parts) > 1 else data


def comes_out_or_is_refused(data: bytes) -> None:
    try:
        result = square_portrait(io.BytesIO(data), "me.png")
    except PictureRefused:
        return
    with Image.open(io.BytesIO(result), formats=("WEBP",)) as picture:
        picture.load()
        assert picture.width == picture.height <= 256


ANY = settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@ANY
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3)), max_size=8), st.booleans())
@example(SEEDS[0], [], False)
def test_damaged_pictures_come_out_or_are_refused(
    seed: bytes, edits: list[tuple[float, bytes]], in_place: bool
) -> None:
    data = seed
    for where, new in edits:
        at = int(where * len(data))
        data = data[:at] + new + data[at + (len(new) if in_place else 0) :]

    comes_out_or_is_refused(mended(data))


@ANY
@given(st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\x40\0\0\0WEBPVP8X"]), st.binary())
def test_any_bytes_come_out_or_are_refused(start: bytes, rest: bytes) -> None:
    comes_out_or_is_refused(start + rest)


# Pictures from elsewhere.


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


@needs_samples
def test_the_sideways_sample_comes_out_upright() -> None:
    assert difference(portrait(sample("hopper_orientation_6.jpg")), portrait(sample("hopper.jpg"))) < 8


@needs_samples
def test_the_cmyk_sample_is_not_inverted() -> None:
    with Image.open(SAMPLES / "pil_sample_cmyk.jpg") as picture:
        assert difference(portrait(sample("pil_sample_cmyk.jpg")), picture.convert("RGB")) < 20


@needs_samples
def test_the_sample_with_a_place_tells_no_place() -> None:
    with Image.open(SAMPLES / "exif_gps.jpg") as before:
        assert before.getexif().get_ifd(0x8825)

    assert not portrait(sample("exif_gps.jpg")).getexif()


@needs_samples
@pytest.mark.parametrize("name", ["hopper.png", "hopper.gif", "hopper.webp", "copyleft.png", "flower2.jpg"])
def test_samples_keep_their_look(name: str) -> None:
    with Image.open(SAMPLES / name) as picture:
        upright = picture.convert("RGB")
    edge = min(upright.size)
    left, top = (upright.width - edge) // 2, (upright.height - edge) // 2

    result = portrait(sample(name))

    assert difference(result, upright.crop((left, top, left + edge, top + edge)).resize(result.size)) < 8
