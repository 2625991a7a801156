"""Reads all of an archive and believes nothing."""

from pathlib import Path
from typing import BinaryIO

from app.services import schema
from app.services.backup import rows
from app.services.backup.archive import Manifest, Progress, TableOf, Unusable
from app.services.backup.opening import opened


def verify(path: Path, progress: Progress = lambda _bytes: None, *, passphrase: str | None = None) -> Manifest:
    """What the archive tells of itself, every byte of it looked at; nothing is written. Raises Unusable."""
    with opened(path, passphrase) as found:
        refuse_unknown(found.manifest)
        tables = {f"rows/{table.name}.jsonl": table for table in found.manifest.tables}
        named: set[str] = set()
        for member, content in found.members(progress):
            if member.name in tables:
                named |= _read(tables[member.name], content)
        _refuse_other_files(found.manifest, named)
        return found.manifest


def refuse_unknown(manifest: Manifest) -> None:
    """Raises Unusable for what this version cannot restore."""
    if manifest.schema not in schema.revisions():
        raise Unusable(
            f"It was made by TimeTracker {manifest.version:.20}, whose schema this version does not know: "
            "install that version, or a newer one."
        )
    for table in manifest.tables:
        if table.name in rows.LEFT_OUT:
            raise Unusable(f"It holds rows of {table.name}, which no backup has.")
    if manifest.rows_of("installations") != 1:
        raise Unusable("It does not tell which installation it is of.")


def _read(table: TableOf, content: BinaryIO) -> set[str]:
    """Takes every row apart, and says which files they name."""
    found = rows.read(table, content)
    if table.name == "stored_files":
        return {f"files/{rows.key_of_file(row)}" for row in found}
    for _row in found:
        pass
    return set()


def _refuse_other_files(manifest: Manifest, named: set[str]) -> None:
    """A row whose file is not there is told of in the manifest, or the archive is not whole."""
    held = {member.name for member in manifest.files}
    if beyond := held - named:
        raise Unusable(f"{min(beyond)} belongs to no row.")
    if lost := named - held - set(manifest.damaged):
        raise Unusable(f"{min(lost)} is missing.")
