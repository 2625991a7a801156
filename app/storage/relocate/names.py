"""A file's name as one line of plain text: no control character reaches the terminal, no two names look alike."""

import unicodedata
from pathlib import Path

Parts = tuple[str, ...]


def joined(parts: Parts) -> str:
    return "/".join(parts) or "."


def shown(name: str | Path) -> str:
    r"""`name` with what cannot be read on a screen written out: `\x1b`, `\xff` (a byte), `\u0301`, `\\`."""
    text = str(name)
    plain = unicodedata.normalize("NFC", text) == text  # else é may be one letter or two, which look the same
    return "".join(_letter(letter, plain=plain) for letter in text)


def quoted(name: str) -> str:
    return '"' + shown(name).replace('"', '\\"') + '"'


def _letter(letter: str, *, plain: bool) -> str:
    if letter == "\\":
        return "\\\\"
    if letter.isascii() and letter.isprintable():
        return letter
    if plain and letter.isprintable():
        return letter
    return _escaped(ord(letter))


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that is no text
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
