"""A stored file is whole or absent, durable, and never anything but a file of ours (laws 2 and 3)."""

import errno
import hashlib
import io
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from app.storage.durable import TEMPORARY_PREFIX, make_folder
from app.storage.local import CHUNK, LocalStore

KEY = "avatars/avatar_7_0a1b2c3d.webp"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "uploads")


@pytest.fixture
def file(store: LocalStore) -> Path:
    """A stored file."""
    store.put(KEY, io.BytesIO(b"first"))
    return store.root / KEY


def names(store: LocalStore) -> list[str]:
    return sorted(path.name for path in store.folder("avatars").iterdir())


@pytest.mark.parametrize("size", [0, 1, CHUNK, 2 * CHUNK + 1])
def test_what_is_put_is_there_whole_and_described(store: LocalStore, size: int) -> None:
    data = os.urandom(size)

    stored = store.put(KEY, io.BytesIO(data))

    with store.open(KEY) as stream:
        assert stream.read() == data
    assert (stored.key, stored.size, stored.sha256) == (KEY, size, hashlib.sha256(data).hexdigest())
    found = store.stat(KEY)
    assert found is not None
    assert (found.size, found.changed_at.utcoffset()) == (size, timedelta(0))
    assert names(store) == [Path(KEY).name]


def test_the_same_key_again_replaces(store: LocalStore, file: Path) -> None:
    store.put(KEY, io.BytesIO(b"second"))

    assert file.read_bytes() == b"second"
    assert names(store) == [file.name]


def test_an_open_reader_keeps_the_bytes_it_opened(store: LocalStore, file: Path) -> None:
    with store.open(KEY) as stream:
        store.put(KEY, io.BytesIO(b"second"))
        store.delete(KEY)

        assert stream.read() == b"first"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What touches the disk for good, in order, as "act name"."""
    done: list[str] = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        done.append(f"fsync {_kind(Path(f'/proc/self/fd/{descriptor}').readlink().name)}")
        real_fsync(descriptor)

    def noted(act: str, real: Callable[..., object]) -> Callable[..., object]:
        def note(path: Path, *args: object, **kwargs: object) -> object:
            done.append(f"{act} {_kind(path.name)}")
            return real(path, *args, **kwargs)

        return note

    monkeypatch.setattr(os, "fsync", fsync)
    for act in ("rename", "mkdir", "unlink"):
        monkeypatch.setattr(Path, act, noted(act, getattr(Path, act)))
    return done


def _kind(name: str) -> str:
    return "temporary" if name.startswith(TEMPORARY_PREFIX) else name


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to name a file descriptor")
@pytest.mark.usefixtures("file")
class TestDurability:
    def test_put_syncs_the_file_before_its_name_and_then_the_folder(self, store: LocalStore, steps: list[str]) -> None:
        store.put(KEY, io.BytesIO(b"second"))

        assert steps == ["fsync temporary", "rename temporary", "fsync avatars"]

    def test_new_folders_are_synced_in_their_parents(self, tmp_path: Path, steps: list[str]) -> None:
        make_folder(tmp_path / "one" / "two")

        assert steps == ["mkdir one", f"fsync {tmp_path.name}", "mkdir two", "fsync one"]

    def test_delete_syncs_the_folder(self, store: LocalStore, file: Path, steps: list[str]) -> None:
        store.delete(KEY)

        assert steps == [f"unlink {file.name}", "fsync avatars"]


class Breaking(io.BytesIO):
    """An upload that ends in an error after its first bytes."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(b"x" * 10)
        self.error = error

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        if not found:
            raise self.error
        return found


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt(), ValueError("gone")])
@pytest.mark.parametrize("before", ["nothing", "a file"])
def test_a_failing_write_leaves_what_was_there_and_no_temporary(
    store: LocalStore, error: BaseException, before: str
) -> None:
    store.folder("avatars").mkdir(parents=True)
    if before == "a file":
        store.put(KEY, io.BytesIO(b"first"))

    with pytest.raises(type(error)):
        store.put(KEY, Breaking(error))

    assert names(store) == ([Path(KEY).name] if before == "a file" else [])
    assert before == "nothing" or (store.root / KEY).read_bytes() == b"first"


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_disk_that_fails_at_the_end_leaves_what_was_there_and_no_temporary(
    store: LocalStore, file: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)

    with pytest.raises(OSError, match="broken"):
        store.put(KEY, io.BytesIO(b"second"))

    assert file.read_bytes() == b"first"
    assert names(store) == [file.name]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "avatars",
        "avatars/",
        "/avatars/a.webp",
        "/etc/passwd",
        "avatars/../a.webp",
        "../avatars/a.webp",
        "avatars/..",
        "avatars/.",
        "avatars/.hidden",
        f"avatars/{TEMPORARY_PREFIX}00",
        "avatars/sub/a.webp",
        "avatars/a.webp/",
        "avatars//a.webp",
        "avatars\\a.webp",
        "avatars/a\0.webp",
        "avatars/a.webp\n",
        "avatars/ä.webp",
        "avatars/a b.webp",
        "avatars/" + "a" * 256,
        "..",
        ".timetracker-installation",
    ],
)
def test_a_key_that_is_not_ours_names_nothing(store: LocalStore, file: Path, key: str) -> None:
    with pytest.raises(FileNotFoundError):
        store.open(key)
    with pytest.raises(FileNotFoundError):
        store.put(key, io.BytesIO(b"x"))
    with pytest.raises(FileNotFoundError):
        store.delete(key)
    assert store.stat(key) is None
    assert names(store) == [file.name]


def test_the_longest_name_a_disk_takes_is_taken(store: LocalStore) -> None:
    key = "avatars/" + "a" * 255

    store.put(key, io.BytesIO(b"x"))

    assert list(store.list("avatars")) == [key]


def a_link(path: Path) -> None:
    (path.parent / "target").write_bytes(b"x")
    path.symlink_to("target")


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    "make",
    [a_link, a_dangling_link, a_link_to_itself, Path.mkdir, os.mkfifo, lambda _path: None],
    ids=lambda f: f.__name__,
)
def test_what_is_no_file_of_ours_cannot_be_opened_and_nothing_hangs(
    store: LocalStore, make: Callable[[Path], None]
) -> None:
    store.folder("avatars").mkdir(parents=True)
    make(store.root / KEY)

    with pytest.raises(FileNotFoundError):
        store.open(KEY)
    assert store.stat(KEY) is None
    assert KEY not in list(store.list("avatars"))


def test_a_folder_that_is_a_file_holds_nothing(store: LocalStore) -> None:
    store.root.mkdir()
    store.folder("avatars").write_bytes(b"")

    with pytest.raises(FileNotFoundError):
        store.open(KEY)
    assert store.stat(KEY) is None


def test_put_replaces_a_link_and_not_what_it_names(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    store.folder("avatars").mkdir(parents=True)
    (store.root / KEY).symlink_to(tmp_path / "precious")

    store.put(KEY, io.BytesIO(b"new"))

    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not (store.root / KEY).is_symlink()


def test_delete_removes_a_link_and_not_what_it_names(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    store.folder("avatars").mkdir(parents=True)
    (store.root / KEY).symlink_to(tmp_path / "precious")

    store.delete(KEY)

    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert names(store) == []


def test_deleting_what_is_not_there_is_fine(store: LocalStore, file: Path) -> None:
    store.delete(KEY)
    store.delete(KEY)
    store.delete("logos/a.png")

    assert store.stat(KEY) is None


def test_a_list_shows_files_without_temporaries_links_and_folders(store: LocalStore, file: Path) -> None:
    (file.parent / f"{TEMPORARY_PREFIX}0123").write_bytes(b"half")
    (file.parent / "link").symlink_to(file.name)
    (file.parent / "folder").mkdir()

    assert list(store.list("avatars")) == [KEY]
    assert list(store.list("logos")) == []


def test_two_who_put_one_key_at_once_leave_one_whole_file(store: LocalStore) -> None:
    class Meddling(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() == 0:
                store.put(KEY, io.BytesIO(b"other"))
            return super().read(size)

    source: BinaryIO = Meddling(b"mine")
    store.put(KEY, source)

    assert (store.root / KEY).read_bytes() == b"mine"
    assert names(store) == [Path(KEY).name]
