"""A backup behind a passphrase: as good as any other for whoever knows it, and none for everybody else."""

import errno
import io
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest

from app.db import Application
from app.errors import NotFound, Refused, Unavailable
from app.services.backup import create as creating
from app.services.backup import drill, locked
from app.services.backup.archive import Unusable
from app.services.backup.create import create, existing, folder
from app.services.backup.restore import restore
from app.services.backup.verify import verify
from tests.conftest import NOON
from tests.services.backup.conftest import Place, told

WORDS = "correct horse battery"


@pytest.fixture
def secret(company: Application) -> Path:
    return create(company.engine, company.settings, now=NOON, passphrase=WORDS).path


def test_it_is_verified_tried_out_and_restored_with_its_passphrase(
    company: Application, secret: Path, place: Callable[..., Place]
) -> None:
    before, target = told(company.engine), place()
    assert secret.name == "timetracker-20261117T110000Z.tar"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert verify(secret, passphrase=WORDS).rows_of("time_entries") == 60
    assert drill.drill(company.engine, company.settings, passphrase=WORDS)[0] == secret
    target.use()

    restore(target.engine, target.settings, secret, now=NOON + timedelta(hours=1), passphrase=WORDS)

    assert told(target.engine) == before


def test_nothing_of_it_is_read_without(secret: Path, company: Application) -> None:
    with pytest.raises(locked.Needed, match="It is encrypted: name the file with its passphrase"):
        verify(secret)
    with pytest.raises(Unusable, match="Its passphrase is another one"):
        verify(secret, passphrase=WORDS + "!")
    with pytest.raises(NotFound):
        drill.drill(company.engine, company.settings)
    content = secret.read_bytes()
    assert not [word for word in (b"manifest", b"rows", b"avatar", b"\x1f\x8b\x08") if word in content]


def test_it_is_opened_without_us(secret: Path, tmp_path: Path) -> None:
    """By tar, and by any program that knows age."""
    with tarfile.open(secret) as found:
        assert found.getnames() == [locked.KEY, locked.CONTENT]
        key, content = (found.extractfile(name).read() for name in found.getnames())  # type: ignore[union-attr]
    identity = pyrage.x25519.Identity.from_str(pyrage.passphrase.decrypt(key, WORDS).decode())
    plain = tmp_path / "backup.tar.gz"
    plain.write_bytes(pyrage.decrypt(content, [identity]))

    assert verify(plain) == verify(secret, passphrase=WORDS)


def test_damage_is_found(secret: Path) -> None:
    whole = secret.read_bytes()
    bad = [whole[:length] for length in (600, 1100, 1600, len(whole) // 2, len(whole) - 2000)]
    bad += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in (550, 1600, len(whole) // 2)]
    for content in bad:
        secret.write_bytes(content)
        with pytest.raises(Unusable):
            verify(secret, passphrase=WORDS)


def test_a_full_disk_is_told(company: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, content: Any) -> int:
            if len(content) > 4096:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(content)

    encrypting = locked.encrypting
    monkeypatch.setattr(locked, "encrypting", lambda _file, words: encrypting(Full(), words))
    with pytest.raises(Unavailable, match="No space left on device"):
        create(company.engine, company.settings, now=NOON, passphrase=WORDS)

    assert list(folder(company.settings).iterdir()) == []
    assert existing(company.settings) == []
    assert creating.SUFFIX == ".tar.gz"


def test_a_passphrase_is_the_first_line_of_a_file_and_not_too_short(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text(f"  {WORDS}\nsomething else\n")
    assert locked.passphrase_in(file) == WORDS
    for content in (b"short\n", b"", b"\xff" * 20):
        file.write_bytes(content)
        with pytest.raises(Refused, match=str(file)):
            locked.passphrase_in(file)
    with pytest.raises(Refused, match="No such file"):
        locked.passphrase_in(tmp_path / "no")
