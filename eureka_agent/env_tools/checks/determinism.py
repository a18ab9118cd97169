"""Checks that an environment does the same again, and checks of its speed.

It must do the same from the same seed, among other worlds, from a checkpoint, and on the GPU.
"""

import importlib.util
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor

from eureka_agent.env_tools.checks.under_test import (
    WORLDS,
    EnvironmentUnderTest,
    Findings,
    Recording,
    exploration_actions,
    failed,
    note,
    ok,
    record_transitions,
    start_worlds,
)
from eureka_agent.environment import Environment, MujocoWorlds, State
from eureka_agent.simulation import CPU, CpuSimulator, make_simulator

CLOSE = 1e-4
"""Relative tolerance for rounding, which differs with the worlds beside a world."""
SLOW_READING = 0.75
"""Fraction of the time that signals and observation take, above which they need a look."""
COMPARED_WORLDS, COMPARED_STEPS = 16, 12
TOLERANCES = {"qpos": (1e-4, 0.0), "xpos": (1e-4, 0.0), "qvel": (5e-3, 5e-3)}
"""Absolute (m or rad, m/s or rad/s) and relative, after one physics step in single precision."""
OUTSIDE = 0.05
"""Fraction of states that may be outside: a contact that only one of the backends sees."""

_HARMLESS = (".py", ".pyc", ".so", "/proc/", "/sys/", "/dev/")


def check_repeatable(subject: EnvironmentUnderTest) -> Findings:
    """The same seed and actions give the same episodes, bit for bit."""
    difference = _difference(_run(subject), _run(subject))
    if difference:
        yield failed(
            f"Two runs from one seed differ in {difference}.",
            "Draw from `noise` alone, and keep nothing on `self` that changes while it runs.",
        )
    yield ok(f"{subject.repeated_steps} steps of {WORLDS} worlds, twice, bit for bit.")


def check_neighbours(subject: EnvironmentUnderTest) -> Findings:
    """A world depends neither on the other worlds nor on their number."""
    alone = _run(subject)
    worlds = subject.worlds(2 * WORLDS)
    start_worlds(worlds, slice(0, WORLDS), seed=7)
    start_worlds(worlds, slice(WORLDS, 2 * WORLDS), ages=_ages(subject))
    own = exploration_actions(subject.repeated_steps, worlds.action_size)
    both = record_transitions(worlds, torch.cat([own.flip(0), own], 1))
    together = both.of_worlds(slice(WORLDS, 2 * WORLDS))
    difference = _difference(alone, together)
    if difference and _gap(alone, together) > CLOSE:
        yield failed(
            f"What a world does changes with its neighbours: {difference} differs.",
            "Reduce columns, never worlds: x.mean(-1), not x.mean(); and choose no row by number.",
        )
    elif difference:
        yield note(f"With other neighbours {difference} differs in its last digits.")
    yield ok("A world does the same among twice as many.")


def check_checkpoints(subject: EnvironmentUnderTest) -> Findings:
    """A restored checkpoint continues like the run that was not interrupted."""
    worlds, own = _started(subject)
    half = len(own) // 2
    record_transitions(worlds, own[:half])
    checkpoint = worlds.state()
    first = record_transitions(worlds, own[half:])
    worlds.restore(checkpoint)
    difference = _difference(first, record_transitions(worlds, own[half:]))
    if difference:
        yield failed(
            f"It continues differently from a checkpoint: {difference} differs.",
            "Keep nothing on `self` that changes while it runs: declare it in `task_state`.",
        )
    yield ok("Continues from a checkpoint as without one, bit for bit.")


def check_task_changes(subject: EnvironmentUnderTest) -> Findings:
    """After a new goal, `prev_` signals are those of the new goal."""
    environment = subject.environment
    if not environment.task_state:
        yield ok("The task keeps no state of its own.")
        return
    worlds = subject.started(WORLDS)
    changed, wrong = 0, 0
    for action in exploration_actions(min(len(subject.recording.ended), 1000), worlds.action_size):
        step = worlds.step(action)
        now = State(worlds.simulator, None, worlds._task.read())
        expected = worlds.layout.pack(environment.signals(now))
        over = step.terminated | step.truncated
        changed += int(((worlds.signals != step.after).any(1) & ~over).sum())
        wrong += int((worlds.signals != expected).any(1).sum())
    if wrong:
        yield failed(
            f"Signals read twice from one state differ in {wrong} cases.",
            "Let signals depend on the state and on `state.task` alone.",
        )
    if type(environment).task_changes is Environment.task_changes:
        yield ok(f"{', '.join(environment.task_state)}: kept per world, and without changes.")
        return
    if not changed:
        yield note(
            "No random action brought about a new goal.",
            "See whether `task_changes` can be reached, if the task has goals that change.",
        )
    yield ok(f"{', '.join(environment.task_state)}: kept per world; {changed} changes seen.")


def check_side_effects(subject: EnvironmentUnderTest) -> Findings:
    """While it runs, it opens no file and starts no thread."""
    worlds, own = _started(subject)
    record_transitions(worlds, own[:2])  # what is loaded once has been
    threads = threading.active_count()
    with _OpenedFiles() as opened:
        record_transitions(worlds, own[2:])
    if opened.paths:
        yield failed(
            f"A control step opens {Path(opened.paths[0]).name}.",
            "Read files while env.py is loaded: the process that trains has no file system.",
        )
    if threading.active_count() > threads:
        yield failed(
            "A control step starts a thread.",
            "Let it compute in the thread that calls it: the process that trains may start none.",
        )
    yield ok("A control step opens no file and starts no thread.")


class _OpenedFiles:
    """Files that are opened in the body; an audit hook cannot be removed, so there is one."""

    current: "ClassVar[_OpenedFiles | None]" = None
    hooked: ClassVar[bool] = False

    def __init__(self) -> None:
        self.paths: list[str] = []

    def __enter__(self) -> Self:
        if not _OpenedFiles.hooked:
            sys.addaudithook(_OpenedFiles._note)
            _OpenedFiles.hooked = True
        _OpenedFiles.current = self
        return self

    def __exit__(self, *exception: object) -> None:
        _OpenedFiles.current = None

    @staticmethod
    def _note(event: str, arguments: tuple) -> None:
        now = _OpenedFiles.current
        if now is not None and event == "open" and isinstance(path := arguments[0], str):
            if not any(part in path for part in _HARMLESS):
                now.paths.append(path)


def _run(subject: EnvironmentUnderTest) -> Recording:
    return record_transitions(*_started(subject))


def _started(subject: EnvironmentUnderTest) -> tuple[MujocoWorlds, Tensor]:
    """Worlds in which episodes have begun, and the actions of a repetition."""
    worlds = subject.started(WORLDS, _ages(subject))
    return worlds, exploration_actions(subject.repeated_steps, worlds.action_size)


def _ages(subject: EnvironmentUnderTest) -> Tensor:
    """Ages `[WORLDS]` at which every second world meets its time limit halfway."""
    old = max(subject.environment.episode_steps - subject.repeated_steps // 2, 0)
    return torch.where(torch.arange(WORLDS) % 2 == 0, old, 0)


def _difference(first: Recording, second: Recording) -> str:
    """What differs between two recordings: a signal, the observation, the ends; or nothing."""
    read = first.layout.read
    for signal in first.layout.signals:
        for one, other in (
            (first.transitions.before, second.transitions.before),
            (first.transitions.after, second.transitions.after),
        ):
            if not _same(read(one, signal.name), read(other, signal.name)):
                return signal.name
    if not _same(first.observations, second.observations):
        return "the observation"
    return "" if torch.equal(first.ended, second.ended) else "when episodes end"


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one.nan_to_num(7.0), other.nan_to_num(7.0))


def _gap(first: Recording, second: Recording) -> float:
    """The largest relative difference between two recordings."""
    if not torch.equal(first.ended, second.ended):
        return float("inf")
    return max(
        float(((one - other).abs() / (1.0 + one.abs())).nan_to_num(0.0).max())
        for one, other in (
            (first.transitions.after, second.transitions.after),
            (first.observations, second.observations),
        )
    )


def check_speed(subject: EnvironmentUnderTest) -> Findings:
    """How many steps a second, and how much of the time is not physics."""
    worlds = subject.started(WORLDS)
    steps = subject.repeated_steps
    chosen = exploration_actions(steps, worlds.action_size)
    whole = _seconds(steps, lambda step: worlds.step(chosen[step]))
    physics = _seconds(steps, lambda step: worlds.simulator.step(subject.environment.substeps))
    fraction = max(0.0, 1.0 - physics / whole)
    measured = (
        f"{WORLDS * steps / whole:,.0f} steps per second of {WORLDS} worlds; signals, "
        f"observation and resets take {fraction:.0%} of the time."
    )
    if fraction > SLOW_READING:
        hint = "Read few mjData fields and named parts, and compute what is shared once."
        yield note(measured, hint)
    yield ok(measured)


def check_warp(subject: EnvironmentUnderTest) -> Findings:
    """One physics step of MuJoCo Warp, which a GPU runs, agrees with MuJoCo's own."""
    if not subject.warp:
        yield note(
            "Not compared with MuJoCo Warp, which GPUs run.", "Add --warp; it takes minutes."
        )
        return
    if not all(importlib.util.find_spec(name) for name in ("warp", "mujoco_warp")):
        yield note("MuJoCo Warp is not installed.", "pip install -c constraints.txt '.[gpu]'")
        return
    field, fraction = max(_outside(subject).items(), key=lambda item: item[1])
    if fraction > OUTSIDE:
        yield failed(
            f"One physics step of MuJoCo Warp differs in {field}, in {fraction:.0%} of the states.",
            "Use primitive geoms, pyramidal cones and the Newton solver, or say in the README that "
            "the model is for CPUs.",
        )
    yield ok("One physics step agrees with MuJoCo Warp.")


def _outside(subject: EnvironmentUnderTest) -> dict[str, float]:
    """Fraction of states outside the tolerances, by field."""
    environment = subject.environment
    worlds = subject.started(COMPARED_WORLDS)
    warp = make_simulator(environment.model, COMPARED_WORLDS, CPU, backend="warp")
    cpu = CpuSimulator(environment.model, COMPARED_WORLDS)
    for simulator in (cpu, warp):
        for field in TOLERANCES:
            simulator.view(field)
    wrong = dict.fromkeys(TOLERANCES, 0)
    for action in exploration_actions(COMPARED_STEPS, worlds.action_size, COMPARED_WORLDS):
        worlds.step(action)
        control = worlds.simulator.view("ctrl")
        for simulator in (cpu, warp):
            simulator.restore(worlds.simulator.state())
            simulator.view("ctrl").copy_(control)
            simulator.step(1)
        for field, (absolute, relative) in TOLERANCES.items():
            expected = cpu.view(field).flatten(1)
            error = (warp.view(field).flatten(1).double() - expected).abs()
            wrong[field] += int((error > absolute + relative * expected.abs()).any(1).sum())
    return {field: count / (COMPARED_STEPS * COMPARED_WORLDS) for field, count in wrong.items()}


def _seconds(steps: int, step: Callable[[int], object]) -> float:
    began = time.perf_counter()
    with torch.no_grad():
        for index in range(steps):
            step(index)
    return max(time.perf_counter() - began, 1e-9)
