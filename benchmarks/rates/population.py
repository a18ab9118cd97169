"""Our own training: its rate, and where its time goes."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eureka_agent.common.errors import EurekaError
from eureka_agent.training import Population
from rates.phases import (
    ENVIRONMENT,
    INFERENCE,
    OTHER,
    PHASES,
    PHYSICS,
    RESETS,
    REWARD,
    STORING,
    UPDATE,
    PhaseClock,
)
from rates.recording import Recording, spread_over
from rates.setting import Cell, Measurement, Setting, human_reward, peak_memory_mb

GROUPS = "_groups"
"""Where a population keeps its groups of lanes; each runs in a thread of its own."""
WATCHED = (
    ("advance", OTHER),
    ("_collect_rollout", STORING),
    ("_stack.actor", INFERENCE),
    ("_worlds.step", ENVIRONMENT),
    ("_worlds.simulator.step", PHYSICS),
    ("_worlds._begin", RESETS),
    ("_compute_rewards", REWARD),
    ("_update", UPDATE),
)
"""What is timed: a method of a group, and the phase that its time counts as, but for what is
watched within it."""


def watched(population: Population) -> list[PhaseClock]:
    """Watch every group of a population with a clock of its own.

    Raises:
        EurekaError: the population is not built as `WATCHED` says.
    """
    clocks = []
    for group in _part(population, GROUPS):
        clock = PhaseClock()
        for path, phase in WATCHED:
            _part(group, path)
            owner, _, method = path.rpartition(".")
            clock.watch(_part(group, owner), method, phase)
        clocks.append(clock)
    return clocks


def _part(whole: object, path: str) -> Any:
    """The attribute of an attribute."""
    part = whole
    for name in filter(None, path.split(".")):
        if not hasattr(part, name):
            raise EurekaError(
                f"{type(part).__name__} has no {name!r}, so {path!r} of a "
                f"{type(whole).__name__} cannot be timed.",
                f"Name in {Path(__file__).name} what does its work now.",
            )
        part = getattr(part, name)
    return part


def measure_population(cell: Cell, setting: Setting, recording: Recording) -> Measurement:
    """Go on for a while with K trainings on the human reward, from where the recorded one stood.

    Raises:
        EurekaError: a lane failed, or the population is not built as `WATCHED` says.
    """
    environment = setting.environment(cell.environment, cell.hidden)
    population = Population(environment, cell.lanes, setting.worlds, threads=setting.threads)
    clocks = watched(population)
    rewards = {lane: human_reward(environment) for lane in range(cell.lanes)}
    for lane, reward in rewards.items():
        population.load(lane, reward, seed=lane)
    population.resume(spread_over(recording.checkpoint, population.state()), rewards)
    rollout = population.rollout_steps
    population.advance(rollout)  # once without a clock
    for clock in clocks:
        clock.reset()
    steps, start, processor_start = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < setting.seconds or not steps:
        # Several at once, as in a search: groups of lanes wait for each other at the end.
        reports = population.advance(setting.rollouts * rollout)
        failed = [report.evicted for report in reports if report.evicted is not None]
        if failed:
            raise EurekaError(f"A lane stopped while it was measured: {failed[0]}")
        steps += setting.rollouts * rollout * cell.lanes
    wall, processor = time.perf_counter() - start, time.process_time() - processor_start
    idle = idle_seconds(clocks, processor, setting.threads)
    whole = sum(idle.values())
    return Measurement(
        rate=steps / wall,
        idle_rate=steps / whole,
        memory_mb=peak_memory_mb(),
        cores=processor / wall,
        shares={phase: seconds / whole for phase, seconds in idle.items()},
        physics_us=1e6 * idle[PHYSICS] / steps,
    )


def idle_seconds(clocks: Sequence[PhaseClock], processor: float, threads: int) -> dict[str, float]:
    """What each phase would take by the clock if every thread had a core for itself.

    Args:
        clocks: of the groups of lanes.
        processor: seconds of the whole process; what no clock saw are threads of the physics.
        threads: of the physics, of all groups together.
    """
    count = len(clocks)
    seconds = {phase: sum(clock.seconds[phase] for clock in clocks) for phase in PHASES}
    unseen = max(processor - sum(seconds.values()), 0.0)
    idle = {phase: value / count for phase, value in seconds.items()}
    return idle | {PHYSICS: (seconds[PHYSICS] + unseen) / max(threads, count)}
