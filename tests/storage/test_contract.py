"""Every store keeps the same promises: a folder of this machine and a bucket of another one."""

import errno
import hashlib
import io
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from app import config, storage
from app.storage import Store, marker, places
from app.storage.marker import Mark
from app.storage.remote import PART
from tests.s3 import S3Server
from tests.storage.test_local import Breaking
from tests.swift import Swift, why_not

KEY = "avatars/avatar_7_0a1b2c3d.webp"


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    """A real store; moto's server only plays one."""
    if reason := why_not():
        pytest.skip(reason)
    with Swift.started(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture(params=["local", "s3", "swift"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    environment = {"DATA_DIR": str(tmp_path / "data")}
    if request.param != "local":
        environment |= request.getfixturevalue(request.param).environment()
    return places.chosen(config.load(environment))


def read(store: Store, key: str = KEY) -> bytes:
    with store.open(key) as stream:
        return stream.read()


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, 2 * PART + 1])
def test_what_is_put_is_there_whole_and_described(store: Store, size: int) -> None:
    data = os.urandom(size)
    before = datetime.now(UTC) - timedelta(seconds=2)

    stored = store.put(KEY, io.BytesIO(data))

    assert (stored.key, stored.size, stored.sha256) == (KEY, size, hashlib.sha256(data).hexdigest())
    assert read(store) == data
    found = store.stat(KEY)
    assert found is not None
    assert (found.size, found.changed_at.utcoffset(), found.changed_at.microsecond) == (size, timedelta(0), 0)
    assert found.changed_at >= before


def test_a_file_is_read_from_anywhere_in_it(store: Store) -> None:
    data = os.urandom(2 * PART + 1000)
    store.put(KEY, io.BytesIO(data))

    with store.open(KEY) as stream:
        stream.seek(-10, os.SEEK_END)
        assert stream.read() == data[-10:]
        stream.seek(PART - 5)
        assert stream.read(10) == data[PART - 5 : PART + 5]
        assert stream.tell() == PART + 5
        stream.seek(len(data) + 1)
        assert stream.read() == b""


def test_the_same_key_again_replaces(store: Store) -> None:
    store.put(KEY, io.BytesIO(b"first"))
    store.put(KEY, io.BytesIO(b"second"))

    assert read(store) == b"second"
    assert list(store.list("avatars")) == [KEY]


def test_what_is_not_there_is_not_there(store: Store) -> None:
    assert store.stat(KEY) is None
    assert list(store.list("avatars")) == []
    store.delete(KEY)
    with pytest.raises(FileNotFoundError):
        store.open(KEY)


def test_what_is_deleted_is_gone_and_the_rest_stays(store: Store) -> None:
    other = "avatars/avatar_8_0a1b2c3d.webp"
    for key in (KEY, other, "avatarsbeside/a"):
        store.put(key, io.BytesIO(b"x"))

    store.delete(KEY)

    assert (store.stat(KEY), list(store.list("avatars"))) == (None, [other])


def test_a_thousand_and_more_are_all_listed(store: Store) -> None:
    keys = [f"avatars/{number}" for number in range(1005)]
    for key in keys:
        store.put(key, io.BytesIO(b""))

    assert sorted(store.list("avatars")) == sorted(keys)


@pytest.mark.parametrize(
    "key", ["", "avatars", "/avatars/a", "avatars/../a", "avatars/.hidden", "avatars/a/b", "../a/b"]
)
def test_a_key_that_is_not_ours_names_nothing(store: Store, key: str) -> None:
    for act in (store.open, store.delete, lambda name: store.put(name, io.BytesIO(b"x"))):
        with pytest.raises(FileNotFoundError):
            act(key)
    assert store.stat(key) is None


class BreakingLate(Breaking):
    """Ends in an error after so much that a part of it was sent already."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.write(b"x" * (2 * PART))
        self.seek(0)


@pytest.mark.parametrize("source", [Breaking, BreakingLate])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "gone"), ValueError("gone"), KeyboardInterrupt("gone")])
@pytest.mark.parametrize("before", [None, b"first"])
def test_an_upload_that_breaks_leaves_what_was_there(
    store: Store, source: type[Breaking], error: BaseException, before: bytes | None
) -> None:
    if before:
        store.put(KEY, io.BytesIO(before))

    with pytest.raises(type(error), match="gone"):
        store.put(KEY, source(error))

    assert [read(store, key) for key in store.list("avatars")] == ([before] if before else [])


def peak() -> int:
    """The most memory this process has had since it was forgotten, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


class Zeros(io.RawIOBase):
    """Many bytes that lie nowhere."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        taken = min(size, self.left)
        self.left -= taken
        return bytes(taken)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc to see a peak of memory")
def test_a_large_file_takes_little_memory_both_ways(store: Store) -> None:
    size = 80 * 2**20
    store.put(KEY, cast("BinaryIO", Zeros(2 * PART)))  # what a first use takes is not of the size
    forget_peak()
    before = peak()

    store.put(KEY, cast("BinaryIO", Zeros(size)))
    with store.open(KEY) as stream:
        taken = sum(len(part) for part in iter(lambda: stream.read(2**20), b""))

    assert taken == size
    assert peak() - before < 40 * 2**20


class TestTheMarker:
    @pytest.mark.parametrize("mark", [Mark("id-1"), Mark("id-1", moved_to="s3://b"), Mark("id-1", coming_from="local")])
    def test_says_what_was_left_and_is_no_stored_file(self, store: Store, mark: Mark) -> None:
        assert marker.look(store) is None
        marker.leave(store, Mark("another"))

        marker.leave(store, mark)

        assert marker.look(store) == mark
        assert list(store.list("avatars")) == []

    @pytest.mark.parametrize("text", ["", "{", "[]", '"id-1"', '{"installation": 7}'])
    def test_that_cannot_be_read_counts_as_none(self, store: Store, text: str) -> None:
        store.write_marker(text)

        assert marker.look(store) is None

    def test_can_be_read_by_an_older_version(self, store: Store) -> None:
        marker.leave(store, Mark("id-1", moved_to="s3://b"))

        assert json.loads(store.read_marker() or "")["installation"] == "id-1"


def test_only_a_local_store_has_a_folder(tmp_path: Path, s3: S3Server) -> None:
    local = places.chosen(config.load({"DATA_DIR": str(tmp_path)}))
    remote = places.chosen(config.load({"DATA_DIR": str(tmp_path), **s3.environment("bucket")}))

    assert (local.folder(storage.AVATARS), remote.folder(storage.AVATARS)) == (tmp_path / "uploads/avatars", None)
    assert (local.place, remote.place) == (str(tmp_path / "uploads"), "s3://bucket/some/prefix")
