"""A move survives kill -9 at any moment, a power cut, a second run beside it; and removes only what is safe."""

import errno
import itertools
import os
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.storage import relocate
from app.storage.relocate import Move, journal, new_place, removal
from app.storage.relocate import move as moving
from tests.storage.relocate.ground import BIG, CHECKOUT, MOVE, as_root, move, names, outcomes, run_code

# Durable


def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_end(
    old: Path, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old / "a.png").write_bytes(b"a")
    seen: list[tuple[str, str]] = []

    def noting(name: str, call: Callable[..., None]) -> Callable[..., None]:
        def noted(subject: int | str, *rest: object, **more: object) -> None:
            path = os.readlink(f"/proc/self/fd/{subject}") if isinstance(subject, int) else str(subject)  # noqa: PTH115
            seen.append((name, Path(path).name[:8]))
            call(subject, *rest, **more)

        return noted

    for name in ("fsync", "link", "unlink"):
        monkeypatch.setattr(os, name, noting(name, getattr(os, name)))
    move(old, uploads)
    link = seen.index(("link", ".moving-"))
    assert ("fsync", ".moving-") in seen[:link]
    assert seen[link + 1] == ("unlink", ".moving-")
    assert ("fsync", "avatars") in seen[link:]
    assert ("fsync", "uploads") in seen[:link]


def test_a_new_sub_folder_is_put_on_the_disk_too(old: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (old / "a" / "b").mkdir(parents=True)
    (old / "a" / "b" / "c.png").write_text("c")
    synced: list[str] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115 - a string is wanted
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    move(old, new.parent)
    assert [str(new), str(new / "a")] == [path for path in synced if path in {str(new), str(new / "a")}]


def test_what_another_run_takes_away_meanwhile_is_no_failure(old: Path, uploads: Path) -> None:
    for name in ("a.png", "b.png"):
        (old / name).write_text(name)
    tally = relocate.run(Move(uploads, (old,)), progress=lambda _done, _total: (old / "b.png").unlink(missing_ok=True))
    assert outcomes(tally) == {"a.png": "moved"}
    assert tally.exit_status == 0


@pytest.mark.parametrize("content", [b"picture", b""])
def test_without_hard_links_a_name_is_still_never_taken_from_another(
    old: Path, uploads: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    (old / "a.png").write_bytes(content)
    os.utime(old / "a.png", ns=(10**18, 10**18))
    monkeypatch.setattr(os, "link", refused)
    assert outcomes(move(old, uploads)) == {"a.png": "moved"}
    assert (uploads / "avatars" / "a.png").read_bytes() == content
    assert (uploads / "avatars" / "a.png").stat().st_mtime_ns == 10**18
    assert names(uploads) == {"avatars/a.png"}


@pytest.mark.parametrize("linkable", [True, False])
@pytest.mark.parametrize(
    ("late", "outcome"), [(b"picture", "already there"), (b"pic", "repaired"), (b"other", "conflict")]
)
def test_a_file_that_comes_at_the_last_moment_is_judged_too(
    old: Path, uploads: Path, monkeypatch: pytest.MonkeyPatch, late: bytes, outcome: str, linkable: bool
) -> None:
    (old / "a.png").write_bytes(b"picture")
    link = os.link

    def crossing(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int, follow_symlinks: bool) -> None:
        if not (uploads / "avatars" / "a.png").exists():
            (uploads / "avatars" / "a.png").write_bytes(late)
        if not linkable:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        link(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "link", crossing)
    assert outcomes(move(old, uploads)) == {"a.png": outcome}
    assert (uploads / "avatars" / "a.png").read_bytes() == (late if outcome == "conflict" else b"picture")
    assert names(uploads) == {"avatars/a.png"}


def test_a_file_that_goes_at_the_last_moment_is_written(old: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (old / "a.png").write_bytes(b"picture")
    (new / "a.png").write_bytes(b"pic")
    link, answers = os.link, itertools.chain([True], itertools.repeat(False))

    def going(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int, follow_symlinks: bool) -> None:
        if next(answers):
            (new / "a.png").unlink()
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        link(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "link", going)
    assert outcomes(move(old, new.parent)) == {"a.png": "moved"}
    assert (new / "a.png").read_bytes() == b"picture"


def test_a_large_file_costs_no_memory(old: Path, uploads: Path) -> None:
    with (old / "large.png").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    tracemalloc.start()
    try:
        assert move(old, uploads).exit_status == 0
        assert move(old, uploads).exit_status == 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


def test_it_works_across_devices(old: Path, uploads: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == old.stat().st_dev:
        pytest.skip("there is no second device here")
    (old / "a.png").write_bytes(BIG)
    with TemporaryDirectory(dir=shared) as elsewhere:
        assert move(old, Path(elsewhere), remove_old=True).exit_status == 0
        assert (Path(elsewhere) / "avatars" / "a.png").read_bytes() == BIG
    assert not (old / "a.png").exists()


# Removing the old


def test_the_old_are_removed_once_they_stand_at_the_new_place(old: Path, new: Path) -> None:
    (old / "sub").mkdir()
    for name in ("a.png", "sub/b.png", "there.png", "differs.png"):
        (old / name).write_text("old")
    (old / "link").symlink_to("a.png")
    (old / ".gitkeep").touch()
    (new / "there.png").write_text("old")
    (new / "differs.png").write_text("new")
    tally = move(old, new.parent, remove_old=True)
    assert names(old) == {"differs.png", "link", ".gitkeep"}
    assert names(new) == {"a.png", "sub/b.png", "there.png", "differs.png"}
    assert tally.removed == 3
    assert tally.exit_status == 1
    assert "Removed 3 pictures from the old folder" in relocate.report(tally)


@pytest.mark.parametrize("side", ["old", "new", "gone"])
def test_what_changes_before_the_removal_is_kept(
    old: Path, new: Path, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    (old / "a.png").write_text("picture")

    def changing(folder: Path, placed: list[new_place.Placed], place: new_place.NewPlace) -> object:
        if side == "gone":
            (new / "a.png").unlink()
        else:
            ((old if side == "old" else new) / "a.png").write_text("changed")
        return removal.remove_old(folder, placed, place)

    monkeypatch.setattr(moving, "remove_old", changing)
    tally = move(old, new.parent, remove_old=True)
    assert (old / "a.png").exists()
    assert tally.removed == 0
    assert tally.exit_status == 1
    assert '"a.png" was not removed from the old folder' in relocate.report(tally)


@as_root
def test_a_sub_folder_mounted_at_both_places_is_not_emptied(old: Path, new: Path) -> None:
    (old / "sub").mkdir()
    (new / "sub").mkdir()
    (new / "sub" / "a.png").write_text("the only one")
    try:
        subprocess.run(["mount", "--bind", new / "sub", old / "sub"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    try:
        tally = move(old, new.parent, remove_old=True)
    finally:
        subprocess.run(["umount", old / "sub"], check=True)
    assert (new / "sub" / "a.png").read_text() == "the only one"
    assert "also the new one" in relocate.report(tally)


def test_removal_puts_what_was_already_there_on_the_disk_first(
    old: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (old, new):
        (folder / "a.png").write_text("same")
    synced: list[str] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115 - a string is wanted
        assert str(old) in synced or (old / "a.png").exists()
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    assert move(old, new.parent, remove_old=True).removed == 1
    assert synced == [str(new), str(new / "a.png"), str(old)]


# Killed, and two at once


def test_killed_at_any_moment_and_run_again_it_ends_right(old: Path, uploads: Path) -> None:
    contents = {f"{number}.png": os.urandom(3000) for number in range(150)}
    contents |= {f"sub/{number}.png": os.urandom(400_000) for number in range(8)}
    (old / "sub").mkdir()
    for name, data in contents.items():
        (old / name).write_bytes(data)
    arguments = [sys.executable, "-c", textwrap.dedent(MOVE), str(old), str(uploads)]
    for count in (0, 1, 3, 8, 20, 50, 90, 149):
        with subprocess.Popen(arguments, cwd=CHECKOUT, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and _count(uploads / "avatars") <= count:
                pass
            process.kill()
    assert relocate.run(Move(uploads, (old,))).exit_status == 0
    assert {name: (uploads / "avatars" / name).read_bytes() for name in names(uploads / "avatars")} == contents
    assert names(uploads) == {f"avatars/{name}" for name in contents}


def _count(folder: Path) -> int:
    return len(os.listdir(folder)) if folder.exists() else 0  # noqa: PTH208 - asked many times


DYING = """
    import importlib, os, signal, sys
    from app.storage.relocate import journal, publish
    owner, name = sys.argv[3].rsplit(".", 1)
    target = os if owner == "os" else journal
    call, left = getattr(target, name), int(sys.argv[4])
    def dying(*given, **named):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*given, **named)
    setattr(target, name, dying)
"""


@pytest.mark.parametrize(
    ("call", "turn"),
    [
        ("os.mkdir", 1),
        ("journal.lock", 1),
        ("os.fchmod", 1),
        ("os.fchmod", 3),
        ("os.fsync", 4),
        ("os.link", 1),
        ("os.link", 2),
        ("os.unlink", 1),
        ("os.unlink", 2),
        ("os.replace", 1),
    ],
)
def test_killed_at_this_very_call_and_run_again_nothing_is_left_over(
    old: Path, new: Path, call: str, turn: int
) -> None:
    (old / "sub").mkdir()
    for name in ("a.png", "cut.png", "sub/b.png"):
        (old / name).write_text(name * 100)
    (new / "cut.png").write_text("cut")
    killed = run_code(DYING, MOVE, arguments=(old, new.parent, call, turn))
    assert killed.returncode == -9, killed.stderr
    for name in names(new):
        assert Path(name).name.startswith(".moving-") or (new / name).read_text() in {"cut", name * 100}
    assert move(old, new.parent).exit_status == 0
    assert names(new.parent) == {"avatars/a.png", "avatars/cut.png", "avatars/sub/b.png"}
    assert (new / "cut.png").read_text() == "cut.png" * 100


def test_the_left_over_of_a_killed_run_is_cleared_even_when_nothing_is_to_move(old: Path, new: Path) -> None:
    (new / ".moving-0123456789abcdef").write_text("half")
    (new / ".moving-ffffffffffffffff").write_text("a picture that is only named so")
    (new.parent / ".moving-avatars-0123456789abcdef").touch()
    assert move(old, new.parent).exit_status == 0
    assert names(new.parent) == {"avatars/.moving-ffffffffffffffff"}


def test_the_unfinished_file_of_a_live_run_is_not_touched(old: Path, new: Path) -> None:
    (old / "a.png").write_text("a")
    run = journal.begin(new.parent)
    (new / run.temporary).write_text("half")
    assert move(old, new.parent).exit_status == 0
    assert (new / run.temporary).read_text() == "half"
    journal.end(run)
    assert names(new.parent) == {"avatars/a.png", f"avatars/{run.temporary}"}


def test_the_unfinished_file_of_the_running_server_is_not_touched(old: Path, new: Path) -> None:
    (new / ".incoming-0123456789abcdef").write_text("half")
    move(old, new.parent)
    assert names(new) == {".incoming-0123456789abcdef"}


@pytest.mark.parametrize("remove", [False, True])
def test_two_at_once_do_no_harm(old: Path, uploads: Path, remove: bool) -> None:
    contents = {f"{number}.png": os.urandom(2000) for number in range(200)}
    for name, data in contents.items():
        (old / name).write_bytes(data)
    code = textwrap.dedent(MOVE).replace('dry_run="dry" in sys.argv', f"remove_old={remove}")
    arguments = [sys.executable, "-c", code, str(old), str(uploads)]
    processes = [
        subprocess.Popen(arguments, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    results = [process.communicate(timeout=60) for process in processes]
    assert {name: (uploads / "avatars" / name).read_bytes() for name in names(uploads / "avatars")} == contents
    assert names(uploads) == {f"avatars/{name}" for name in contents}
    assert [process.returncode for process in processes] == [0, 0, 0], results
    assert names(old) == (set() if remove else set(contents))
