"""Bytes in a bucket of an S3-compatible store, Google Cloud Storage or Azure, by obstore.

An object is whole or absent by nature: it appears when its upload is complete. Large ones go and come in parts, so that
neither memory nor a connection grows with them. The library's threads do not cross a fork: a process that has used a
remote store must not fork workers that use it too.
"""

import errno
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from app.config import Settings, StorageAddress
from app.storage import Stat, Stored, StoreRefuses, is_key
from app.storage.marker import MARKER

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PART = 5 * 1024 * 1024  # bytes; the least that S3 takes as a part
PARTS_AT_ONCE = 2
RETRIES: Any = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=5),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
}
# A part may take a minute on a slow line; an answer to a question comes at once or not at all.
SENDING: Any = {"connect_timeout": "3s", "timeout": "60s"}
ASKING: Any = SENDING | {"read_timeout": "8s"}

_used_by_process: int | None = None


class RemoteStore:
    """A `storage.Store` in a bucket, below a prefix."""

    def __init__(self, address: StorageAddress, settings: Settings) -> None:
        self.address = address
        self._settings = settings

    @property
    def place(self) -> str:
        return str(self.address)

    def put(self, key: str, source: BinaryIO) -> Stored:
        """Sends all of `source`: whole and kept by the store, or absent. Raises StoreRefuses and what `source` does."""
        _refuse_foreign(key)
        counted = _Counted(source)
        first = counted.read_part()
        with self._sentences():
            if len(first) < PART:
                obstore.put(self._sending, key, first, use_multipart=False)
            else:
                parts = chain([first], iter(counted.read_part, b""))
                obstore.put(self._sending, key, parts, chunk_size=PART, max_concurrency=PARTS_AT_ONCE)
        return Stored(key, counted.size, counted.digest.hexdigest())

    def open(self, key: str) -> BinaryIO:
        """The bytes under `key`, as they are now. Raises FileNotFoundError, StoreRefuses."""
        _refuse_foreign(key)
        with self._sentences(missing=key):
            found = obstore.get(self._asking, key)
            if found.meta["size"] <= PART:
                return io.BytesIO(found.bytes())
        options: Any = {"if_match": found.meta["e_tag"]}
        return io.BufferedReader(_Parts(lambda start, end: self._range(key, start, end, options), found.meta["size"]))

    def stat(self, key: str) -> Stat | None:
        try:
            _refuse_foreign(key)
            with self._sentences(missing=key):
                found = obstore.head(self._asking, key)
        except FileNotFoundError:
            return None
        return Stat(found["size"], found["last_modified"].replace(microsecond=0))

    def delete(self, key: str) -> None:
        """Removes what lies under `key`; nothing there is fine."""
        _refuse_foreign(key)
        try:
            with self._sentences(missing=key):
                obstore.delete(self._asking, key)
        except FileNotFoundError:
            return

    def list(self, prefix: str) -> Iterator[str]:
        """The keys in folder `prefix`, unordered, without what nobody could have put there by `put`."""
        with self._sentences():
            for page in obstore.list(self._asking, prefix):
                yield from (found["path"] for found in page if is_key(found["path"]))

    def folder(self, name: str) -> None:  # noqa: ARG002 - as the protocol has it
        """Nowhere on this machine."""
        return

    def read_marker(self) -> str | None:
        """Raises StoreRefuses, also for a missing bucket: an empty one and a missing one are not the same."""
        try:
            with self._sentences(missing=MARKER):
                return bytes(obstore.get(self._asking, MARKER).bytes()).decode(errors="replace")
        except FileNotFoundError:
            self._refuse_missing_bucket()
            return None

    def write_marker(self, text: str) -> None:
        with self._sentences():
            obstore.put(self._asking, MARKER, text.encode(), use_multipart=False)

    def _refuse_missing_bucket(self) -> None:
        with self._sentences():
            next(iter(obstore.list(self._asking)), None)

    def _range(self, key: str, start: int, end: int, options: Any) -> bytes:
        with self._sentences(missing=key):
            return bytes(obstore.get(self._asking, key, options=options | {"range": (start, end)}).bytes())

    @cached_property
    def _asking(self) -> "ObjectStore":
        return self._connection(ASKING)

    @cached_property
    def _sending(self) -> "ObjectStore":
        return self._connection(SENDING)

    def _connection(self, client: Any) -> "ObjectStore":
        address, settings = self.address, self._settings
        prefix = address.prefix or None
        if address.scheme == "gs":
            google: Any = {"service_account": str(settings.google_application_credentials)}
            return GCSStore(address.bucket, prefix=prefix, config=google, client_options=client, retry_config=RETRIES)
        if address.scheme == "az":
            azure: Any = {
                "account_name": settings.azure_storage_account_name,
                "account_key": settings.azure_storage_account_key,
            }
            return AzureStore(address.bucket, prefix=prefix, config=azure, client_options=client, retry_config=RETRIES)
        region = address.region or settings.aws_region
        endpoint = address.endpoint or settings.aws_endpoint_url or f"https://s3.{region}.amazonaws.com"
        aws: Any = {  # all of it is said: what is not, the library takes from the environment, be it empty
            "access_key_id": settings.aws_access_key_id,
            "secret_access_key": settings.aws_secret_access_key,
            "region": region,
            "endpoint": endpoint,
        }
        client = client | {"allow_http": endpoint.startswith("http://")}
        return S3Store(address.bucket, prefix=prefix, config=aws, client_options=client, retry_config=RETRIES)

    @contextmanager
    def _sentences(self, missing: str | None = None) -> Iterator[None]:
        """Turns what the library raises into StoreRefuses, and its 404 into FileNotFoundError for the key `missing`."""
        _refuse_after_fork(self.place)
        try:
            yield
        except FileNotFoundError as error:
            if error.errno is not None:
                raise  # of the source that is being sent, not of this store
            if missing is None or "NoSuchBucket" in str(error):
                raise StoreRefuses(self._what_is_wrong("404")) from error
            raise FileNotFoundError(errno.ENOENT, "no such stored file", missing) from error
        except BaseError as error:
            raise StoreRefuses(self._what_is_wrong(str(error))) from error

    def _what_is_wrong(self, said: str) -> str:
        """One sentence for the operator. What the library says may be long, and never holds the keys."""
        status = re.search(r"\b(401|403|404)\b", said)
        keys = _KEYS[self.address.scheme]
        if status and status[1] == "404":
            return f"{self.place}: there is no bucket {self.address.bucket}. Make it, or correct STORAGE_URL."
        if status:
            return f"{self.place} does not let us in: check {keys}, and that they may list, read, write and delete."
        if "error sending request" in said or "timed out" in said or "HTTP error" in said:
            return f"{self.place} does not answer: check {_ADDRESS[self.address.scheme]}, and the network."
        first_line = said.strip().partition("\n")[0][:300].rstrip(". ")
        return f"{self.place} cannot be used: {first_line}. Check STORAGE_URL and {keys}."


_KEYS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_ADDRESS = {"s3": "STORAGE_URL and AWS_ENDPOINT_URL", "gs": "STORAGE_URL", "az": "AZURE_STORAGE_ACCOUNT_NAME"}


class _Counted:
    """Reads in parts and remembers how much it was, and its hash."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.size = 0
        self.digest = hashlib.sha256()

    def read_part(self) -> bytes:
        """PART bytes, less at the end only, then nothing."""
        part = b"".join(self._pieces())
        self.digest.update(part)
        self.size += len(part)
        return part

    def _pieces(self) -> Iterator[bytes]:
        wanted = PART
        while wanted and (piece := self._source.read(wanted)):
            wanted -= len(piece)
            yield piece


class _Parts(io.RawIOBase):
    """A large object as a file that can be read from anywhere: a part is fetched when it is read, and one is kept.

    No connection is held between two reads, however slow the reader is.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self._fetch = fetch
        self._size = size
        self._position = 0
        self._start, self._part = 0, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        from_where = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, from_where + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position >= self._size:
            return 0
        if not self._start <= self._position < self._start + len(self._part):
            self._start = self._position
            self._part = b""  # before the next one comes: one is kept, not two
            self._part = self._fetch(self._start, min(self._start + PART, self._size))
        offset = self._position - self._start
        taken = self._part[offset : offset + len(buffer)]
        buffer[: len(taken)] = taken
        self._position += len(taken)
        return len(taken)


def _refuse_foreign(key: str) -> None:
    if not is_key(key):
        raise FileNotFoundError(errno.ENOENT, "no such stored file", key)


def _refuse_after_fork(place: str) -> None:
    """Better a sentence than waiting for ever for threads that stayed behind."""
    global _used_by_process  # noqa: PLW0603 - the library's threads are one set for the process
    process = os.getpid()
    if _used_by_process not in {None, process}:
        raise StoreRefuses(f"{place} was used before this process was forked; start workers without preloading.")
    _used_by_process = process
