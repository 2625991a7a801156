"""What the tests of the move share: folders, streams, and a process that moves."""

import io
import os
import subprocess
import sys
import tarfile
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.storage import relocate
from app.storage.relocate import Move, Tally

BIG = bytes(range(256)) * 4000  # several chunks


CHECKOUT = Path(__file__).resolve().parents[3]
NOBODY = 65534
HOSTILE = os.fsdecode(b'a\xff\n\x1b[31m"\\.png')

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up its rights to try another's")


def move(old: Path, uploads: Path, *, dry_run: bool = False, remove_old: bool = False) -> Tally:
    return relocate.run(Move(uploads, (old,), dry_run=dry_run, remove_old=remove_old))


def move_stream(stream: bytes, uploads: Path, *, dry_run: bool = False) -> Tally:
    return relocate.run(Move(uploads, stream=io.BufferedReader(io.BytesIO(stream)), dry_run=dry_run))


def outcomes(tally: Tally) -> dict[str, str]:
    return {item.name: item.outcome.value for item in tally.items}


def reason(tally: Tally, name: str) -> str:
    return next(item.reason for item in tally.items if item.name == name)


def state(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that can be seen of a tree without opening it, times of last access included."""
    seen: dict[str, tuple[object, ...]] = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        times = (status.st_mtime_ns, status.st_ctime_ns, status.st_atime_ns)
        seen[str(path)] = (status.st_ino, status.st_mode, status.st_size, *times)
    return seen


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def archive(*members: tuple[str, bytes], top: str | None = "avatars/", mode: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar stream: `top` as its first folder, then files by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=mode, errors="surrogateescape") as tar:
        if top is not None:
            folder = tarfile.TarInfo(top)
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode, info.uid = len(data), 1_700_000_000, 0o600, 4242
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def special_archive(kind: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        picture, odd = tarfile.TarInfo("avatars/x.png"), tarfile.TarInfo("avatars/odd")
        tar.addfile(picture)
        odd.type, odd.linkname = kind, "avatars/x.png"
        tar.addfile(odd)
    return buffer.getvalue()


@contextmanager
def common_ground() -> Iterator[Path]:
    """A folder everybody can enter, other than pytest's own."""
    with TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


def run_code(*code: str, arguments: Sequence[object]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "".join(map(textwrap.dedent, code)), *map(str, arguments)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


MOVE = """
    import sys
    from pathlib import Path
    from app.storage import relocate
    tally = relocate.run(relocate.Move(Path(sys.argv[2]), (Path(sys.argv[1]),), dry_run="dry" in sys.argv))
    print(relocate.report(tally))
    sys.exit(tally.exit_status)
"""
AS_NOBODY = """
    import os
    from app.storage import relocate
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
"""
