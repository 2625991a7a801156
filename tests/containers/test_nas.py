"""The compose file of docs/operate/nas.md, pasted as it stands there: a folder of the host, and a user of the NAS."""

import os
import re
from pathlib import Path

import pytest

from tests.containers.house import CHECKOUT, IMAGE, House, run
from tests.operate.proxies import replaced
from tests.visitor import picture

GUIDE = CHECKOUT / "docs" / "operate" / "nas.md"
USER, GROUP = 1026, 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the NAS, as step 1 leaves it."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to somebody else")
    folder = tmp_path / "timetracker"
    folder.mkdir(mode=0o700)
    return folder


def compose(name: str, folder: Path, *arguments: str, status: int = 0) -> str:
    found = re.search(r"^ *```yaml\n(.*?)^ *```$", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert found
    pasted = replaced(
        found[1],
        ("image: timetracker\n", f"image: {IMAGE}\n"),
        ("timetracker-app", name),
        ('"8080:8080"', '"127.0.0.1::8080"'),
        ("/volume1/docker/timetracker", str(folder)),
    )
    file = folder.parent / "compose.yml"
    file.write_text(pasted)
    return run("docker", "compose", "--file", str(file), "--project-name", name, *arguments, status=status)


def test_everything_lies_in_the_folder_and_belongs_to_the_user(name: str, folder: Path) -> None:
    os.chown(folder, USER, GROUP)

    compose(name, folder, "up", "--detach")
    house = House(name)
    house.set_up_by_link()
    face = house.upload(picture())
    compose(name, folder, "down", "--volumes")

    assert (folder / face.removeprefix("/")).exists()
    assert {(path.stat().st_uid, path.stat().st_gid) for path in folder.rglob("*")} == {(USER, GROUP)}


def test_a_folder_of_somebody_else_is_refused_with_what_mends_it(name: str, folder: Path) -> None:
    said = compose(name, folder, "run", "--rm", "-T", "app", status=78)
    compose(name, folder, "down", "--volumes")

    assert f"sudo chown -R {USER}:{GROUP} /data" in said
