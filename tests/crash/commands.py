"""`timetracker` commands as processes that come to their end or are killed before it."""

import os
import random
import subprocess
from contextlib import suppress

from tests.crash.server import strace
from tests.test_server import COMMAND

LONGEST_SECONDS = 120
A_LIFE_SECONDS = (0.4, 2.5)  # the first half of it is the command's own start


def run(
    environment: dict[str, str], line: str, *, before: tuple[str, ...] = (), most_seconds: float = LONGEST_SECONDS
) -> subprocess.CompletedProcess[str]:
    """What came of it; whatever it does, it says a sentence and no traceback. Raises TimeoutExpired, killing it."""
    done = subprocess.run(
        [*before, COMMAND, *line.split()],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=most_seconds,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def kill(environment: dict[str, str], line: str, calls: dict[str, int], chance: random.Random) -> None:
    """Before its n-th of one of the system `calls`, which it makes at most so often.

    One that is through before that lives; that is a chance like another.
    """
    call = chance.choice(list(calls))
    run(environment, line, before=tuple(strace(call, f"signal=SIGKILL:when={chance.randint(1, calls[call])}")))


def kill_at_some_moment(environment: dict[str, str], line: str, chance: random.Random) -> None:
    with suppress(subprocess.TimeoutExpired):
        run(environment, line, most_seconds=chance.uniform(*A_LIFE_SECONDS))
