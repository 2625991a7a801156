"""The commands of docs/operate/moving-avatars.md, as they stand there, on containers of the old layout."""

import io
import re
import tarfile
from pathlib import Path

import pytest

from tests.containers.compose import Project
from tests.containers.house import CHECKOUT, IMAGE, run
from tests.visitor import picture

GUIDE = CHECKOUT / "docs" / "operate" / "moving-avatars.md"
NAMES = ["avatar_1_0123abcd.png", "avatar_2_0123abcd.png"]


def guide(beginning: str) -> str:
    """The commands of the block that begins so."""
    blocks = re.findall(r"^ *```\n(.*?)^ *```$", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    found = [block for block in blocks if block.lstrip().startswith(beginning)]
    assert len(found) == 1, f"{GUIDE.name} has {len(found)} blocks that begin with {beginning}"
    return str(found[0])


@pytest.fixture
def old_container(project: Project) -> str:
    """A stopped container of the old layout: pictures in its own layer, beside the code."""
    name = f"{project.name}-old"
    run("docker", "create", "--name", name, "--entrypoint", "true", IMAGE)
    run("docker", "cp", "-", f"{name}:/app/app/static/", stdin=old_pictures())
    return name


def old_pictures() -> bytes:
    """A tar archive of uploads/avatars."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in ("uploads", "uploads/avatars"):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        for name in NAMES:
            member = tarfile.TarInfo(f"uploads/avatars/{name}")
            member.size = len(picture())
            tar.addfile(member, io.BytesIO(picture()))
    return archive.getvalue()


def moved(project: Project) -> list[str]:
    return project.compose("run", "--rm", "-T", "app", "ls", "-A", "/data/uploads/avatars").split()[-2:]


def test_pictures_move_out_of_a_container_that_still_exists_and_a_second_time_nothing(
    project: Project, old_container: str
) -> None:
    commands = guide("docker cp timetracker-app:/app/app/static/uploads/avatars - ")

    said = project.shell(commands.replace("timetracker-app", old_container))
    again = project.shell(commands.replace("timetracker-app", old_container))

    assert "Moved 2 pictures to /data/uploads/avatars" in said
    assert "none had to be moved" in again
    assert moved(project) == NAMES


def test_pictures_move_by_way_of_a_folder_of_the_host(project: Project, old_container: str, tmp_path: Path) -> None:
    commands = guide("docker cp timetracker-app:/app/app/static/uploads/avatars ./old-avatars")
    commands = commands.replace("timetracker-app", old_container).replace("./old-avatars", f"{tmp_path}/old-avatars")

    said = project.shell(commands)

    assert "Moved 2 pictures to /data/uploads/avatars" in said
    assert moved(project) == NAMES
    assert sorted(path.name for path in (tmp_path / "old-avatars").iterdir()) == NAMES


def test_pictures_move_out_of_a_bind_mount_of_the_old_layout(project: Project, tmp_path: Path) -> None:
    """Somebody had mounted a folder over the old place: it is on the host already, and stays as it is."""
    with tarfile.open(fileobj=io.BytesIO(old_pictures())) as tar:
        tar.extractall(tmp_path, filter="data")
    commands = guide("docker cp timetracker-app:/app/app/static/uploads/avatars ./old-avatars")
    command = commands[commands.index("docker compose") :].replace("./old-avatars", f"{tmp_path}/uploads/avatars")

    assert "Moved 2 pictures" in project.shell(command)
    assert moved(project) == NAMES
    assert sorted(path.name for path in (tmp_path / "uploads/avatars").iterdir()) == NAMES


def test_once_the_old_container_is_removed_there_is_nothing_left_to_move(project: Project, old_container: str) -> None:
    run("docker", "rm", old_container)
    commands = guide("docker cp timetracker-app:/app/app/static/uploads/avatars - ")

    with pytest.raises(AssertionError, match="The stream is empty"):
        project.shell(commands.replace("timetracker-app", old_container))
