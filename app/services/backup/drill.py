"""The proof of a backup: it is restored into a scratch folder, and what comes out is compared with what went in."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine, func, select
from sqlalchemy.sql.expression import table as lightweight_table

from app import config, db
from app.config import Settings
from app.errors import NotFound
from app.models import BackupKind
from app.services import schema
from app.services.backup import archive, records, restore, rows
from app.services.backup.archive import Manifest, Unusable
from app.services.backup.create import Hashed, existing, folder
from app.services.backup.verify import verify
from app.storage import Store
from app.storage.local import CHUNK, LocalStore

SCRATCH = ".drill-"


def drill(
    engine: Engine,
    settings: Settings,
    progress: Callable[[int, int], object] = lambda _done, _total: None,
    *,
    passphrase: str | None = None,
    record_id: int | None = None,
) -> tuple[Path, Manifest]:
    """Restores the newest backup beside it, compares, and forgets the scratch folder.

    Raises NotFound where there is no backup, Unavailable where there is no room to,
    and Unusable for one that does not come out as it went in.
    """
    newest = next(iter(existing(settings, locked=passphrase is not None)), None)
    if newest is None:
        raise NotFound("There is no backup to try out yet: run `timetracker backup create`.")
    with records.running(engine, BackupKind.DRILL, name=newest.name, record_id=record_id) as run:
        manifest = verify(newest, passphrase=passphrase)
        run.total = manifest.size

        def tell(count: int) -> None:
            run.progress(count)
            progress(run.done, run.total)

        twice = 2 * manifest.size  # people work on that disk meanwhile
        restore.refuse_without_room(LocalStore(folder(settings)), twice)
        with TemporaryDirectory(prefix=SCRATCH, dir=folder(settings)) as scratch:
            _try_out(newest, manifest, Path(scratch), tell, passphrase)
        run.outcome |= {"entries": manifest.rows_of("time_entries"), "files": len(manifest.files)}
    return newest, manifest


def _try_out(path: Path, manifest: Manifest, scratch: Path, progress: archive.Progress, passphrase: str | None) -> None:
    settings = config.load({"DATA_DIR": str(scratch)})
    engine, store = db.make_engine(settings), LocalStore(settings.upload_folder)
    try:
        schema.migrate(engine, settings)
        restore.into(engine, store, path, progress, passphrase=passphrase)
        for difference in (*_of_rows(engine, manifest), *_of_files(store, manifest)):
            raise Unusable(f"{path} was restored for a try, and {difference} came out otherwise than it went in.")
    finally:
        engine.dispose()


def _of_rows(engine: Engine, manifest: Manifest) -> Iterator[str]:
    """What differs. Of an older schema, whose columns were changed since, the numbers of rows are compared."""
    hashes = {member.name: member.sha256 for member in manifest.members}
    with db.snapshot(engine) as connection:
        for told in manifest.tables:
            count = connection.scalar(select(func.count()).select_from(lightweight_table(told.name)))
            if count != told.rows:
                yield f"rows/{told.name}.jsonl"
        for table in rows.tables() if manifest.schema == schema.head() else []:
            hashed = Hashed(_Nothing())
            rows.write(connection, table, hashed)
            if hashed.sha256 != hashes.get(f"rows/{table.name}.jsonl"):
                yield f"rows/{table.name}.jsonl"


def _of_files(store: Store, manifest: Manifest) -> Iterator[str]:
    for member in manifest.files:
        hashed = Hashed(_Nothing())
        with store.open(member.name.removeprefix("files/")) as stream:
            while chunk := stream.read(CHUNK):
                hashed.write(chunk)
        if hashed.sha256 != member.sha256:
            yield member.name


class _Nothing:
    """Where what is only counted goes."""

    def write(self, content: bytes) -> int:
        return len(content)
