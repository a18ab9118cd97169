"""Checks that an environment does the same again: from a seed, beside others, from a checkpoint."""

import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from eureka_agent.env_tools.checks.under_test import (
    WORLDS,
    EnvironmentUnderTest,
    Recording,
    Said,
    exploration_actions,
    failed,
    note,
    ok,
    record_transitions,
    start_worlds,
)
from eureka_agent.environment import Environment, State
from eureka_agent.simulation import CPU, CpuSimulator, make_simulator

CLOSE = 1e-4
"""Relative; what rounding can do where a world stands among others."""

_HARMLESS = (".py", ".pyc", ".so", "/proc/", "/sys/", "/dev/")


def check_repeatable(subject: EnvironmentUnderTest) -> Iterator[Said]:
    """The same seed and actions give the same episodes, bit for bit."""
    difference = _difference(_run(subject), _run(subject))
    if difference:
        yield failed(
            f"Two runs from one seed differ in {difference}.",
            "Draw from `noise` alone, and keep nothing on `self` that changes while it runs.",
        )
    yield ok(f"{subject.repeated_steps} steps of {WORLDS} worlds, twice, bit for bit.")


def check_neighbours(subject: EnvironmentUnderTest) -> Iterator[Said]:
    """A world does not depend on which others there are, nor on how many."""
    alone = _run(subject)
    worlds = subject.worlds(2 * WORLDS)
    start_worlds(worlds, slice(0, WORLDS), seed=7)
    start_worlds(worlds, slice(WORLDS, 2 * WORLDS), ages=_ages(subject))
    own = exploration_actions(subject.repeated_steps, worlds.action_size)
    together = _part(
        record_transitions(worlds, torch.cat([own.flip(0), own], 1)), slice(WORLDS, 2 * WORLDS)
    )
    difference = _difference(alone, together)
    gap = _gap(alone, together)
    if difference and gap > CLOSE:
        yield failed(
            f"What a world does changes with its neighbours: {difference} differs.",
            "Reduce columns, never worlds: x.mean(-1), not x.mean(); and choose no row by number.",
        )
    elif difference:
        yield note(f"With other neighbours {difference} differs in its last digits.")
    yield ok("A world does the same among twice as many.")


def check_checkpoints(subject: EnvironmentUnderTest) -> Iterator[Said]:
    """From a checkpoint it goes on as it would have."""
    worlds = subject.worlds(WORLDS)
    start_worlds(worlds, slice(0, WORLDS), ages=_ages(subject))
    own = exploration_actions(subject.repeated_steps, worlds.action_size)
    half = len(own) // 2
    record_transitions(worlds, own[:half])
    checkpoint = worlds.state()
    first = record_transitions(worlds, own[half:])
    worlds.restore(checkpoint)
    difference = _difference(first, record_transitions(worlds, own[half:]))
    if difference:
        yield failed(
            f"From a checkpoint it goes on otherwise: {difference} differs.",
            "Keep nothing on `self` that changes while it runs: declare it in `task_state`.",
        )
    yield ok("Goes on from a checkpoint as without one, bit for bit.")


def check_task_changes(subject: EnvironmentUnderTest) -> Iterator[Said]:
    """After a new goal, `prev_` signals are those of the new goal."""
    environment = subject.environment
    if not environment.task_state:
        yield ok("The task keeps no state of its own.")
        return
    worlds = subject.worlds(WORLDS)
    start_worlds(worlds, slice(0, WORLDS))
    changed, wrong = 0, 0
    for action in exploration_actions(min(len(subject.recording.ended), 1000), worlds.action_size):
        with subject.running():
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


def check_side_effects(subject: EnvironmentUnderTest) -> Iterator[Said]:
    """While it runs, it opens no file and starts no thread."""
    worlds = subject.worlds(WORLDS)
    start_worlds(worlds, slice(0, WORLDS), ages=_ages(subject))
    own = exploration_actions(subject.repeated_steps, worlds.action_size)
    record_transitions(worlds, own[:2])  # what is loaded once has been
    threads = threading.active_count()
    with _Opened() as opened:
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


class _Opened:
    """Files that were opened in the body; an audit hook cannot be removed, so there is one."""

    current: "_Opened | None" = None
    hooked = False

    def __init__(self) -> None:
        self.paths: list[str] = []

    def __enter__(self) -> "_Opened":
        if not _Opened.hooked:
            sys.addaudithook(_Opened._noted)
            _Opened.hooked = True
        _Opened.current = self
        return self

    def __exit__(self, *exception: object) -> None:
        _Opened.current = None

    @staticmethod
    def _noted(event: str, arguments: tuple) -> None:
        now = _Opened.current
        if now is not None and event == "open" and isinstance(arguments[0], str):
            if not any(part in arguments[0] for part in _HARMLESS):
                now.paths.append(arguments[0])


def _run(subject: EnvironmentUnderTest) -> Recording:
    worlds = subject.worlds(WORLDS)
    start_worlds(worlds, slice(0, WORLDS), ages=_ages(subject))
    return record_transitions(
        worlds, exploration_actions(subject.repeated_steps, worlds.action_size)
    )


def _ages(subject: EnvironmentUnderTest) -> Tensor:
    """Ages `[WORLDS]` such that every second world meets its time limit halfway."""
    old = max(subject.environment.episode_steps - subject.repeated_steps // 2, 0)
    return torch.where(torch.arange(WORLDS) % 2 == 0, old, 0)


def _part(recording: Recording, worlds: slice) -> Recording:
    return Recording(
        recording.transitions.worlds(worlds),
        recording.observations[:, worlds],
        recording.diverged[:, worlds],
        recording.ended[:, worlds],
        recording.layout,
    )


def _difference(first: Recording, second: Recording) -> str:
    """What differs between two recordings: a signal, the observation, the ends; or nothing."""
    pairs = ((first.transitions.before, second.transitions.before),)
    pairs += ((first.transitions.after, second.transitions.after),)
    for signal in first.layout.signals:
        for one, other in pairs:
            if not _same(
                first.layout.read(one, signal.name), first.layout.read(other, signal.name)
            ):
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
    gaps = []
    for one, other in (
        (first.transitions.after, second.transitions.after),
        (first.observations, second.observations),
    ):
        gaps.append(float(((one - other).abs() / (1.0 + one.abs())).nan_to_num(0.0).max()))
    return max(gaps)


MUCH = 0.75
"""Share of the time that signals and observation take, from which one should look at them."""
COMPARED_WORLDS, COMPARED_STEPS = 16, 12
TOLERANCES = {"qpos": (1e-4, 0.0), "xpos": (1e-4, 0.0), "qvel": (5e-3, 5e-3)}
"""Absolute (m or rad, m/s or rad/s) and relative, after one physics step in single precision."""
OUTSIDE = 0.05
"""Share of states that may be outside: a contact that one backend sees and the other does not."""


def check_speed(subject: EnvironmentUnderTest) -> Iterator[Said]:
    """How many steps a second, and how much of the time is not physics."""
    worlds = subject.worlds(WORLDS)
    start_worlds(worlds, slice(0, WORLDS))
    steps = subject.repeated_steps
    chosen = exploration_actions(steps, worlds.action_size)
    with subject.running():
        whole = _seconds(steps, lambda step: worlds.step(chosen[step]))
    physics = _seconds(steps, lambda step: worlds.simulator.step(subject.environment.substeps))
    share = max(0.0, 1.0 - physics / whole)
    said = (
        f"{WORLDS * steps / whole:,.0f} steps per second of {WORLDS} worlds; signals, "
        f"observation and resets take {share:.0%} of the time."
    )
    if share > MUCH:
        hint = "Read few mjData fields and named parts, and compute what is shared once."
        yield note(said, hint)
    yield ok(said)


def check_warp(subject: EnvironmentUnderTest) -> Iterator[Said]:
    """One physics step of MuJoCo Warp, which a GPU runs, agrees with MuJoCo's own."""
    if not subject.warp:
        yield note(
            "Not compared with MuJoCo Warp, which GPUs run.", "Add --warp; it takes minutes."
        )
        return
    if not all(importlib.util.find_spec(name) for name in ("warp", "mujoco_warp")):
        yield note("MuJoCo Warp is not installed.", "pip install -c constraints.txt '.[gpu]'")
        return
    shares = _outside(subject)
    worst = max(shares, key=lambda field: shares[field])
    if shares[worst] > OUTSIDE:
        yield failed(
            f"One physics step of MuJoCo Warp differs in {worst}, in {shares[worst]:.0%} of the "
            "states.",
            "Use primitive geoms, pyramidal cones and the Newton solver, or say in the README that "
            "the model is for CPUs.",
        )
    yield ok("One physics step agrees with MuJoCo Warp.")


def _outside(subject: EnvironmentUnderTest) -> dict[str, float]:
    """Share of states outside the tolerances, by field."""
    environment = subject.environment
    worlds = subject.worlds(COMPARED_WORLDS)
    start_worlds(worlds, slice(0, COMPARED_WORLDS))
    warp = make_simulator(environment.model, COMPARED_WORLDS, CPU, backend="warp")
    cpu = CpuSimulator(environment.model, COMPARED_WORLDS)
    for simulator in (cpu, warp):
        for field in TOLERANCES:
            simulator.view(field)
    wrong = dict.fromkeys(TOLERANCES, 0)
    for action in exploration_actions(COMPARED_STEPS, worlds.action_size, COMPARED_WORLDS):
        with subject.running():
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
