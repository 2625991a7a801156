"""Archives as others might write them."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.services.backup.archive import MANIFEST

Change = Callable[[dict[str, Any], dict[str, bytes]], object]


def members_of(path: Path) -> dict[str, bytes]:
    """As any other program reads it."""
    with tarfile.open(path, "r:gz") as found:
        return {member.name: found.extractfile(member).read() for member in found}  # type: ignore[union-attr]


def rewritten(path: Path, to: Path, change: Change = lambda _manifest, _members: None, *, honest: bool = True) -> Path:
    """The archive with its manifest and members changed; `honest` tells their sizes and hashes anew."""
    members = members_of(path)
    manifest = json.loads(members.pop(MANIFEST))
    change(manifest, members)
    if honest:
        manifest["members"] = [
            {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in members.items()
        ]
    return packed(to, [(MANIFEST, json.dumps(manifest).encode()), *members.items()])


def packed(to: Path, members: list[tuple[str | tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(to, "w:gz", format=tarfile.USTAR_FORMAT) as target:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            target.addfile(info, io.BytesIO(content))
    return unpadded(to)


def unpadded(path: Path) -> Path:
    """Without the filling that other programs put behind the two empty blocks at the end."""
    content = gzip.decompress(path.read_bytes()).rstrip(b"\0")
    content += b"\0" * (-len(content) % 512)
    path.write_bytes(gzip.compress(content + b"\0" * 1024))
    return path
