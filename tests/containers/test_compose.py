"""`docker compose` itself: what people entrust to it survives every update, and goes only with the volume."""

from tests.containers.compose import Project
from tests.containers.house import House
from tests.visitor import picture


def test_a_face_and_an_hour_survive_updates_and_go_only_with_the_volume(project: Project) -> None:
    house = project.up()
    house.set_up_by_link()
    face = house.upload(picture())
    house.record("an hour")
    first = project.container()

    house = project.up(UPDATE="second")
    assert project.container() != first
    assert_all_there(house, face)

    project.compose("down")
    assert_all_there(project.up(), face)

    project.compose("down", "--volumes")
    assert "Set TimeTracker up" in project.up().log()


def assert_all_there(house: House, face: str) -> None:
    house.sign_in()
    assert house.get(face)
    assert "an hour" in house.get("/time-entries?range=all")


def test_postgresql_is_there_only_for_whoever_asks(project: Project) -> None:
    """Said by compose itself; whether the rows arrive is tested on a PostgreSQL without containers."""
    assert list(project.config()) == ["app"]

    services = project.config("--profile=postgres")

    assert sorted(services) == ["app", "db"]
    assert str(services["db"]["image"]).startswith("postgres:")
