"""Moving old pictures: every file counts, nothing is overwritten, and what stays behind is named."""

import hashlib
import os
import socket
import stat
import subprocess
import unicodedata
from pathlib import Path

import pytest

from app.storage import relocate
from app.storage.relocate import Move, Outcome, new_place
from app.storage.relocate import move as moving
from tests.storage.relocate.ground import (
    AS_NOBODY,
    BIG,
    CHECKOUT,
    HOSTILE,
    MOVE,
    NOBODY,
    archive,
    as_root,
    common_ground,
    move,
    move_stream,
    names,
    outcomes,
    reason,
    run_code,
    state,
)

# What is moved


def test_every_file_is_moved_with_its_bytes_its_time_and_readable_rights(old: Path, uploads: Path) -> None:
    (old / "a.png").write_bytes(b"picture")
    (old / "a.png").chmod(0o600)
    os.utime(old / "a.png", ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))
    tally = move(old, uploads)
    copy = uploads / "avatars" / "a.png"
    assert copy.read_bytes() == b"picture"
    assert copy.stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert stat.S_IMODE(copy.stat().st_mode) == 0o644
    assert (old / "a.png").exists()
    assert tally.exit_status == 0
    assert tally.standing == {"a.png"}
    assert relocate.report(tally) == f"Moved 1 picture to {uploads}/avatars."


def test_any_name_counts_but_for_the_marks_that_systems_leave(old: Path, uploads: Path) -> None:
    for name in (".hidden", ".incoming-0123456789abcdef", ".moving-0123456789abcdef", "no ending", "-rf", "x" * 255):
        (old / name).write_text("x")
    for name in (".gitkeep", ".DS_Store", "Thumbs.db"):
        (old / name).write_text("x")
    tally = move(old, uploads)
    assert len(tally.standing) == 6
    assert names(uploads / "avatars") == tally.standing
    assert move(old, uploads).having(Outcome.ALREADY) == tuple(
        relocate.Item(item.name, Outcome.ALREADY) for item in tally.items
    )


def test_sub_folders_keep_their_place(old: Path, uploads: Path) -> None:
    (old / "a" / "b").mkdir(parents=True)
    (old / "a" / "b" / "c.png").write_text("c")
    (old / "a" / "Thumbs.db").mkdir()
    (old / "a" / "Thumbs.db" / "d.png").write_text("d")
    assert move(old, uploads).exit_status == 0
    assert names(uploads / "avatars") == {"a/b/c.png", "a/Thumbs.db/d.png"}


def test_names_of_any_bytes_are_moved(old: Path, uploads: Path) -> None:
    wild = [os.fsdecode(bytes([byte]) * length) for byte in (1, 10, 27, 127, 128, 255) for length in (1, 255)]
    for name in (*wild, HOSTILE):
        (old / name).write_text("x")
    assert move(old, uploads).exit_status == 0
    assert names(uploads / "avatars") == {*wild, HOSTILE}


def test_a_path_may_be_longer_than_the_system_allows_for_one(old: Path, uploads: Path) -> None:
    here = os.getcwd()  # noqa: PTH109 - the way into a path that cannot be named
    try:
        os.chdir(old)
        for _ in range(20):
            os.mkdir("d" * 250)  # noqa: PTH102 - a name in the present folder
            os.chdir("d" * 250)
        Path("deep.png").write_text("deep")
    finally:
        os.chdir(here)
    tally = move(old, uploads)
    assert tally.exit_status == 0
    assert tally.standing == {"/".join(["d" * 250] * 20 + ["deep.png"])}
    assert move(old, uploads).having(Outcome.ALREADY)


def test_both_avatars_folders_may_be_links(tmp_path: Path, old: Path, uploads: Path) -> None:
    (old / "a.png").write_text("a")
    (tmp_path / "link").symlink_to(old)
    (tmp_path / "elsewhere").mkdir()
    uploads.mkdir()
    (uploads / "avatars").symlink_to(tmp_path / "elsewhere")
    assert move(tmp_path / "link", uploads).exit_status == 0
    assert (tmp_path / "elsewhere" / "a.png").read_text() == "a"
    assert (uploads / "avatars").is_symlink()


def test_links_and_what_is_no_file_are_named_and_left(old: Path, uploads: Path) -> None:
    (old / "a.png").write_text("a")
    (old / "link").symlink_to("a.png")
    (old / "outside").symlink_to("/etc/passwd")
    (old / "nowhere").symlink_to("nothing")
    (old / "folder").symlink_to("/etc")
    os.mkfifo(old / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(old / "socket")) if len(str(old / "socket")) < 100 else os.mkfifo(old / "socket")
        tally = move(old, uploads)
    assert outcomes(tally) == {
        "a.png": "moved",
        **dict.fromkeys(("link", "outside", "nowhere", "folder", "pipe", "socket"), "left"),
    }
    assert names(uploads / "avatars") == {"a.png"}
    assert tally.exit_status == 1
    assert '"link": it is a link, and links are not followed' in relocate.report(tally)
    assert "named pipe" in reason(tally, "pipe")


@as_root
def test_a_device_is_never_opened(old: Path, uploads: Path) -> None:
    try:
        os.mknod(old / "device", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no devices can be made here")
    assert "device" in reason(move(old, uploads), "device")


# What is already there


def test_a_second_run_changes_nothing_not_even_a_time(tmp_path: Path, old: Path, uploads: Path) -> None:
    (old / "sub").mkdir()
    for name in ("a.png", "sub/b.png", "empty.png"):
        (old / name).write_bytes(b"" if name.startswith("empty") else os.urandom(1000))
    assert move(old, uploads).exit_status == 0
    list(tmp_path.rglob("*"))  # a listing may set the time of last access once
    before = state(tmp_path)
    tally = move(old, uploads)
    assert state(tmp_path) == before
    assert set(outcomes(tally).values()) == {"already there"}
    assert relocate.report(tally) == f"3 pictures already at {uploads}/avatars; none had to be moved."


def test_a_second_run_of_a_stream_changes_nothing(uploads: Path) -> None:
    stream = archive(("avatars/a.png", b"a" * 600_000), ("avatars/sub/b.png", b""))
    assert move_stream(stream, uploads).exit_status == 0
    list(uploads.rglob("*"))
    before = state(uploads)
    tally = move_stream(stream, uploads)
    assert tally.exit_status == 0
    assert set(outcomes(tally).values()) == {"already there"}
    assert state(uploads) == before


@pytest.mark.parametrize("length", [0, 1, 1000, 256 * 1024, 256 * 1024 + 1, 512 * 1024, len(BIG) - 1])
@pytest.mark.parametrize("streamed", [False, True], ids=["folder", "stream"])
def test_a_cut_off_copy_is_repaired(old: Path, new: Path, length: int, streamed: bool) -> None:
    (old / "a.png").write_bytes(BIG)
    (new / "a.png").write_bytes(BIG[:length])
    tally = move_stream(archive(("avatars/a.png", BIG)), new.parent) if streamed else move(old, new.parent)
    assert (new / "a.png").read_bytes() == BIG
    assert outcomes(tally) == {"a.png": "repaired"}
    assert tally.exit_status == 0
    assert "Repaired 1 cut-off copy." in relocate.report(tally)
    assert names(new.parent) == {"avatars/a.png"}


def test_a_cut_off_copy_is_replaced_and_never_written_into(tmp_path: Path, old: Path, new: Path) -> None:
    (old / "a.png").write_bytes(BIG)
    (new / "a.png").write_bytes(BIG[:10])
    os.link(new / "a.png", tmp_path / "second name")
    assert move(old, new.parent).exit_status == 0
    assert (tmp_path / "second name").read_bytes() == BIG[:10]


@pytest.mark.parametrize(
    "standing", [b"other", BIG[:-1] + b"?", b"?" + BIG[1:], BIG + b"more", BIG[:300_000] + b"?"], ids=range(5)
)
@pytest.mark.parametrize("streamed", [False, True], ids=["folder", "stream"])
def test_another_file_of_the_same_name_is_never_overwritten(
    old: Path, new: Path, standing: bytes, streamed: bool
) -> None:
    (old / "a.png").write_bytes(BIG)
    (new / "a.png").write_bytes(standing)
    (old / "b.png").write_bytes(b"b")
    before = (new / "a.png").stat()
    stream = archive(("avatars/a.png", BIG), ("avatars/b.png", b"b"))
    tally = move_stream(stream, new.parent) if streamed else move(old, new.parent)
    assert outcomes(tally) == {"a.png": "conflict", "b.png": "moved"}
    assert (new / "a.png").read_bytes() == standing
    assert (old / "a.png").read_bytes() == BIG
    assert os.path.samestat((new / "a.png").stat(), before)
    assert tally.exit_status == 1
    for data in (BIG, standing):
        assert f"{len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()[:12]}" in reason(tally, "a.png")


def test_an_empty_picture_does_not_replace_a_full_one(old: Path, new: Path) -> None:
    (old / "a.png").write_bytes(b"")
    (new / "a.png").write_bytes(b"full")
    assert outcomes(move(old, new.parent)) == {"a.png": "conflict"}
    assert (new / "a.png").read_bytes() == b"full"


@pytest.mark.parametrize("streamed", [False, True], ids=["folder", "stream"])
def test_nothing_is_written_through_a_link_at_the_new_place(
    tmp_path: Path, old: Path, new: Path, streamed: bool
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (old / "sub").mkdir()
    for name in ("sub/a.png", "b.png", "c.png"):
        (old / name).write_bytes(b"x")
    (new / "sub").symlink_to(tmp_path / "elsewhere")
    (new / "b.png").symlink_to(tmp_path / "file")
    (new / "c.png").symlink_to(tmp_path / "nothing")
    stream = archive(*((f"avatars/{name}", b"x") for name in ("sub/a.png", "b.png", "c.png")))
    tally = move_stream(stream, new.parent) if streamed else move(old, new.parent)
    assert set(outcomes(tally).values()) == {"conflict"}
    assert "link" in reason(tally, "sub/a.png")
    assert not list((tmp_path / "elsewhere").iterdir())
    assert (tmp_path / "file").read_bytes() == b""
    assert not (tmp_path / "nothing").exists()


def test_a_pipe_at_the_new_place_is_a_conflict_and_not_waited_for(old: Path, new: Path) -> None:
    (old / "a.png").write_text("a")
    os.mkfifo(new / "a.png")
    assert "named pipe" in reason(move(old, new.parent), "a.png")


def test_a_folder_or_file_in_the_way_is_a_conflict(old: Path, new: Path) -> None:
    (old / "a.png").write_text("a")
    (old / "sub").mkdir()
    (old / "sub" / "b.png").write_text("b")
    (new / "a.png").mkdir()
    (new / "sub").write_text("a file")
    assert set(outcomes(move(old, new.parent)).values()) == {"conflict"}


# Where there is nothing, or not a folder


def test_no_old_folder_is_success_and_says_where_it_looked(tmp_path: Path, uploads: Path) -> None:
    tally = move(tmp_path / "nowhere", uploads)
    assert tally.exit_status == 0
    assert relocate.report(tally) == f"Nothing to move: there is no old folder. Looked in: {tmp_path}/nowhere"
    assert not uploads.exists()


def test_an_empty_old_folder_is_success(old: Path, uploads: Path) -> None:
    (old / ".gitkeep").touch()
    tally = move(old, uploads)
    assert tally.exit_status == 0
    assert "no pictures found" in relocate.report(tally)
    assert not uploads.exists()


def test_an_old_folder_that_is_a_file_or_a_broken_link_is_an_error(tmp_path: Path, uploads: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "broken").symlink_to("nothing")
    for name in ("file", "broken"):
        tally = move(tmp_path / name, uploads)
        assert tally.exit_status == 1
        assert f"{tmp_path}/{name} cannot be read as a folder" in relocate.report(tally)


def test_the_same_folder_is_nothing_to_move_and_never_removed(tmp_path: Path, new: Path) -> None:
    (new / "a.png").write_text("a")
    (tmp_path / "link").symlink_to(new)
    for old in (new, tmp_path / "link"):
        tally = move(old, new.parent, remove_old=True)
        assert tally.exit_status == 0
        assert "is the new place itself; nothing to move" in relocate.report(tally)
        assert (new / "a.png").read_text() == "a"


def test_one_folder_within_the_other_is_refused(new: Path) -> None:
    (new / "old").mkdir()
    (new / "old" / "a.png").write_text("a")
    for old in (new.parent, new / "old"):
        tally = move(old, new.parent, remove_old=True)
        assert tally.exit_status == 1
        assert "one within the other" in relocate.report(tally)
    assert names(new) == {"old/a.png"}


@pytest.mark.parametrize("kind", ["file", "broken link"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_new_place_that_is_no_folder_fails_each_picture(
    old: Path, uploads: Path, tmp_path: Path, kind: str, dry_run: bool
) -> None:
    (old / "a.png").write_text("a")
    uploads.mkdir()
    if kind == "file":
        (uploads / "avatars").write_text("x")
    else:
        (uploads / "avatars").symlink_to(tmp_path / "nothing")
    tally = move(old, uploads, dry_run=dry_run)
    assert "is not a folder" in reason(tally, "a.png")
    assert tally.exit_status == 1
    assert not (tmp_path / "nothing").exists()


def test_the_old_places_are_each_named_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(moving, "CHECKOUT", tmp_path)
    places = [tmp_path / "app/static/uploads/avatars", "/app/app/static/uploads/avatars", "/app/static/uploads/avatars"]
    assert [str(place) for place in relocate.old_places()] == [str(place) for place in places]
    monkeypatch.setattr(moving, "CHECKOUT", Path("/app"))
    assert [str(place) for place in relocate.old_places()] == [str(place) for place in places[1:]]
    assert Path("/app") == moving.CHECKOUT


def test_the_checkout_is_found_from_the_code() -> None:
    assert moving.CHECKOUT == CHECKOUT


def test_a_folder_holds_pictures_when_one_file_counts(old: Path, tmp_path: Path) -> None:
    (old / ".gitkeep").touch()
    (old / "link").symlink_to("x")
    assert not relocate.holds_pictures(old)
    assert not relocate.holds_pictures(tmp_path / "nowhere")
    (old / "sub").mkdir()
    (old / "sub" / "a.png").touch()
    assert relocate.holds_pictures(old)


def test_two_old_places_with_the_same_name_are_judged_alike_by_a_dry_run(tmp_path: Path, uploads: Path) -> None:
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
        (tmp_path / number / "same.png").write_text("same")
        (tmp_path / number / "other.png").write_text(number)
    both = (tmp_path / "1", tmp_path / "2")
    expected = [("moved", "other.png"), ("moved", "same.png"), ("conflict", "other.png"), ("already there", "same.png")]
    for dry_run in (True, False):
        tally = relocate.run(Move(uploads, both, dry_run=dry_run))
        assert [(item.outcome.value, item.name) for item in tally.items] == expected
        assert tally.exit_status == 1


# Dry run


def test_a_dry_run_writes_nothing_and_foresees_success(tmp_path: Path, old: Path, new: Path) -> None:
    (old / "sub").mkdir()
    for name in ("a.png", "b.png", "sub/c.png"):
        (old / name).write_text("text")
    (new / "b.png").write_text("te")
    (new.parent / ".moving-avatars-0123456789abcdef").touch()
    list(tmp_path.rglob("*"))
    before = state(tmp_path)
    tally = move(old, new.parent, dry_run=True, remove_old=True)
    assert state(tmp_path) == before
    assert tally.exit_status == 0
    assert outcomes(tally) == {"a.png": "moved", "b.png": "repaired", "sub/c.png": "moved"}
    assert relocate.report(tally).startswith("Would move 2 pictures")
    assert outcomes(move(old, new.parent)) == outcomes(tally)


def test_a_dry_run_makes_no_folder(old: Path, uploads: Path) -> None:
    (old / "a.png").write_text("a")
    assert move(old, uploads / "deep" / "er", dry_run=True).exit_status == 0
    assert not uploads.exists()


def test_a_dry_run_foresees_a_conflict(old: Path, new: Path) -> None:
    (old / "a.png").write_text("a")
    (new / "a.png").write_text("b")
    tally = move(old, new.parent, dry_run=True)
    assert tally.exit_status == 1
    assert outcomes(tally) == {"a.png": "conflict"}


def test_a_dry_run_foresees_a_disk_too_small(old: Path, new: Path) -> None:
    with (old / "huge.png").open("wb") as file:
        file.truncate(2_000_000)
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", new], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small disk can be mounted here")
    try:
        foreseen, done = move(old, new.parent, dry_run=True), move(old, new.parent)
        assert not list(new.iterdir())
    finally:
        subprocess.run(["umount", new], check=True)
    assert "not enough room" in relocate.report(foreseen)
    assert foreseen.exit_status == done.exit_status == 1
    assert "No space left" in reason(done, "huge.png")


@as_root
def test_a_dry_run_foresees_a_folder_that_cannot_be_written() -> None:
    with common_ground() as ground:
        (ground / "old").mkdir()
        (ground / "old" / "a.png").write_text("a")
        for uploads in (ground / "uploads", ground):
            (ground / "uploads" / "avatars").mkdir(parents=True, exist_ok=True)
            result = run_code(AS_NOBODY, MOVE, arguments=(ground / "old", uploads, "dry"))
            assert result.returncode == 1
            assert '"a.png": the new place does not take it: Permission denied' in result.stdout


# What fails does not stop the rest


@as_root
def test_an_unreadable_file_or_folder_is_named_and_the_rest_moved() -> None:
    with common_ground() as ground:
        for name in ("old/shut", "old/unseen"):
            (ground / name).mkdir(parents=True)
        for name in ("old/a.png", "old/secret.png", "old/shut/b.png", "old/z.png"):
            (ground / name).write_text(name)
        (ground / "old" / "secret.png").chmod(0)
        (ground / "old" / "shut").chmod(0)
        (ground / "uploads").mkdir()
        os.chown(ground / "uploads", NOBODY, NOBODY)
        result = run_code(AS_NOBODY, MOVE, arguments=(ground / "old", ground / "uploads"))
        assert result.returncode == 1
        assert names(ground / "uploads") == {"avatars/a.png", "avatars/z.png"}
        assert '"secret.png": it cannot be read: Permission denied' in result.stdout
        assert '"shut": this folder cannot be read: Permission denied' in result.stdout
        assert "Moved 2 pictures" in result.stdout
        dry = run_code(AS_NOBODY, MOVE, arguments=(ground / "old", ground / "uploads", "dry"))
        assert dry.returncode == 1


@as_root
def test_a_read_only_sub_folder_fails_its_pictures_only() -> None:
    with common_ground() as ground:
        (ground / "old" / "sub").mkdir(parents=True)
        (ground / "uploads" / "avatars" / "sub").mkdir(parents=True)
        for name in ("a.png", "sub/b.png", "z.png"):
            (ground / "old" / name).write_text(name)
        os.chown(ground / "uploads" / "avatars", NOBODY, NOBODY)  # but not uploads: no note can be made there
        result = run_code(AS_NOBODY, MOVE, arguments=(ground / "old", ground / "uploads"))
        assert result.returncode == 1
        assert '"sub/b.png": the new place does not take it: Permission denied' in result.stdout
        assert names(ground / "uploads") == {"avatars/a.png", "avatars/z.png"}


LIMITED = """
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
"""


def test_a_full_disk_fails_what_does_not_fit_and_leaves_no_rest(old: Path, new: Path) -> None:
    for name, size in (("a.png", 10), ("big.png", 100_000), ("cut.png", 100_000), ("z.png", 10)):
        (old / name).write_bytes(b"x" * size)
    (new / "cut.png").write_bytes(b"x" * 20)
    result = run_code(LIMITED, MOVE, arguments=(old, new.parent))
    assert result.returncode == 1, result.stderr
    assert '"big.png": the new place does not take it: File too large' in result.stdout
    assert names(new.parent) == {"avatars/a.png", "avatars/cut.png", "avatars/z.png"}
    assert (new / "cut.png").read_bytes() == b"x" * 20


def test_a_file_that_changes_while_it_is_read_is_left(
    old: Path, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old / "a.png").write_bytes(BIG)

    def growing(folder: int, name: str, *rest: object) -> None:
        with (old / "a.png").open("ab") as file:
            file.write(b"more")
        write(folder, name, *rest)  # type: ignore[arg-type]

    write = new_place._write
    monkeypatch.setattr(new_place, "_write", growing)
    tally = move(old, uploads)
    assert "changed while it was read" in reason(tally, "a.png")
    assert names(uploads) == set()


def test_what_reads_back_differently_is_not_named(old: Path, uploads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (old / "a.png").write_bytes(b"a")
    monkeypatch.setattr(new_place, "digest_of", lambda _file: "0" * 64)
    tally = move(old, uploads)
    assert "did not read back the same" in reason(tally, "a.png")
    assert names(uploads) == set()


# How names are written


def test_names_are_printed_plainly_and_each_differently() -> None:
    alike = [
        "a",
        "a ",
        "a\n",
        "a\\n",
        "a\\x0a",
        "é",
        "e\u0301",
        "a\x1b",
        "a\u202e",
        "a\x85",
        os.fsdecode(b"a\x85"),
        'a"',
    ]
    printed = [relocate.shown(name) for name in alike]
    assert len({unicodedata.normalize("NFC", text) for text in printed}) == len(alike)
    assert all(text.isprintable() for text in printed)
    assert printed[:3] == ["a", "a ", "a\\x0a"]
    assert relocate.shown("Zoë.png") == "Zoë.png"


def test_about_the_database_only_what_stands_nowhere_is_named(old: Path, uploads: Path) -> None:
    (old / "a.png").write_text("a")
    tally = move(old, uploads, dry_run=True)
    assert relocate.about_database(["a.png"], tally) == []
    assert relocate.about_database(["a.png", HOSTILE], tally) == [
        "The database names 1 picture found neither at the old nor at the new place:",
        '  "a\\xff\\x0a\\x1b[31m\\"\\\\.png"',
    ]
    assert relocate.about_database(None, tally) == ["The database was not consulted: there is none to ask."]
