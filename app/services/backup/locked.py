"""Backups behind a passphrase, in the age format, encrypted and decrypted in constant memory.

An age file with a passphrase would have to be made in one piece. So a key is made for each backup, and that key alone
is locked with the passphrase. Both lie in a plain tar, which tar and age open without us:

    tar xf timetracker-….tar; age -d -i key.age backup.tar.gz.age > backup.tar.gz
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tarfile import BLOCKSIZE, NUL, REGTYPE, USTAR_FORMAT, HeaderError, TarInfo
from threading import Thread
from typing import IO, BinaryIO

from app.errors import Refused
from app.services.backup.archive import Sink, Source, Unusable

SUFFIX = ".tar"
KEY, CONTENT = "key.age", "backup.tar.gz.age"
SHORTEST_PASSPHRASE = 12
_MOST_KEY_BYTES = 4096


class Needed(Unusable):
    """The backup is behind a passphrase, and none was given."""


def passphrase_in(file: Path) -> str:
    """The first line of the file. Raises Refused."""
    try:
        words = file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"The passphrase cannot be read from {file}: {error}.") from error
    if len(words) < SHORTEST_PASSPHRASE:
        raise Refused(f"The passphrase in {file} is shorter than {SHORTEST_PASSPHRASE} characters.")
    return words


def is_locked(source: BinaryIO) -> bool:
    """Looks at the first bytes and goes back."""
    found = source.read(BLOCKSIZE).startswith(KEY.encode() + NUL)
    source.seek(0)
    return found


@contextmanager
def encrypting(target: IO[bytes], passphrase: str) -> Iterator[Sink]:
    """What is written in the block goes encrypted to `target`, which must be one that seeks."""
    import pyrage  # noqa: PLC0415 - few backups are encrypted

    identity = pyrage.x25519.Identity.generate()
    key = pyrage.passphrase.encrypt(str(identity).encode(), passphrase)
    target.write(_header(KEY, len(key)) + key + NUL * (-len(key) % BLOCKSIZE))
    head = target.tell()
    target.write(_header(CONTENT, 0))
    reading, writing = _pipe()
    remembering = _Remembering(target)
    thread = _Thread(lambda: pyrage.encrypt_io(reading, remembering, [identity.to_public()]), reading)
    try:
        with writing:
            yield writing
    except BrokenPipeError:
        pass  # the thread has told why
    finally:
        thread.join()
    if remembering.error or thread.error:
        raise remembering.error or OSError(errno.EIO, str(thread.error))
    size = target.seek(0, os.SEEK_END) - head - BLOCKSIZE
    target.write(NUL * (-size % BLOCKSIZE + 2 * BLOCKSIZE))
    target.seek(head)
    target.write(_header(CONTENT, size))


@contextmanager
def decrypting(source: BinaryIO, passphrase: str | None) -> Iterator[Source]:
    """The decrypted bytes. Raises Unusable, Needed where no passphrase was given."""
    import pyrage  # noqa: PLC0415 - few backups are encrypted

    if passphrase is None:
        raise Needed("It is encrypted: name the file with its passphrase (--passphrase-file).")
    key = source.read(_size(source, KEY, most=_MOST_KEY_BYTES))
    source.seek(-len(key) % BLOCKSIZE, os.SEEK_CUR)
    try:
        identity = pyrage.x25519.Identity.from_str(pyrage.passphrase.decrypt(key, passphrase).decode())
    except (pyrage.DecryptError, pyrage.IdentityError, UnicodeDecodeError) as error:
        raise Unusable("Its passphrase is another one.") from error
    content = _Part(source, _size(source, CONTENT))
    reading, writing = _pipe()
    thread = _Thread(lambda: pyrage.decrypt_io(content, writing, [identity]), writing)
    try:
        with reading:
            yield _Checked(reading, thread)
    finally:
        thread.join()


class _Checked:
    """Bytes of a thread whose error is told at their end."""

    def __init__(self, stream: BinaryIO, thread: "_Thread") -> None:
        self._stream, self._thread = stream, thread

    def read(self, size: int) -> bytes:
        found = self._stream.read(size)
        if not found:
            self._thread.join()
            if self._thread.error is not None:
                raise Unusable("It is damaged or cut off: it cannot be decrypted.") from self._thread.error
        return found


class _Remembering:
    """Keeps the error of a write, of which the library tells the words alone."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self.error: OSError | None = None

    def write(self, content: bytes) -> int:
        try:
            return self._target.write(content)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._target.flush()


class _Part:
    """The next `size` bytes of a stream."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self._source, self._left = source, size

    def read(self, size: int = -1) -> bytes:
        found = self._source.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(found)
        return found


class _Thread(Thread):
    """Does `act`, closes its end of the pipe and keeps the error."""

    def __init__(self, act: Callable[[], object], end: BinaryIO) -> None:
        super().__init__(name="age", daemon=True)
        self._act, self._end = act, end
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        import pyrage  # noqa: PLC0415 - few backups are encrypted

        try:
            self._act()
        except (OSError, pyrage.EncryptError, pyrage.DecryptError) as error:
            self.error = error
        finally:
            _close(self._end)


def _close(end: BinaryIO) -> None:
    """Whoever is at the other end may have left already."""
    with suppress(BrokenPipeError):
        end.close()


def _pipe() -> tuple[BinaryIO, BinaryIO]:
    reading, writing = os.pipe()
    return os.fdopen(reading, "rb"), os.fdopen(writing, "wb")


def _header(name: str, size: int) -> bytes:
    info = TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(USTAR_FORMAT)


def _size(source: BinaryIO, name: str, *, most: int | None = None) -> int:
    try:
        info = TarInfo.frombuf(source.read(BLOCKSIZE), "utf-8", "strict")
    except (HeaderError, ValueError) as error:
        raise Unusable("It is damaged or cut off.") from error
    if info.name != name or info.type != REGTYPE or info.size < 0 or (most is not None and info.size > most):
        raise Unusable(f"It has no whole {name}.")
    return info.size
