"""Opens an archive, be it behind a passphrase or not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.services.backup import locked
from app.services.backup.archive import Archive, Unusable


@contextmanager
def opened(path: Path, passphrase: str | None = None) -> Iterator[Archive]:
    """The archive with its manifest read. What is Unusable, here and in the block, is told with the file's name."""
    try:
        source = path.open("rb")
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}.") from error
    with source:
        size = os.fstat(source.fileno()).st_size
        try:
            if not locked.is_locked(source):
                yield Archive(source, size)
                return
            with locked.decrypting(source, passphrase) as decrypted:
                yield Archive(decrypted, size)
        except Unusable as error:
            raise type(error)(f"{path} cannot be used as a backup. {error}") from error
