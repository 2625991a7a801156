"""Logos and attachments are moved as pictures are, each kind to its place, and no name leads anywhere else."""

import os
import socket
import stat
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from app.storage import relocate
from app.storage.relocate import (
    ALL,
    ATTACHMENTS,
    KINDS,
    LOGOS,
    PICTURES,
    Kind,
    Move,
    Tally,
    places_in,
    rehearsal,
    removal,
)
from app.storage.relocate import move as moving
from tests.storage.relocate.ground import BIG, names, outcomes, reason, run_code, state

FOLDERS_OF_ATTACHMENTS = [
    "project_attachments",
    "client_attachments",
    "comment_attachments",
    "quote_attachments",
    "quote_images",
    "invoice_images",
    "editor",
    "template_images",
    "portal_customization",
    "chat_attachments",
    "receipts",
]
GOES_TO = {  # an old file, and where it is to be found afterwards
    "avatars/avatar_1_0123abcd.png": "avatars/avatar_1_0123abcd.png",
    "logos/company_logo_0123abcd.png": "logos/company_logo_0123abcd.png",
    **{f"{folder}/1_Angebot.pdf": f"legacy/{folder}/1_Angebot.pdf" for folder in FOLDERS_OF_ATTACHMENTS},
}
OF_KIND = {
    "avatars": {"avatars/avatar_1_0123abcd.png"},
    "logos": {"logos/company_logo_0123abcd.png"},
    "attachments": {f"legacy/{folder}/1_Angebot.pdf" for folder in FOLDERS_OF_ATTACHMENTS},
    "all": set(GOES_TO.values()),
}
OTHERS = pytest.mark.parametrize("kind", [LOGOS, ATTACHMENTS, ALL], ids=lambda kind: str(kind.name))


def move(kind: Kind, given: Path, uploads: Path, *, dry_run: bool = False, remove_old: bool = False) -> Tally:
    places = tuple(places_in(given, kind))
    return relocate.run(Move(uploads, places, dry_run=dry_run, remove_old=remove_old, kind=kind))


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The old `uploads` folder with one file of each sort, and what nobody moves."""
    folder = tmp_path / "before" / "uploads"
    for name in (*GOES_TO, "exports/all.csv"):
        put(folder / name, name)
    return folder


def put(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


# Where it goes


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_each_kind_goes_to_its_own_place_with_its_bytes_and_its_time(before: Path, uploads: Path, kind: Kind) -> None:
    for name in GOES_TO:
        os.utime(before / name, ns=(10**18, 10**18))
    given = before / "avatars" if kind is PICTURES else before
    there = len(names(before))

    tally = move(kind, given, uploads)

    assert names(uploads) == OF_KIND[kind.name]
    assert tally.exit_status == 0
    for old, new in GOES_TO.items():
        if new in OF_KIND[kind.name]:
            assert (uploads / new).read_text() == old
            assert (uploads / new).stat().st_mtime_ns == 10**18
            assert stat.S_IMODE((uploads / new).stat().st_mode) == 0o644
    assert len(names(before)) == there


def test_what_is_said_names_files_from_the_place_it_names(before: Path, uploads: Path) -> None:
    logos, attachments = move(LOGOS, before, uploads), move(ATTACHMENTS, before, uploads)
    everything = move(ALL, before, uploads)

    assert relocate.report(logos) == f"Moved 1 logo to {uploads}/logos."
    assert relocate.report(attachments) == f"Moved 11 attachments to {uploads}/legacy."
    assert relocate.report(everything) == f"Moved 1 file to {uploads} (12 were already there)."
    for tally in (logos, attachments, everything):
        assert all((tally.to / name).is_file() for name in tally.standing)
        assert tally.upload_root == uploads


def test_logos_are_found_in_the_folder_named_and_in_its_logos(before: Path, tmp_path: Path, uploads: Path) -> None:
    (tmp_path / "from the host").mkdir()
    (before / "logos/company_logo_0123abcd.png").rename(tmp_path / "from the host/company_logo_4567cdef.gif")
    put(before / "logos/company_logo_89abcdef.webp", "logo")

    for given in (before, before / "logos", tmp_path / "from the host"):
        assert move(LOGOS, given, uploads).exit_status == 0

    assert names(uploads) == {"logos/company_logo_4567cdef.gif", "logos/company_logo_89abcdef.webp"}


def test_a_folder_of_pictures_is_itself_whatever_lies_in_it(before: Path, uploads: Path) -> None:
    put(before / "avatars/logos/a.png", "a")

    move(PICTURES, before / "avatars", uploads)

    assert names(uploads) == {"avatars/avatar_1_0123abcd.png", "avatars/logos/a.png"}


def test_one_folder_of_attachments_may_be_named_itself_whatever_lies_in_it(before: Path, uploads: Path) -> None:
    put(before / "receipts/editor/1.png", "1")

    assert move(ATTACHMENTS, before / "receipts", uploads).exit_status == 0

    assert names(uploads) == {"legacy/receipts/1_Angebot.pdf", "legacy/receipts/editor/1.png"}


def test_sub_folders_of_attachments_keep_their_place(before: Path, uploads: Path) -> None:
    put(before / "receipts/2025/Café 1.pdf", "coffee")
    put(before / "receipts/editor/1.pdf", "a name we know elsewhere")

    move(ATTACHMENTS, before, uploads)

    assert {"legacy/receipts/2025/Café 1.pdf", "legacy/receipts/editor/1.pdf"} <= names(uploads)


def test_old_places_are_those_the_timetracker_of_old_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "CHECKOUT", Path("/srv/timetracker"))
    logos = [str(place) for place in relocate.old_places(LOGOS)]
    everything = {str(place) for place in relocate.old_places(ALL)}

    beside = ("/srv/timetracker/app/static/uploads", "/app/app/static/uploads", "/app/static/uploads")
    assert logos == [f"{folder}/logos" for folder in beside]
    assert {f"{folder}/{name}" for folder in beside for name in ("avatars", "logos", *FOLDERS_OF_ATTACHMENTS)} <= (
        everything
    )
    assert {"/app/uploads/project_attachments", "/data/uploads/receipts"} <= everything
    assert not {"/app/uploads/editor", "/data/uploads/logos"} & everything


def test_the_same_folder_at_two_old_places_is_judged_alike_by_a_dry_run(tmp_path: Path, uploads: Path) -> None:
    for number in ("1", "2"):
        put(tmp_path / number / "receipts/same.pdf", "same")
        put(tmp_path / number / "receipts/other.pdf", number)
    both = (tmp_path / "1/receipts", tmp_path / "2/receipts")

    for dry_run in (True, False):
        tally = relocate.run(Move(uploads, both, dry_run=dry_run, kind=ATTACHMENTS))
        assert [(item.outcome.value, item.name) for item in tally.items] == [
            ("moved", "receipts/other.pdf"),
            ("moved", "receipts/same.pdf"),
            ("conflict", "receipts/other.pdf"),
            ("already there", "receipts/same.pdf"),
        ]


def test_a_folder_of_another_kind_is_no_old_folder(before: Path, uploads: Path) -> None:
    with pytest.raises(LookupError, match="no old folder of the kind attachments"):
        relocate.run(Move(uploads, (before / "logos",), kind=ATTACHMENTS))


# Where there is nothing


@OTHERS
def test_a_kind_that_is_missing_is_success_and_says_where_it_looked(tmp_path: Path, uploads: Path, kind: Kind) -> None:
    put(tmp_path / "uploads of old/exports/all.csv", "x")
    for given in (tmp_path / "nowhere", tmp_path / "uploads of old/exports/logos"):
        tally = move(kind, given, uploads)
        assert tally.exit_status == 0
        assert relocate.report(tally) == f"Nothing to move: there is no old folder. Looked in: {given}"
    assert not uploads.exists()


@OTHERS
def test_a_kind_may_be_missing_among_others(before: Path, uploads: Path, kind: Kind) -> None:
    for name in ("logos", "receipts", "editor"):
        (before / name).rename(before.parent / name)

    tally = move(kind, before, uploads)

    assert tally.exit_status == 0
    assert names(uploads) == {
        new for new in OF_KIND[kind.name] if not {"logos", "receipts", "editor"} & {*new.split("/")}
    }


def test_where_several_folders_were_looked_for_those_around_them_are_named(uploads: Path, tmp_path: Path) -> None:
    tally = move(ATTACHMENTS, tmp_path / "nowhere", uploads)

    assert relocate.report(tally) == f"Nothing to move: there is no old folder. Looked in: {tmp_path}/nowhere"
    assert len(tally.places) == len(FOLDERS_OF_ATTACHMENTS)


def test_the_new_place_itself_is_nothing_to_move_and_never_removed(uploads: Path) -> None:
    for name in OF_KIND["all"]:
        put(uploads / name, name)

    for given, kind in ((uploads, LOGOS), (uploads / "legacy", ATTACHMENTS)):
        tally = move(kind, given, uploads, remove_old=True)
        assert tally.exit_status == 0
        assert "is the new place itself; nothing to move" in relocate.report(tally)

    assert names(uploads) == OF_KIND["all"]


# What they may be called


def test_a_logo_is_called_as_the_timetracker_of_old_called_it(tmp_path: Path, uploads: Path) -> None:
    endings = [f"company_logo_0123abcd.{ending}" for ending in ("png", "jpg", "jpeg", "gif", "webp")]
    odd = [
        "company_logo_0123abcd.svg",
        "company_logo_0123abcd.png.html",
        "company_logo_0123abcd",
        "company_logo_.\n.png",
        "company_logo_é.png",
        "company_logo_a b.png",
        "logo.png",
        ".company_logo_0123abcd.png",
        "sub/company_logo_0123abcd.png",
        "company_logo_4567cdef.png/script.html",
    ]
    for name in (*endings, *odd, ".gitkeep"):
        put(tmp_path / "logos" / name, name)

    tally = move(LOGOS, tmp_path, uploads)

    assert outcomes(tally) == dict.fromkeys(endings, "moved") | dict.fromkeys(odd, "left")
    assert names(uploads / "logos") == set(endings)
    assert all("not named as a company logo" in reason(tally, name) for name in odd)
    assert tally.exit_status == 1


def test_an_attachment_with_an_unsafe_name_is_named_and_left(tmp_path: Path, uploads: Path) -> None:
    safe = ["1_20251029_Angebot für Müller.pdf", "-rf", "a..b", "x" * 255, "'\"$(x).pdf"]
    hidden = [".htaccess", ".incoming-0123456789abcdef", "..x", ".git/config", "sub/.env"]
    unsafe = [
        "a\nb.pdf",
        "a\x1b[31m.pdf",
        "x\\..\\..\\evil.pdf",
        "a\u202egpj.exe",
        os.fsdecode(b"a\xff.pdf"),
        "a\\b/c.pdf",
    ]
    for name in (*safe, *hidden, *unsafe):
        put(tmp_path / "client_attachments" / name, "x")

    tally = move(ATTACHMENTS, tmp_path, uploads)

    assert names(uploads) == {f"legacy/client_attachments/{name}" for name in safe}
    assert all("hidden" in reason(tally, f"client_attachments/{name}") for name in hidden)
    assert all("not safe" in reason(tally, f"client_attachments/{name}") for name in unsafe)
    assert tally.exit_status == 1
    assert all(line.isprintable() for line in relocate.report(tally).splitlines())


@OTHERS
def test_links_and_what_is_no_file_are_left_whatever_they_are_called(tmp_path: Path, uploads: Path, kind: Kind) -> None:
    put(tmp_path / "secret.png", "secret")
    for folder in ("logos", "receipts"):
        (tmp_path / "old" / folder).mkdir(parents=True)
        (tmp_path / "old" / folder / "company_logo_1.png").symlink_to(tmp_path / "secret.png")
        (tmp_path / "old" / folder / "outside").symlink_to(tmp_path)
        os.mkfifo(tmp_path / "old" / folder / "company_logo_2.png")
        with socket.socket(socket.AF_UNIX) as listener:
            short = f"/proc/self/fd/{os.open(tmp_path / 'old' / folder, os.O_PATH)}"
            listener.bind(f"{short}/company_logo_3.png")

    tally = move(kind, tmp_path / "old", uploads)

    assert set(outcomes(tally).values()) == {"left"}
    assert len(tally.items) == (8 if kind is ALL else 4)
    assert names(uploads) == set()


# What is already there


@OTHERS
def test_a_second_run_changes_nothing_not_even_a_time(tmp_path: Path, before: Path, uploads: Path, kind: Kind) -> None:
    move(kind, before, uploads)
    list(tmp_path.rglob("*"))
    seen = state(tmp_path)

    tally = move(kind, before, uploads)

    assert state(tmp_path) == seen
    assert set(outcomes(tally).values()) == {"already there"}
    assert tally.exit_status == 0


@OTHERS
def test_another_file_of_the_same_name_is_never_overwritten_and_a_cut_off_one_repaired(
    before: Path, uploads: Path, kind: Kind
) -> None:
    for name in OF_KIND[kind.name]:
        put(uploads / name, "another")
    if kind is not LOGOS:
        (before / "editor/1_Angebot.pdf").write_bytes(BIG)
        (uploads / "legacy/editor/1_Angebot.pdf").write_bytes(BIG[:300_000])

    tally = move(kind, before, uploads, remove_old=True)

    repaired = {item.name for item in tally.items if item.outcome is relocate.Outcome.REPAIRED}
    assert repaired == (
        {"attachments": {"editor/1_Angebot.pdf"}, "all": {"legacy/editor/1_Angebot.pdf"}}.get(kind.name, set())
    )
    assert set(outcomes(tally).values()) - {"repaired"} == {"conflict"}
    assert tally.exit_status == 1
    for old, new in GOES_TO.items():
        if new in OF_KIND[kind.name] and "editor" not in new:
            assert (uploads / new).read_text() == "another"
            assert (before / old).exists()


def test_nothing_is_written_through_a_link_below_legacy(tmp_path: Path, before: Path, uploads: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    put(before / "receipts/sub/1.pdf", "1")
    (uploads / "legacy/receipts").mkdir(parents=True)
    (uploads / "legacy/receipts/sub").symlink_to(tmp_path / "elsewhere")
    (uploads / "legacy/receipts/1_Angebot.pdf").symlink_to(tmp_path / "nothing")

    tally = move(ATTACHMENTS, before, uploads)

    assert len(tally.having(relocate.Outcome.CONFLICT)) == 2
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "nothing").exists()


# Dry run, removal, kill


@OTHERS
def test_a_dry_run_writes_nothing_and_foresees_the_same(
    tmp_path: Path, before: Path, uploads: Path, kind: Kind
) -> None:
    put(before / "logos/other.svg", "left")
    put(before / "receipts/.hidden", "left")
    put(uploads / "legacy/receipts/1_Angebot.pdf", "another")
    (uploads / ".moving-avatars-0123456789abcdef").touch()
    list(tmp_path.rglob("*"))
    seen = state(tmp_path)

    foreseen = move(kind, before, uploads, dry_run=True, remove_old=True)

    assert state(tmp_path) == seen
    done = move(kind, before, uploads)
    assert outcomes(foreseen) == outcomes(done)
    assert foreseen.exit_status == done.exit_status == 1


def test_a_dry_run_counts_what_all_folders_need_together(
    before: Path, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = sum((before / name).stat().st_size for name in GOES_TO)
    monkeypatch.setattr(rehearsal, "_room", lambda _folder: needed)
    assert move(ALL, before, uploads, dry_run=True).exit_status == 0

    monkeypatch.setattr(rehearsal, "_room", lambda _folder: needed - 1)
    tally = move(ALL, before, uploads, dry_run=True)

    assert [f"{needed} bytes are needed, {needed - 1} are free" in trouble for trouble in tally.troubles] == [True]
    assert tally.exit_status == 1


@OTHERS
def test_the_old_are_removed_once_they_stand_at_the_new_place(before: Path, uploads: Path, kind: Kind) -> None:
    put(before / "logos/notes.txt", "left")
    stay = {old for old, new in GOES_TO.items() if new not in OF_KIND[kind.name]}

    tally = move(kind, before, uploads, remove_old=True)

    assert names(before) == stay | {"logos/notes.txt", "exports/all.csv"}
    assert names(uploads) == OF_KIND[kind.name]
    assert tally.removed == len(OF_KIND[kind.name])
    assert f"Removed {kind.count(tally.removed)} from the old folder" in relocate.report(tally)


def test_what_is_not_removed_is_named_with_its_folder(
    before: Path, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(old: Path, *rest: object) -> object:
        if old.name == "receipts":
            (old / "1_Angebot.pdf").write_text("changed")
        return removal.remove_old(old, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(moving, "remove_old", changing)

    tally = move(ALL, before, uploads, remove_old=True)

    assert list(tally.troubles) == [
        '"legacy/receipts/1_Angebot.pdf" was not removed from the old folder: it changed after it was copied.'
    ]


DYING = """
    import os, signal, sys
    from pathlib import Path
    from app.storage import relocate
    call, left = getattr(os, sys.argv[3]), int(sys.argv[4])
    def dying(*given, **named):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*given, **named)
    setattr(os, sys.argv[3], dying)
    kind = relocate.KINDS["all"]
    relocate.run(relocate.Move(Path(sys.argv[2]), tuple(relocate.places_in(Path(sys.argv[1]), kind)), kind=kind))
"""


@pytest.mark.parametrize(
    ("call", "turn"),
    [("mkdir", 3), ("fchmod", 2), ("fchmod", 5), ("link", 3), ("link", 13), ("unlink", 7), ("unlink", 14)],
)
def test_killed_in_any_folder_and_run_again_nothing_is_left_over(
    before: Path, uploads: Path, call: str, turn: int
) -> None:
    killed = run_code(DYING, arguments=(before, uploads, call, turn))
    assert killed.returncode == -9, killed.stderr
    halves = {name for name in names(uploads) if "/.moving-" in name}
    assert len([name for name in names(uploads) if name.startswith(".moving-")]) <= 1
    assert names(uploads) - halves <= OF_KIND["all"] | {path.name for path in uploads.glob(".moving-*")}

    assert move(ALL, before, uploads).exit_status == 0

    assert names(uploads) == OF_KIND["all"]
    assert {old: (uploads / new).read_text() for old, new in GOES_TO.items()} == {old: old for old in GOES_TO}


def test_what_a_killed_run_left_is_cleared_by_a_run_of_any_kind(before: Path, uploads: Path) -> None:
    killed = run_code(DYING, arguments=(before, uploads, "link", 13))
    assert killed.returncode == -9, killed.stderr
    assert any("legacy/receipts/.moving-" in name for name in names(uploads))

    move(PICTURES, before / "avatars", uploads)

    assert names(uploads) == OF_KIND["all"] - {"legacy/receipts/1_Angebot.pdf"}


def test_one_token_serves_a_whole_run(before: Path, uploads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, set[str]] = defaultdict(set)
    link = os.link

    def noting(source: str, target: str, **more: object) -> None:
        seen[source].add(str(len(list(uploads.glob(".moving-avatars-*")))))
        link(source, target, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", noting)
    move(ALL, before, uploads)

    assert len(seen) == 1
    assert set().union(*seen.values()) == {"1"}
    assert list(uploads.glob(".moving-*")) == []


def test_it_takes_what_the_system_copies_as_a_whole(before: Path, uploads: Path, tmp_path: Path) -> None:
    """As `docker cp CONTAINER:/app/app/static/uploads ./old-uploads` does."""
    subprocess.run(["cp", "-a", before, tmp_path / "old-uploads"], check=True)

    assert move(ALL, tmp_path / "old-uploads", uploads).exit_status == 0

    assert names(uploads) == OF_KIND["all"]
