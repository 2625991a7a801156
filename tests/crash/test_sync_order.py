"""What a power cut may take: nothing is answered before it is on the disk, in the order law 2 asks for."""

import re
from pathlib import Path

from tests.crash.conftest import House
from tests.crash.server import running, watched

CALLS = "fsync,fdatasync,pwrite64,rename,unlink,writev"
LINE = re.compile(r'\d+ +(\w+)\((?:\d+<([^>]*)>|"([^"]*)")')
ROW = ["pwrite64 wal", "fdatasync wal"]


def test_a_timer_is_answered_after_its_row_is_on_the_disk(house: House) -> None:
    assert steps(house, "start") == [*ROW, "writev socket"]


def test_a_picture_is_on_the_disk_before_its_row_and_the_former_one_goes_after_that(house: House) -> None:
    picture = ["fsync temporary", "rename temporary", "fsync avatars"]
    removal = ["unlink picture", "fsync avatars"]
    assert steps(house, "upload") == [*picture, *ROW, *removal, "writev socket"]


def steps(house: House, verb: str) -> list[str]:
    """What the server asks of the kernel for the second such act of a person, repetitions left out."""
    person, log = house.people[0], house.folder / "calls"
    with running(house.environment, house.log) as server:
        house.sign_in(server.port)
        with person.visit(server.port) as visit:
            assert person.does(visit, verb)[0] == 303
            with watched(server.worker, CALLS, log):
                assert person.does(visit, verb)[0] == 303
    found = [_step(*called.groups()) for called in map(LINE.match, log.read_text().splitlines()) if called]
    return [step for step, before in zip(found, [None, *found], strict=False) if step != before]


def _step(call: str, opened: str | None, named: str | None) -> str:
    path = Path(opened or named or "")
    kinds = {"-wal": "wal", ".incoming-": "temporary", "/avatar_": "picture", "socket:": "socket"}
    return f"{call} {next((kind for mark, kind in kinds.items() if mark in str(path)), path.name)}"
