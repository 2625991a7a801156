"""Whether a container would take the data with it, read from mount tables as engines write them."""

from pathlib import Path

import pytest

from app.storage.mounts import Keeping, file_system, keeping

ROOT = "574 480 0:77 / / rw,relatime - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A\n"
NAMED = "601 574 8:1 /var/lib/docker/volumes/timetracker_app_data/_data /data rw,relatime - ext4 /dev/sda1 rw\n"
ANONYMOUS = f"601 574 8:1 /var/lib/docker/volumes/{'0123456789abcdef' * 4}/_data /data rw - ext4 /dev/sda1 rw\n"
BIND = "601 574 8:1 /srv/time\\040tracker /data rw,relatime - ext4 /dev/sda1 rw\n"
ELSEWHERE = "602 574 0:5 / /database rw - tmpfs tmpfs rw\n"


@pytest.mark.parametrize(
    ("table", "folder", "kept"),
    [
        (ROOT, "/data", Keeping.IMAGE),
        (ROOT + ELSEWHERE, "/data", Keeping.IMAGE),
        (ROOT + NAMED, "/data", Keeping.KEPT),
        (ROOT + NAMED, "/data/uploads", Keeping.KEPT),
        (ROOT + NAMED, "/app", Keeping.IMAGE),
        (ROOT + ANONYMOUS, "/data", Keeping.ANONYMOUS),
        (ROOT + BIND, "/data/uploads", Keeping.KEPT),
    ],
)
def test_only_a_named_volume_or_a_bind_mount_keeps_data(table: str, folder: str, kept: Keeping) -> None:
    assert keeping(Path(folder), mount_info=table, in_container=True) is kept


@pytest.mark.parametrize(("folder", "kind"), [("/data/uploads", "ext4"), ("/database", "tmpfs"), ("/app", "overlay")])
def test_the_kind_of_file_system_is_known(folder: str, kind: str) -> None:
    assert file_system(Path(folder), mount_info=ROOT + NAMED + ELSEWHERE) == kind


def test_outside_a_container_there_is_nothing_to_warn_of(tmp_path: Path) -> None:
    assert keeping(tmp_path, mount_info=ROOT, in_container=False) is Keeping.NO_CONTAINER
