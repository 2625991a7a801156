"""The marker tells an installation's upload root from an empty, freshly mounted folder (law 1)."""

import errno
import json
import os
from pathlib import Path

import pytest

from app.storage import marker


def test_what_is_written_is_read(tmp_path: Path) -> None:
    marker.write(tmp_path / "new" / "root", "id-1")

    assert marker.read(tmp_path / "new" / "root") == "id-1"


def test_writing_again_replaces(tmp_path: Path) -> None:
    marker.write(tmp_path, "id-1")
    marker.write(tmp_path, "id-2")

    assert marker.read(tmp_path) == "id-2"
    assert [path.name for path in tmp_path.iterdir()] == [marker.MARKER]


def test_the_marker_is_hidden_and_says_what_it_is(tmp_path: Path) -> None:
    marker.write(tmp_path, "id-1")

    assert json.loads((tmp_path / ".timetracker-installation").read_text()) == {"installation": "id-1"}


@pytest.mark.parametrize(
    "content", [b"", b"id-1", b"[]", b"{}", b'{"installation": null}', b"\xff", b'{"installation": "id-1"']
)
def test_a_marker_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / marker.MARKER).write_bytes(content)

    assert marker.read(tmp_path) is None


def test_without_root_below_a_file_or_as_a_folder_there_is_no_marker(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / marker.MARKER).mkdir()

    assert marker.read(tmp_path / "missing") is None
    assert marker.read(tmp_path / "file") is None
    assert marker.read(tmp_path) is None


def test_a_marker_nobody_may_read_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "closed")

    marker.write(tmp_path, "id-1")
    monkeypatch.setattr(Path, "read_text", closed)

    assert marker.read(tmp_path) is None


def test_a_failing_write_keeps_the_former_marker_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    marker.write(tmp_path, "id-1")
    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match="full"):
        marker.write(tmp_path, "id-2")

    assert marker.read(tmp_path) == "id-1"
    assert [path.name for path in tmp_path.iterdir()] == [marker.MARKER]
