"""The image by itself: healthy, for any user of group 0, and outspoken about volumes that cannot keep anything.

Not part of `make test`: `make test-containers` runs this folder where `docker info` answers.
"""

import time

from tests.containers.house import IMAGE, House, run


def test_the_container_says_that_it_is_healthy_and_doctor_finds_nothing(name: str) -> None:
    House.started(name, f"{name}:/data", "--health-interval", "1s", "--env", "BASE_URL=http://localhost:8080")
    deadline = time.monotonic() + 30
    while run("docker", "inspect", "--format", "{{.State.Health.Status}}", name).strip() != "healthy":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for act in ("create", "drill"):  # what nobody did yet is a warning
        run("docker", "exec", name, "timetracker", "backup", act)
    assert "warning" not in run("docker", "exec", name, "timetracker", "doctor")


def test_any_user_of_group_0_may_run_it(name: str) -> None:
    House.started(name, f"{name}:/data", "--user", "12345:0")


def test_without_a_named_volume_it_starts_and_says_so_loudly(name: str) -> None:
    assert "lies on a volume without a name" in House.started(name, "/data").log()


def test_a_volume_that_belongs_to_somebody_else_is_refused_with_what_mends_it(name: str) -> None:
    own = ("docker", "run", "--rm", "--user", "0", "--volume", f"{name}:/data", "--entrypoint", "sh", IMAGE, "-c")
    run(*own, "chown -R 4711:4711 /data && chmod -R 0700 /data")

    said = run("docker", "run", "--rm", "--volume", f"{name}:/data", IMAGE, status=78)

    assert "chown" in said
    assert "/data" in said


def test_a_read_only_volume_is_refused_with_what_mends_it(name: str) -> None:
    said = run("docker", "run", "--rm", "--volume", f"{name}:/data:ro", IMAGE, status=78)
    assert "read-only" in said
