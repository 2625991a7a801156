"""Pictures that arrive as a tar stream: whole or not at all, and no name in it is trusted."""

import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from app.storage import relocate
from app.storage.relocate import Move
from tests.storage.relocate.ground import HOSTILE, archive, move_stream, names, outcomes, reason, special_archive, state


@pytest.mark.parametrize("top", ["avatars/", "./", "./avatars/", "pictures/", "app/static/uploads/avatars/"])
def test_the_folder_around_the_pictures_is_taken_off(uploads: Path, top: str) -> None:
    tally = move_stream(archive((f"{top}a.png", b"a"), (f"{top}sub/b.png", b"b"), top=top), uploads)
    assert tally.exit_status == 0
    assert names(uploads / "avatars") == {"a.png", "sub/b.png"}


@pytest.mark.parametrize("top", ["avatars/", "./", "", "old/avatars/"])
def test_a_stream_without_an_entry_for_its_folder_is_understood(uploads: Path, top: str) -> None:
    move_stream(archive((f"{top}a.png", b"a"), (f"{top}sub/b.png", b"b"), top=None), uploads)
    assert names(uploads / "avatars") == {"a.png", "sub/b.png"}


@pytest.mark.parametrize("mode", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_and_wild_names_come_through_a_stream(uploads: Path, mode: int) -> None:
    wild = {"x" * 255, "/".join(["d" * 200] * 3 + ["y.png"]), HOSTILE, "é.png", os.fsdecode(b"\xff" * 255)}
    tally = move_stream(archive(*((f"avatars/{name}", b"x") for name in wild), mode=mode), uploads)
    assert names(uploads / "avatars") == wild == tally.standing


def test_what_the_system_writes_as_tar_is_understood(old: Path, uploads: Path) -> None:
    (old / "sub").mkdir()
    for name in (HOSTILE, "sub/b.png", "x" * 255):
        (old / name).write_bytes(os.urandom(100))
    with (old / "sparse.png").open("wb") as file:
        file.truncate(3_000_000)
        file.seek(1_000_000)
        file.write(b"island")
    stream = subprocess.run(
        ["tar", "--sparse", "-cz", "-C", old.parent, "avatars"], check=True, capture_output=True
    ).stdout
    assert move_stream(stream, uploads).exit_status == 0
    assert {name: (uploads / "avatars" / name).read_bytes() for name in names(uploads / "avatars")} == {
        name: (old / name).read_bytes() for name in names(old)
    }


def test_a_stream_says_nothing_about_rights_and_owners(uploads: Path) -> None:
    move_stream(archive(("avatars/a.png", b"a")), uploads)
    status = (uploads / "avatars" / "a.png").stat()
    assert stat.S_IMODE(status.st_mode) == 0o644
    assert status.st_mtime == 1_700_000_000
    assert status.st_uid == os.geteuid()


@pytest.mark.parametrize("name", ["/etc/evil.png", "avatars/../../evil.png", "..", "avatars/sub/../evil.png"])
def test_a_name_that_leads_out_is_refused_by_name(uploads: Path, name: str) -> None:
    tally = move_stream(archive(("avatars/a.png", b"a"), (name, b"evil"), ("avatars/z.png", b"z")), uploads)
    assert outcomes(tally) == {"a.png": "moved", name: "left", "z.png": "moved"}
    assert names(uploads.parent) == {"uploads/avatars/a.png", "uploads/avatars/z.png"}
    assert tally.exit_status == 1


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_link_or_device_in_a_stream_is_named_and_left(uploads: Path, kind: bytes) -> None:
    tally = move_stream(special_archive(kind), uploads)
    assert outcomes(tally) == {"x.png": "moved", "odd": "left"}
    assert ("link" in reason(tally, "odd")) is (kind == tarfile.SYMTYPE)
    assert tally.exit_status == 1
    assert names(uploads) == {"avatars/x.png"}


def test_marks_that_systems_leave_are_passed_over_in_a_stream(uploads: Path) -> None:
    stream = archive(("avatars/.gitkeep", b""), ("avatars/sub/.DS_Store", b"x"), ("avatars/Thumbs.db", b"x"))
    tally = move_stream(stream, uploads)
    assert tally.exit_status == 0
    assert tally.items == ()
    assert not uploads.exists()


WHOLE = archive(("avatars/a.png", b"a" * 1000), ("avatars/b.png", b"b" * 700_000))


@pytest.mark.parametrize("length", [512 * 4, 512 * 4 + 100, 512 * 5, 512 * 5 + 300_000, 512 * 4 + 512 * 1369])
def test_what_came_whole_of_a_cut_stream_is_kept(uploads: Path, length: int) -> None:
    tally = move_stream(WHOLE[:length], uploads)
    assert tally.exit_status == 1
    assert "what came whole was taken" in tally.troubles[0]
    assert "avatars/a.png" in names(uploads) <= {"avatars/a.png", "avatars/b.png"}
    for name in names(uploads):
        assert len((uploads / name).read_bytes()) == {"a": 1000, "b": 700_000}[Path(name).stem]


def test_a_stream_cut_between_two_files_is_noticed(uploads: Path) -> None:
    assert move_stream(WHOLE[: 512 * 4], uploads).troubles == ("The stream ended early; what came whole was taken.",)


def test_garbage_after_a_whole_file_is_noticed(uploads: Path) -> None:
    tally = move_stream(WHOLE[: 512 * 4] + b"garbage!" * 640, uploads)
    assert tally.exit_status == 1
    assert names(uploads) == {"avatars/a.png"}


def test_a_cut_stream_never_counts_as_the_same_or_repairs(new: Path) -> None:
    (new / "b.png").write_bytes(b"b" * 299_000)
    tally = move_stream(WHOLE[: 512 * 5 + 299_000], new.parent)
    assert outcomes(tally) == {"a.png": "moved", "b.png": "left"}
    assert (new / "b.png").read_bytes() == b"b" * 299_000


@pytest.mark.parametrize("stream", [b"", b"no tar at all", b"Error: no such container\n" * 100, b"\x1f\x8b\x08broken"])
def test_an_empty_or_foreign_stream_is_an_error_in_a_sentence(uploads: Path, stream: bytes) -> None:
    tally = move_stream(stream, uploads)
    assert tally.exit_status == 1
    assert tally.troubles[0].startswith("The stream is ")
    assert not uploads.exists()


def test_a_dry_run_of_a_stream_foresees_the_same(new: Path) -> None:
    (new / "a.png").write_bytes(b"a")
    list(new.parent.rglob("*"))
    before = state(new.parent)
    tally = move_stream(WHOLE, new.parent, dry_run=True)
    assert outcomes(tally) == {"a.png": "repaired", "b.png": "moved"}
    assert state(new.parent) == before
    assert move_stream(WHOLE[:2500], new.parent, dry_run=True).exit_status == 1


def test_a_file_that_claims_to_be_huge_is_not_waited_for(uploads: Path) -> None:
    buffer = io.BytesIO()
    huge = tarfile.TarInfo("avatars/huge.png")
    huge.size = 2**50
    buffer.write(huge.tobuf(tarfile.GNU_FORMAT))
    tally = move_stream(buffer.getvalue() + b"x" * 5000, uploads)
    assert outcomes(tally) == {"huge.png": "left"}
    assert names(uploads) == set()


def test_the_sender_is_heard_to_the_end(uploads: Path) -> None:
    stream = io.BufferedReader(io.BytesIO(WHOLE + b"\0" * 1_000_000))
    assert relocate.run(Move(uploads, stream=stream)).exit_status == 0
    assert stream.read() == b""
