"""A volume without room: refused at the start, and while running a pause that loses nothing."""

import csv
from collections.abc import Iterator

import pytest

from tests.containers.house import IMAGE, House, run
from tests.visitor import picture, refused

FILL = "cat /dev/zero > /data/fill; echo full"


@pytest.fixture
def small_volume(name: str) -> str:
    """A volume of 8 MiB in memory, which is there as long as a container has it mounted."""
    options = ("type=tmpfs", "device=tmpfs", "o=size=8m")
    run("docker", "volume", "create", "--driver", "local", *(f"--opt={option}" for option in options), name)
    return name


@pytest.fixture
def full_volume(small_volume: str) -> Iterator[str]:
    holder = ("docker", "run", "--detach", "--rm", "--name", f"{small_volume}-old", "--volume", f"{small_volume}:/data")
    run(*holder, "--entrypoint", "sleep", IMAGE, "600")
    run("docker", "exec", f"{small_volume}-old", "sh", "-c", FILL)
    yield small_volume
    run("docker", "rm", "--force", f"{small_volume}-old")


def test_a_full_volume_is_refused_at_the_start_with_what_mends_it(full_volume: str) -> None:
    said = run("docker", "run", "--rm", "--volume", f"{full_volume}:/data", IMAGE, status=78)

    assert "The disk that holds /data is full: make room, then start again. Nothing was lost." in said


def test_a_volume_that_fills_pauses_writing_and_loses_nothing(small_volume: str) -> None:
    house = House.started(small_volume, f"{small_volume}:/data")
    house.set_up_by_link()
    face = house.upload(picture())
    run("docker", "exec", small_volume, "sh", "-c", FILL)

    recorded = record_until_refused(house)

    assert refused(lambda: house.upload(picture("blue"))) == 503
    assert shown(house) == sorted(recorded)
    assert house.get(face)
    assert house.get("/_health")

    run("docker", "exec", small_volume, "rm", "/data/fill")
    house.record("there is room again")
    assert shown(house) == sorted([*recorded, "there is room again"])
    assert house.get(house.upload(picture("blue")))


def record_until_refused(house: House) -> list[str]:
    """The hours that were accepted: the log of the database has a little room of its own."""
    accepted: list[str] = []
    while len(accepted) < 1000:
        description = f"hour {len(accepted)}."
        status = refused(lambda: house.record(description))  # noqa: B023 - called at once
        if status is not None:
            assert status == 503
            return accepted
        accepted.append(description)
    raise AssertionError("a full volume took everything")


def shown(house: House) -> list[str]:
    lines = csv.DictReader(house.get("/time-entries.csv?range=all").lstrip("\ufeff").splitlines())
    return sorted(line["Description"] for line in lines)
