"""A portrait or a logo out of whatever a person uploads: small, upright, sRGB, without metadata; or a refusal.

Uploads are hostile until proven otherwise, so it goes in two steps. First this module reads the container itself
(PNG chunks, JPEG segments, GIF blocks, RIFF chunks) and keeps only what makes the first picture. That tells its
size before anything is decoded, tells a cut-off file from a whole one, and keeps from Pillow what costs time or
memory by its number or kind: text, Exif and profile bombs, a million empty segments, a thousand scans. Then Pillow
decodes what is left, once, in the mode it is stored in; from there on everything is done on small pieces.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum, auto
from io import BytesIO
from threading import Lock
from typing import BinaryIO, NamedTuple, TypeVar

from PIL import Image, ImageChops, WebPImagePlugin  # noqa: F401 - registers WebP; asked by name, Pillow imports all 40

EXTENSIONS = frozenset({"png", "jpg", "jpeg", "gif", "webp"})
MAX_BYTES = 16 * 2**20
MAX_PIXELS = 50_000_000
MAX_EDGE = 65_535  # JPEG and GIF end there; beyond, Pillow's table of rows, or the rows, outweigh the pixels

# A large picture takes up to 350 MiB for a second; several at once would take the machine. Callers hold it.
one_at_a_time = Lock()

# What the decoder and the decoded picture may take together. It lets 50 megapixels of PNG, GIF and JPEG through, but
# 40 of a progressive CMYK JPEG and 20 of WebP, whose decoders keep several full-size copies.
_MAX_DECODING_BYTES = 320_000_000
# Progressive encoders write about 10 scans, the most thorough ones 20 to 30; each costs a pass over the whole picture.
_MAX_SCANS = 50
# Honest files hold a few dozen segments, chunks or blocks, long animations some thousand; reading a million takes 4 s.
_MAX_PARTS = 100_000
# Printing profiles take 0.5 to 3 MB; beyond that the colours are taken as they are.
_MAX_PROFILE_BYTES = 4 * 2**20
_BAND_PIXELS = 1_000_000

_CONVERTIBLE_EXTENSIONS = frozenset({"heic", "heif", "hif", "avif"})
_CONVERTIBLE_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}
)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_Part = TypeVar("_Part")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})
_Box = tuple[int, int, int, int]


class Reason(StrEnum):
    """Why a picture was refused."""

    EMPTY = auto()
    EXTENSION = auto()
    NOT_A_PICTURE = auto()  # cannot be decoded, or is of another kind
    TRUNCATED = auto()
    TOO_MANY_BYTES = auto()
    TOO_MANY_PIXELS = auto()  # beyond MAX_PIXELS or MAX_EDGE, or of a kind that takes too much memory for its size
    ACTIVE = auto()  # an SVG that holds more than shapes
    NEEDS_CONVERSION = auto()  # HEIC or AVIF: a picture, but not one of ours


class PictureRefused(ValueError):
    """The upload cannot become a portrait; the message is for the log."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def square_portrait(upload: BinaryIO, filename: str, *, side: int = 256) -> bytes:
    """The centre of the first picture in `upload` as WebP, `side` pixels square, or smaller if the picture is.

    The extension of `filename` and the content must each be PNG, JPEG, GIF or WebP, but need not agree: renamed
    pictures are common and harmless. Raises PictureRefused, and nothing else but what reading `upload` raises.
    """
    return _decoded(upload, filename, lambda still: _portrait(still, side))


def fitted(upload: BinaryIO, filename: str, *, width: int, height: int) -> bytes:
    """The whole first picture in `upload` as PNG in its proportions, at most so many pixels wide and high.

    What is smaller stays as small. Raises PictureRefused as `square_portrait` does.
    """
    return _decoded(upload, filename, lambda still: _within(still, width, height))


def _decoded(upload: BinaryIO, filename: str, act: Callable[["_Still"], bytes]) -> bytes:
    _check_name(filename)
    data = _read(upload)
    try:
        still = _still_in(data)
        _check_size(still)
        return act(still)
    except PictureRefused:
        raise
    except Exception as failure:  # Pillow's decoders raise whatever hostile bytes make them raise
        raise PictureRefused(_reason_for(failure), f"{type(failure).__name__}: {failure}") from failure


def _check_name(filename: str) -> None:
    _, dot, extension = filename.rpartition(".")
    if extension.lower() in _CONVERTIBLE_EXTENSIONS:
        raise PictureRefused(Reason.NEEDS_CONVERSION, f"a .{extension} file")
    if not dot or extension.lower() not in EXTENSIONS:
        raise PictureRefused(Reason.EXTENSION, f"not a picture's extension: {extension!r}")


def _read(upload: BinaryIO) -> bytes:
    if upload.seekable():
        upload.seek(0)
    data = upload.read(MAX_BYTES + 1)
    if not data:
        raise PictureRefused(Reason.EMPTY, "no bytes")
    if len(data) > MAX_BYTES:
        raise PictureRefused(Reason.TOO_MANY_BYTES, f"more than {MAX_BYTES} bytes")
    return data


def _reason_for(failure: Exception) -> Reason:
    if isinstance(failure, (MemoryError, Image.DecompressionBombError)):
        return Reason.TOO_MANY_PIXELS
    if isinstance(failure, (IndexError, struct.error, EOFError)) or "truncated" in str(failure):
        return Reason.TRUNCATED
    return Reason.NOT_A_PICTURE


def _portrait(still: "_Still", side: int) -> bytes:
    upright = _upright(_reduced(still, _middle, (2 * side, 2 * side)), still.exif)
    return _webp(_srgb(_square(upright, side), still.profile))


def _within(still: "_Still", width: int, height: int) -> bytes:
    across, down = still.size[::-1] if _orientation(still.exif) in _SIDEWAYS else still.size
    scale = min(1.0, width / across, height / down)
    size = max(1, round(across * scale)), max(1, round(down * scale))
    shorter, longer = sorted((2 * size[0], 2 * size[1]))
    least = (longer, shorter) if still.size[0] >= still.size[1] else (shorter, longer)
    upright = _upright(_reduced(still, _whole, least), still.exif)
    return _png_file(_srgb(upright.resize(size, Image.Resampling.BICUBIC), still.profile))


# Step one: the container.


@dataclass(frozen=True)
class _Still:
    """The first picture of an upload: `pixels` is a whole file of `kind` that holds it and nothing else.

    `size` is (width, height); `overhead` what its decoder keeps beside the decoded picture, in bytes per pixel.
    """

    kind: str
    pixels: bytes
    size: tuple[int, int]
    overhead: int = 0
    exif: bytes = b""
    profile: bytes = b""


def _still_in(data: bytes) -> _Still:
    if data.startswith(_PNG_SIGNATURE):
        return _still_in_png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _still_in_jpeg(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _still_in_gif(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _still_in_webp(data)
    if data[4:8] == b"ftyp" and data[8:12] in _CONVERTIBLE_BRANDS:
        raise PictureRefused(Reason.NEEDS_CONVERSION, f"an ISO media file of brand {data[8:12]!r}")
    raise PictureRefused(Reason.NOT_A_PICTURE, f"begins with {data[:12]!r}")


def _check_size(still: _Still) -> None:
    """Done here, as Pillow warns above its limit, which is global, and refuses only above twice that."""
    width, height = still.size
    if width * height > MAX_PIXELS or max(still.size) > MAX_EDGE:
        raise PictureRefused(Reason.TOO_MANY_PIXELS, f"{width} × {height} pixels")


def _piece(data: bytes, start: int, length: int) -> bytes:
    if start + length > len(data):
        raise PictureRefused(Reason.TRUNCATED, f"ends {start + length - len(data)} bytes early")
    return data[start : start + length]


def _bounded(parts: Iterator[_Part]) -> Iterator[_Part]:
    for number, part in enumerate(parts):
        if number == _MAX_PARTS:
            raise PictureRefused(Reason.NOT_A_PICTURE, f"more than {_MAX_PARTS} parts")
        yield part


def _still_in_png(data: bytes) -> _Still:
    """Of an APNG the default picture, which viewers without animation show."""
    chunks: dict[bytes, list[bytes]] = {name: [] for name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"iCCP", b"eXIf")}
    for name, body in _bounded(_png_chunks(data)):
        if name in chunks:
            chunks[name].append(body)
    header = chunks[b"IHDR"][0]
    return _Still(
        "PNG",
        _png(
            {
                b"IHDR": header,
                b"PLTE": b"".join(chunks[b"PLTE"]),
                b"tRNS": _eight_bit_key(header, b"".join(chunks[b"tRNS"])),
                b"IDAT": b"".join(chunks[b"IDAT"]),
            }
        ),
        struct.unpack_from(">II", header),
        exif=b"".join(chunks[b"eXIf"]),
        profile=_inflated_profile(b"".join(chunks[b"iCCP"])),
    )


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's name and body. Ends with IEND; a wrong check sum counts as damage, a missing IEND as a cut."""
    position, name = len(_PNG_SIGNATURE), b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, position)
        body = _piece(data, position + 8, length)
        if zlib.crc32(body, zlib.crc32(name)) != struct.unpack_from(">I", data, position + 8 + length)[0]:
            raise PictureRefused(Reason.NOT_A_PICTURE, f"damaged chunk {name!r}")
        yield name, body
        position += 12 + length


def _png(chunks: dict[bytes, bytes]) -> bytes:
    """A PNG file of these chunks, empty ones left out."""
    parts = [_PNG_SIGNATURE]
    for name, body in [*((name, body) for name, body in chunks.items() if body), (b"IEND", b"")]:
        parts += [struct.pack(">I4s", len(body), name), body, struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))]
    return b"".join(parts)


def _eight_bit_key(header: bytes, transparent: bytes) -> bytes:
    """The transparent colour in the 8-bit samples Pillow decodes to; it compares them with the key as it stands."""
    depth, colour = header[8], header[9]
    if colour not in (0, 2):
        return transparent
    keys = [key for (key,) in struct.iter_unpack(">H", transparent)]
    return b"".join(struct.pack(">H", key >> 8 if depth == 16 else key * 255 // (2**depth - 1)) for key in keys)


def _inflated_profile(chunk: bytes) -> bytes:
    """The ICC profile in the body of an iCCP chunk, cut just above the limit; empty if there is none to be read."""
    _, _, rest = chunk.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(rest[1:], _MAX_PROFILE_BYTES + 1)
    except zlib.error:
        return b""


class _Segment(NamedTuple):
    """A JPEG segment: `whole` with marker and entropy-coded data, `body` what its length covers."""

    marker: int
    whole: bytes
    body: bytes


_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # FF 00 is data, FF FF filling, FF D0 to D7 stand in the data
# Not the lossless, hierarchical and arithmetic kinds: no browser shows them, and the last packs minutes into a file.
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_SCAN, _END, _APP1, _APP2 = 0xDA, 0xD9, 0xE1, 0xE2
# Frames, scans, Huffman and quantization tables, restart intervals; JFIF's and Adobe's segments tell the colour model.
_PIXELS = _FRAMES | {_SCAN, 0xC4, 0xDB, 0xDD, 0xE0, 0xEE}


def _still_in_jpeg(data: bytes) -> _Still:
    kept: list[_Segment] = []
    profile: list[bytes] = []
    exif = b""
    for segment in _bounded(_jpeg_segments(data)):
        if segment.marker == _APP1 and segment.body.startswith(b"Exif\0\0"):
            exif = segment.body
        if segment.marker == _APP2 and segment.body.startswith(b"ICC_PROFILE\0"):
            profile.append(segment.body[12:])
        if segment.marker in _PIXELS:
            kept.append(segment)
    frame, first_scan = _frame_and_first_scan(kept)
    height, width = struct.unpack_from(">HH", frame.body, 1)
    return _Still(
        "JPEG",
        b"".join((b"\xff\xd8", *(segment.whole for segment in kept), b"\xff\xd9")),
        (width, height),
        overhead=_coefficient_bytes(frame, first_scan),
        exif=exif,
        profile=_joined_profile(profile),
    )


def _jpeg_segments(data: bytes) -> Iterator[_Segment]:
    """Ends with the end marker; what follows that (a second picture, a film) is not looked at."""
    found = _JPEG_MARKER.search(data, 2)
    while found is not None and found[0][1] != _END:
        body = _piece(data, found.end() + 2, int.from_bytes(_piece(data, found.end(), 2)) - 2)
        following = _JPEG_MARKER.search(data, found.end() + 2 + len(body))
        end = following.start() if following and found[0][1] == _SCAN else found.end() + 2 + len(body)
        yield _Segment(found[0][1], data[found.start() : end], body)
        found = following
    if found is None:
        raise PictureRefused(Reason.TRUNCATED, "no end marker")


def _frame_and_first_scan(segments: list[_Segment]) -> tuple[_Segment, _Segment]:
    frames = [segment for segment in segments if segment.marker in _FRAMES]
    scans = [segment for segment in segments if segment.marker == _SCAN]
    if len(frames) != 1 or not 1 <= len(scans) <= _MAX_SCANS:
        raise PictureRefused(Reason.NOT_A_PICTURE, f"{len(frames)} frames, {len(scans)} scans")
    return frames[0], scans[0]


def _coefficient_bytes(frame: _Segment, first_scan: _Segment) -> int:
    """Per pixel: the decoder keeps all coefficients, two bytes each, unless the first scan brings every component."""
    components = frame.body[5]
    at_once = frame.marker != 0xC2 and first_scan.body[0] == components
    return 0 if at_once else 2 * components


def _joined_profile(parts: list[bytes]) -> bytes:
    """Each part is its number, how many there are, and its bytes; empty if one is missing."""
    if any(len(part) < 2 or part[1] != len(parts) for part in parts):
        return b""
    return b"".join(part[2:] for part in sorted(parts))


def _still_in_gif(data: bytes) -> _Still:
    start = 13 + _gif_table_bytes(data[10])
    control = frame = b""
    for block in _bounded(_gif_blocks(data, start)):
        if block.startswith(b"!\xf9") and not frame:
            control = block
        if block.startswith(b",") and not frame:
            frame = block
    if not frame:
        raise PictureRefused(Reason.NOT_A_PICTURE, "a GIF without a picture")
    width, height = struct.unpack_from("<HH", data, 6)
    left, top, frame_width, frame_height = struct.unpack_from("<4H", frame, 1)
    size = max(width, left + frame_width), max(height, top + frame_height)  # Pillow widens the screen to the frame
    return _Still("GIF", data[:start] + control + frame + b";", size)


def _gif_table_bytes(flags: int) -> int:
    return 6 << (flags & 7) if flags & 0x80 else 0


def _gif_blocks(data: bytes, position: int) -> Iterator[bytes]:
    """Extensions and pictures until the trailer, the end (some writers forget the trailer) or something unknown."""
    while (introducer := data[position : position + 1]) in (b"!", b","):
        start, parts = position, position + 2
        if introducer == b",":
            parts = position + 11 + _gif_table_bytes(data[position + 9])
        position = _end_of_gif_parts(data, parts)
        yield data[start:position]


def _end_of_gif_parts(data: bytes, position: int) -> int:
    while length := data[position]:
        position += 1 + length
    return position + 1


# Two canvases of the animation decoder and a copy of what it drew, 4 bytes a pixel each (measured).
_WEBP_OVERHEAD = 12


def _still_in_webp(data: bytes) -> _Still:
    """Animated or not: the decoder stops after the first frame by itself."""
    whole = _piece(data, 0, 8 + struct.unpack_from("<I", data, 4)[0])
    extras = {b"EXIF": b"", b"ICCP": b""}
    for name, start, length in _bounded(_riff_chunks(whole)):
        if name in extras and not extras[name]:
            extras[name] = _piece(whole, start, length)
    return _Still("WEBP", whole, _webp_size(whole), _WEBP_OVERHEAD, extras[b"EXIF"], extras[b"ICCP"])


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of each chunk."""
    position = 12
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        yield name, position + 8, length
        position += 8 + length + length % 2


def _webp_size(data: bytes) -> tuple[int, int]:
    """From the first chunk: the canvas of an extended file, the frame of a lossless or a lossy one."""
    if data[12:16] == b"VP8X":
        return int.from_bytes(_piece(data, 24, 3), "little") + 1, int.from_bytes(_piece(data, 27, 3), "little") + 1
    if data[12:16] == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


# Step two: the picture.


def _reduced(still: _Still, part: Callable[[int, int], _Box], least: tuple[int, int]) -> Image.Image:
    """A part of the picture, by a whole factor smaller, still `least` pixels wide and high if it was.

    Mode L, RGB, RGBA or CMYK. Only a band at a time is cut out and converted: Pillow scales RGBA by way of a
    premultiplied copy (so what nobody sees does not bleed into edges), another 200 MB for 50 megapixels.
    """
    with Image.open(BytesIO(still.pixels), formats=(still.kind,)) as picture:
        picture.draft(None, least)
        _check_memory(still, picture.size)
        left, top, right, bottom = part(*picture.size)
        factor = max(1, min((right - left) // least[0], (bottom - top) // least[1]))
        rows = factor * max(1, _BAND_PIXELS // (factor * (right - left)))
        bands = (picture.crop((left, y, right, min(y + rows, bottom))) for y in range(top, bottom, rows))
        return _stacked([_plain(band).reduce(factor) for band in bands])


def _check_memory(still: _Still, decoded: tuple[int, int]) -> None:
    needed = still.overhead * still.size[0] * still.size[1] + 4 * decoded[0] * decoded[1]
    if needed > _MAX_DECODING_BYTES:
        raise PictureRefused(Reason.TOO_MANY_PIXELS, f"{still.kind} of {still.size} would take {needed} bytes")


def _middle(width: int, height: int) -> _Box:
    """The largest centred box that is square but for an odd pixel, which only the upright picture can drop."""
    edge = min(width, height)
    across, down = (width - edge) // 2, (height - edge) // 2
    return across, down, width - across, height - down


def _whole(width: int, height: int) -> _Box:
    return 0, 0, width, height


def _plain(band: Image.Image) -> Image.Image:
    if band.mode == "I;16":
        # Pillow's own conversion cuts everything above 255 to white.
        band = band.point(lambda value: value * (1 / 256)).convert("L")
    if band.has_transparency_data:
        return band.convert("RGBA")
    if band.mode == "CMYK":
        # Pillow takes all CMYK for Adobe's, which is stored inverted and marked.
        return band if "adobe" in band.info else ImageChops.invert(band)
    return band.convert("L" if band.mode == "1" else "RGB" if band.mode == "P" else band.mode)


def _stacked(bands: list[Image.Image]) -> Image.Image:
    stack = Image.new(bands[0].mode, (bands[0].width, sum(band.height for band in bands)))
    y = 0
    for band in bands:
        stack.paste(band, (0, y))
        y += band.height
    return stack


def _upright(picture: Image.Image, exif: bytes) -> Image.Image:
    turn = _TURNS.get(_orientation(exif))
    return picture if turn is None else picture.transpose(turn)


def _orientation(exif: bytes) -> int:
    """1 (upright) to 8, and 1 if the Exif block does not say or is broken.

    Read by hand, as Pillow copies what every other tag points to, and each of 65,535 may point to everything.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        entries = (struct.unpack_from(order + "HHIH", tiff, start + 2 + 12 * i) for i in range(count))
        return next((value for tag, _, _, value in entries if tag == 0x0112), 1)
    except struct.error:
        return 1


def _square(picture: Image.Image, side: int) -> Image.Image:
    edge = min(picture.size)
    left, top = (picture.width - edge) // 2, (picture.height - edge) // 2
    side = min(side, edge)
    return picture.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, left + edge, top + edge))


def _srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """RGB, or RGBA if there is alpha; where that hides nothing, the WebP encoder leaves it out."""
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    colours = picture if alpha is None else picture.convert("RGB")
    colours = _through_profile(colours, profile) if profile else colours.convert("RGB")
    if alpha is not None:
        colours.putalpha(alpha)
    return colours


def _through_profile(picture: Image.Image, profile: bytes) -> Image.Image:
    """The colours that `profile` means; with one that is broken or for another kind of picture, as they stand.

    So too with an oversized one, and with free-form element chains (`mpet`): no camera writes those, and 400 kB of
    them take 16 seconds.
    """
    from PIL import ImageCms  # noqa: PLC0415 - loads a library of its own, and few pictures carry a profile

    if len(profile) > _MAX_PROFILE_BYTES or b"mpet" in profile:
        return picture.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        matching = _in_space(picture, source.profile.xcolor_space.strip())
        result = ImageCms.profileToProfile(matching, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture.convert("RGB")
    return picture.convert("RGB") if result is None else result


def _in_space(picture: Image.Image, space: str) -> Image.Image:
    """`picture` in the mode for an ICC colour space; ValueError if its colours are not of that space."""
    if space == "RGB" and picture.mode in ("L", "RGB"):
        return picture.convert("RGB")
    if space == "CMYK" and picture.mode == "CMYK":
        return picture
    if space == "GRAY" and (picture.mode == "L" or (picture.mode == "RGB" and _is_grey(picture))):
        return picture.convert("L")
    raise ValueError(f"a profile for {space} with a picture in {picture.mode}")


def _is_grey(picture: Image.Image) -> bool:
    red, green, blue = picture.split()
    return ImageChops.difference(red, green).getbbox() is ImageChops.difference(green, blue).getbbox() is None


def _webp(picture: Image.Image) -> bytes:
    """Exif, profile and text stay behind: Pillow writes them only where they are passed."""
    out = BytesIO()
    picture.save(out, "WEBP", quality=85, method=4)
    return out.getvalue()


def _png_file(picture: Image.Image) -> bytes:
    out = BytesIO()
    picture.save(out, "PNG", optimize=True, icc_profile=None)
    return out.getvalue()
