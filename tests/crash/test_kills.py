"""Killed at any moment: what was acknowledged is there, what was not is there whole or not at all (laws 2 and 4).

Of ten kills three come at random moments, four at chosen system calls, three during starts and before them; one more on
PostgreSQL.
"""

import random
import time
from pathlib import Path

import pytest

from app import config
from app.services import doctor
from tests.crash.conftest import End, House
from tests.crash.server import EndedEarly, Server, injected, running, strace

LONGEST_LIFE_SECONDS = 0.8
LONGEST_WAIT_SECONDS = 60

# What storing a picture and a row is made of, and how often at most one thread does it before it dies of it.
WHILE_SERVING = {
    "pwrite64": 30,  # the database's log, and the database when the log is brought home
    "fdatasync": 6,  # the same, made durable: a commit
    "fsync": 6,  # a picture and its folder
    "rename": 3,  # the picture gets its name
    "unlink": 2,  # the former one goes
    "write": 6,  # a picture's bytes
    "openat": 30,
    "fcntl": 60,  # the database's locks
    "writev": 6,  # the answer
}
FIRST_START = {"mkdir": 2, "fsync": 8, "link": 1, "rename": 1, "unlink": 4, "fdatasync": 8, "pwrite64": 150}
LATER_START = {"fsync": 6, "rename": 1, "unlink": 3, "pwrite64": 6}  # the last kill left a log to be brought home


@pytest.mark.engines
def test_at_random_moments(house: House, kills: int, seed: int, engine_name: str) -> None:
    chance = random.Random(seed)
    for _ in range(kills * 3 // 10 if engine_name == "sqlite" else kills // 10):
        house.live(chance, at(chance.uniform(0, LONGEST_LIFE_SECONDS)))

    house.wake()


def test_at_chosen_system_calls(house: House, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(kills * 4 // 10):
        call = list(WHILE_SERVING)[(seed + number) % len(WHILE_SERVING)]
        house.live(chance, at_call(call, chance.randint(1, WHILE_SERVING[call])))

    house.wake()


def test_during_the_first_start(tmp_path: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(kills // 10):
        environment = {"DATA_DIR": str(tmp_path / str(number))}
        log = tmp_path / "serve.log"
        start_and_die(environment, log, FIRST_START, chance)

        with running(environment, log):
            findings = doctor.examine(config.load(environment))
            assert not doctor.has_errors(findings), findings


def test_during_a_later_start(house: House, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(kills // 10):  # each time twice
        house.live(chance, at(LONGEST_LIFE_SECONDS))
        start_and_die(house.environment, house.log, LATER_START, chance)
        house.examine_file()

    house.wake()


def at(seconds: float) -> End:
    """The moment is what is tried, nothing is waited for."""
    return lambda _server: time.sleep(seconds)


def at_call(call: str, count: int) -> End:
    def end(server: Server) -> None:
        with injected(server.worker, call, f"signal=SIGKILL:when={count}") as tracer:
            tracer.wait(LONGEST_WAIT_SECONDS)

    return end


def start_and_die(environment: dict[str, str], log: Path, calls: dict[str, int], chance: random.Random) -> None:
    call = chance.choice(list(calls))
    dying = strace(call, f"signal=SIGKILL:when={chance.randint(1, calls[call])}")
    with pytest.raises(EndedEarly):
        Server(environment, log, before=tuple(dying))
