"""An archive is read to its end, and whatever is not as it was made is refused with a sentence that names it."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from app.services.backup import archive
from app.services.backup.archive import MANIFEST, Changed, Manifest, Member, Unusable, Writer
from app.services.backup.restore import restore
from app.services.backup.verify import verify
from tests.conftest import NOON
from tests.services.backup.conftest import FILES, Place, files, told
from tests.services.backup.hostile import Change, members_of, packed, rewritten


def test_a_backup_is_whole(backup: Path) -> None:
    manifest = verify(backup)

    assert (manifest.rows_of("users"), manifest.rows_of("time_entries"), len(manifest.files)) == (3, 60, FILES)
    assert manifest.damaged == {}


def test_other_programs_read_it_and_what_they_write_alike_is_read(backup: Path, tmp_path: Path) -> None:
    members = members_of(backup)
    assert [member.name for member in verify(backup).members] == list(members)[1:]

    assert verify(rewritten(backup, tmp_path / "again.tar.gz")).members == verify(backup).members


Members = dict[str, bytes]


def beyond(name: str) -> Change:
    def add(manifest: dict[str, Any], members: Members) -> None:
        members[name] = b"x"
        if name in {member["name"] for member in manifest["members"]}:
            return

    return add


def without(name: str) -> Change:
    return lambda _manifest, members: members.pop(next(found for found in members if name in found))


def flipped(name: str) -> Change:
    def flip(_manifest: dict[str, Any], members: Members) -> None:
        key = next(found for found in members if name in found)
        members[key] = bytes([members[key][0] ^ 1]) + members[key][1:]

    return flip


def told_otherwise(**values: Any) -> Change:
    return lambda manifest, _members: manifest.update(values)


def sessions(manifest: dict[str, Any], members: Members) -> None:
    manifest["tables"].append({"name": "user_sessions", "columns": {"id": "integer"}, "rows": 0})
    members["rows/user_sessions.jsonl"] = b""


def too_many_rows(manifest: dict[str, Any], _members: Members) -> None:
    manifest["tables"][1]["rows"] += 1


def larger(manifest: dict[str, Any], _members: Members) -> None:
    manifest["members"][-1]["size"] += 1


def twice(manifest: dict[str, Any], _members: Members) -> None:
    manifest["members"].append(manifest["members"][-1])


def a_file_of_nobody(_manifest: dict[str, Any], members: Members) -> None:
    members["files/avatars/of_nobody.webp"] = b"x"


def damage_by_name(manifest: dict[str, Any], _members: Members) -> None:
    manifest["damaged"] = ["x"]


HOSTILE: list[tuple[str, Change, bool, str]] = [
    ("a flipped bit in a file", flipped("avatar_1"), False, r"avatar_1_\w+\.webp is damaged"),
    ("a flipped bit in rows", flipped("users"), False, r"(?s)rows/users\.jsonl (is damaged|cannot be read)|Row 1 of"),
    ("a missing file", without("avatar_2"), False, r"avatar_2_\w+\.webp is missing"),
    ("a missing file that the manifest hides", without("avatar_2"), True, r"avatar_2_\w+\.webp is missing"),
    ("missing rows", without("tags.jsonl"), False, r"rows/\w*tags\.jsonl is missing"),
    ("missing rows that the manifest hides", without("rows/tags"), True, "manifest cannot be read"),
    ("a member beyond", beyond("files/avatars/more.webp"), False, "'files/avatars/more.webp', of which"),
    ("a file of nobody", a_file_of_nobody, True, "files/avatars/of_nobody.webp belongs to no row"),
    ("a path that leaves", beyond("files/avatars/../../../x"), True, "'files/avatars/../../../x', which is no name"),
    ("a path that begins at the root", beyond("/etc/passwd"), True, "'/etc/passwd', which is no name"),
    ("a hidden file", beyond("files/avatars/.timetracker-installation"), True, "is no name"),
    ("a file beside the folders", beyond("files/x"), True, "'files/x', which is no name"),
    ("another size", larger, False, r"bytes and not the \d+ that its manifest tells"),
    ("a member twice", twice, False, "manifest cannot be read"),
    ("rows it tells of otherwise", too_many_rows, True, "rows and not the"),
    ("sessions", sessions, True, "rows of user_sessions, which no backup has"),
    ("a newer form", told_otherwise(format=2), True, "newer version"),
    ("no version", told_otherwise(version=None), True, "manifest cannot be read"),
    ("no tables", told_otherwise(tables=5), True, "manifest cannot be read"),
    ("an odd list of damage", damage_by_name, True, "manifest cannot be read"),
]


@pytest.mark.parametrize(
    ("change", "honest", "says"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE]
)
def test_what_is_not_as_it_was_made_is_refused_before_anything_changes(
    backup: Path, tmp_path: Path, place: Callable[..., Place], change: Change, honest: bool, says: str
) -> None:
    target = place().use()
    bad = rewritten(backup, tmp_path / "bad.tar.gz", change, honest=honest)

    refused(bad, target, says)


def refused(bad: Path, target: Place, says: str) -> None:
    before = told(target.engine)
    with pytest.raises(Unusable, match=says) as raised:
        verify(bad)
    assert str(bad) in str(raised.value)
    with pytest.raises(Unusable, match=says):
        restore(target.engine, target.settings, bad, now=NOON)
    assert told(target.engine) == before
    assert files(target.store) == {}


@pytest.mark.parametrize(
    ("kind", "called"), [("SYMTYPE", "files/avatars/x"), ("LNKTYPE", "x"), ("CHRTYPE", "x"), ("DIRTYPE", "files")]
)
def test_links_devices_and_folders_are_refused(
    backup: Path, tmp_path: Path, place: Callable[..., Place], kind: str, called: str
) -> None:
    odd = tarfile.TarInfo(called)
    odd.type, odd.linkname = getattr(tarfile, kind), "/etc/passwd" if "LNK" in kind or "SYM" in kind else ""
    manifest, *others = members_of(backup).items()

    refused(packed(tmp_path / "odd.tar.gz", [manifest, (odd, b""), *others]), place().use(), "is no plain file")


def test_the_long_names_of_other_programs_are_refused_unread(backup: Path, tmp_path: Path) -> None:
    """They are read into memory before anybody asks how long they are."""
    with tarfile.open(bad := tmp_path / "long.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as target:
        info = tarfile.TarInfo("x" * 100_000)
        target.addfile(info, io.BytesIO())

    with pytest.raises(Unusable, match="is no plain file"):
        verify(bad)


def test_a_bomb_is_refused_at_its_head(backup: Path, tmp_path: Path) -> None:
    """7 GiB of nothing behind a head that says so: it is not unpacked."""
    manifest = Member(MANIFEST, 7 * 2**30, "0" * 64)
    bomb = tmp_path / "bomb.tar.gz"
    bomb.write_bytes(gzip.compress(archive._header(manifest) + b"\0" * 2**20) * 3)

    with pytest.raises(Unusable, match="too large to be true"):
        verify(bomb)


def test_a_manifest_that_is_deeply_nested_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="manifest cannot be read"):
        verify(packed(tmp_path / "deep.tar.gz", [(MANIFEST, b"[" * 900_000)]))


def test_something_behind_the_end_is_refused(backup: Path, place: Callable[..., Place]) -> None:
    backup.write_bytes(backup.read_bytes() + gzip.compress(b"more"))

    refused(backup, place().use(), "something stands behind its last member")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (other := tmp_path / "other").write_bytes(b"PK\3\4 nothing of ours")
    for path, says in ((other, "cannot be unpacked"), (tmp_path, "Is a directory"), (tmp_path / "no", "No such file")):
        with pytest.raises(Unusable, match=says):
            verify(path)


def test_a_flipped_bit_is_found_or_says_nothing(backup: Path) -> None:
    """A few bits of a gzip file mean nothing, such as its time and what fills up a byte."""
    whole, chance, found = backup.read_bytes(), Random(4), 0
    expected = verify(backup)
    for _ in range(300):
        at = chance.randrange(len(whole))
        backup.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :])
        try:
            assert verify(backup) == expected
        except Unusable:
            found += 1
    assert found > 270


def test_an_archive_that_is_cut_off_is_refused_wherever_that_is(backup: Path) -> None:
    whole = backup.read_bytes()
    for length in (0, 1, 9, 100, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        backup.write_bytes(whole[:length])
        with pytest.raises(Unusable, match=r"cut off|is missing"):
            verify(backup)


class TestTheWriter:
    def test_stores_what_is_compressed_already(self) -> None:
        target, noise = io.BytesIO(), Random(1).randbytes(200_000)
        writer = Writer(target)
        for content in (noise, b"0" * 200_000):
            member = Member("files/avatars/x", len(content), hashlib.sha256(content).hexdigest())
            writer.add(member, io.BytesIO(content))
            content_size = target.tell()
        writer.close()

        assert 200_000 < content_size < 203_000

    @pytest.mark.parametrize("content", [b"shorter", b"longer than it", b"other bytes"])
    def test_notices_what_is_not_as_announced(self, content: bytes) -> None:
        member = Member("files/avatars/x", 11, hashlib.sha256(b"as it was ..").hexdigest())

        with pytest.raises(Changed):
            Writer(io.BytesIO()).add(member, io.BytesIO(content))

    def test_tells_a_manifest_that_is_read_as_it_was(self, backup: Path) -> None:
        manifest = verify(backup)

        assert Manifest.of_bytes(manifest.as_bytes()) == manifest
        assert json.loads(manifest.as_bytes())["members"]
