"""What an act costs the server, and how long its answer takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median, quantiles

from bench.server import Server


@dataclass(frozen=True)
class Act:
    """`prepare` is not measured."""

    name: str
    act: Callable[[], object]
    prepare: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Effort:
    """How much is measured: a turn of one act ends after so many requests or so many seconds."""

    rounds: int = 7
    requests: int = 25
    seconds: float = 0.4


@dataclass
class Timing:
    """Milliseconds: server CPU of one act, a mean for each round; the wall clock of each act."""

    cpu: list[float] = field(default_factory=list)
    walls: list[float] = field(default_factory=list)


def measured(server: Server, acts: list[Act], effort: Effort) -> dict[str, Timing]:
    """Rounds in which all take turns, so that a noisy minute falls on all alike; the first one warms up."""
    timings = {act.name: Timing() for act in acts}
    for number in range(effort.rounds + 1):
        for act in acts:
            cpu, walls = _turn(server, act, effort)
            if number:
                timings[act.name].cpu.append(cpu)
                timings[act.name].walls += walls
    return timings


def median_cpu(timing: Timing) -> float:
    return median(timing.cpu)


def percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def _turn(server: Server, act: Act, effort: Effort) -> tuple[float, list[float]]:
    cpu, walls = 0.0, list[float]()
    ends = time.perf_counter() + effort.seconds
    while len(walls) < effort.requests and (time.perf_counter() < ends or len(walls) < 2):
        act.prepare()
        before, began = server.cpu_ms(), time.perf_counter()
        act.act()
        walls.append(1000 * (time.perf_counter() - began))
        cpu += server.cpu_ms() - before
    return cpu / len(walls), walls
