"""Checks of how fast an environment is, and whether MuJoCo Warp agrees about it."""

import importlib.util
import time
from collections.abc import Callable, Iterator

import torch

from eureka_agent.env_tools.checks.environment import WORLDS, Subject, actions, start
from eureka_agent.env_tools.checks.findings import Said, failed, note, ok
from eureka_agent.simulation import CpuSimulator
from eureka_agent.simulation.devices import CPU, make_simulator

MUCH = 0.75
"""Share of the time that signals and observation take, from which one should look at them."""
COMPARED_WORLDS, COMPARED_STEPS = 16, 12
TOLERANCES = {"qpos": (1e-4, 0.0), "xpos": (1e-4, 0.0), "qvel": (5e-3, 5e-3)}
"""Absolute (m or rad, m/s or rad/s) and relative, after one physics step in single precision."""
OUTSIDE = 0.05
"""Share of states that may be outside: a contact that one backend sees and the other does not."""


def check_speed(subject: Subject) -> Iterator[Said]:
    """How many steps a second, and how much of the time is not physics."""
    worlds = subject.worlds(WORLDS)
    start(worlds, slice(0, WORLDS))
    steps = subject.repeated_steps
    chosen = actions(steps, worlds.action_size)
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


def check_warp(subject: Subject) -> Iterator[Said]:
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


def _outside(subject: Subject) -> dict[str, float]:
    """Share of states outside the tolerances, by field."""
    environment = subject.environment
    worlds = subject.worlds(COMPARED_WORLDS)
    start(worlds, slice(0, COMPARED_WORLDS))
    warp = make_simulator(environment.model, COMPARED_WORLDS, CPU, backend="warp")
    cpu = CpuSimulator(environment.model, COMPARED_WORLDS)
    for simulator in (cpu, warp):
        for field in TOLERANCES:
            simulator.view(field)
    wrong = dict.fromkeys(TOLERANCES, 0)
    for action in actions(COMPARED_STEPS, worlds.action_size, COMPARED_WORLDS):
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
