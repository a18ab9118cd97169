"""Controllers without learning: some do their task, and the others fail it in a known way."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eureka_agent.analysis.trajectories.episodes import Trajectories
from eureka_agent.environment import (
    Environment,
    Episodes,
    find_environment,
    load_fitness,
    make_worlds,
)
from eureka_agent.environment.contrasts import GOOD
from eureka_agent.environment.episodes import EvaluatedEpisodes
from eureka_agent.reward import Signal

EACH = 5
"""Episodes of each controller."""

Controller = Callable[[Mapping[str, Tensor], int], Tensor]
"""Actions [N, A] from the signals by name and the step; they are cut at -1 and 1."""


@dataclass(frozen=True)
class Case:
    """A controller, and the failure that it shows; `GOOD` for none."""

    name: str
    expected: str
    control: Controller


@dataclass(frozen=True)
class Set:
    """Controllers of one environment, the good one first, run for the same number of steps."""

    environment: str
    steps: int
    cases: tuple[Case, ...]


def gait(frequency: float, *sines: tuple[float, float, float]) -> Controller:
    """Each motor of the half cheetah follows a sine: phase, amplitude and offset."""
    phases, amplitudes, offsets = torch.tensor(sines).T

    def control(seen: Mapping[str, Tensor], step: int) -> Tensor:
        turn = 2 * math.pi * frequency * 0.05 * step + phases
        return (min(1.0, step / 25) * (offsets + amplitudes * turn.sin())).expand(EACH, -1)

    return control


def swim(lag: float, heading: float = 0.0) -> Controller:
    """A wave along the swimmer's body, which is bent to turn it to a heading (rad, left)."""

    def control(seen: Mapping[str, Tensor], step: int) -> Tensor:
        turn = 2 * math.pi * 0.8 * 0.04 * step
        wave = torch.tensor([1.2 * math.sin(turn), 1.2 * math.sin(turn + lag)])
        bend = (0.7 * (seen["front_angle"] - heading)).clamp(-1.0, 1.0)
        goal = min(1.0, step / 25) * wave + bend[:, None]
        return 2.0 * (goal - seen["joint_angles"]) - 0.5 * seen["joint_velocities"]

    return control


def constant(*values: float) -> Controller:
    return lambda seen, step: torch.tensor(values).expand(EACH, -1)


def to_and_fro(size: int) -> Controller:
    return lambda seen, step: torch.full((EACH, size), 1.0 if step % 2 else -1.0)


def until(first: Controller, stop: int, then: Controller) -> Controller:
    return lambda seen, step: (first if step < stop else then)(seen, step)


def reach(stiffness: float, damping: float, part: float = 1.0) -> Controller:
    """Bend the reacher's arm so that its fingertip comes to a part of the way to its target."""

    def control(seen: Mapping[str, Tensor], step: int) -> Tensor:
        start = torch.tensor([0.21, 0.0])
        goal = start + part * (seen["target_position"] - start)
        square = goal.square().sum(1).clamp(max=0.2**2)
        elbow = ((square - 0.1**2 - 0.11**2) / (2 * 0.1 * 0.11)).clamp(-1.0, 1.0).acos()
        inner = torch.atan2(0.11 * elbow.sin(), 0.1 + 0.11 * elbow.cos())
        angles = torch.stack([torch.atan2(goal[:, 1], goal[:, 0]) - inner, elbow], dim=1)
        missing = angles - seen["joint_angles"]
        missing = torch.atan2(missing.sin(), missing.cos())
        return stiffness * missing - damping * seen["joint_velocities"]

    return control


def push_away(seen: Mapping[str, Tensor], step: int) -> Tensor:
    """Turn the reacher's shoulder to the side on which its target is not."""
    tip, target = seen["fingertip_position"], seen["target_position"]
    side = tip[:, 0] * target[:, 1] - tip[:, 1] * target[:, 0]
    turn = -30.0 * side - 0.2 * seen["joint_velocities"][:, 0]
    return torch.stack([turn, -0.5 * seen["joint_angles"][:, 1]], dim=1)


def swing(energy: float, catch: bool) -> Controller:
    """Bring the pole's energy to a level (0: just upright), and perhaps catch it at the top."""

    def control(seen: Mapping[str, Tensor], step: int) -> Tensor:
        up, right, rate = seen["pole_up"], seen["pole_right"], seen["pole_angular_velocity"]
        place, speed = seen["cart_position"], seen["cart_velocity"]
        missing = 0.034 * rate.square() + up - 1.0 - energy
        kick = torch.where((rate.abs() < 0.05) & (up < 0), 0.3, 0.0)
        push = 0.8 * missing * up * rate - 0.1 * place - 0.1 * speed + kick
        hold = 4.0 * right + 0.8 * rate + 0.25 * place + 0.35 * speed
        near = (up > 0.85) & (rate.abs() < 4.0) & catch
        return torch.where(near, hold, push)[:, None]

    return control


def balance(goal: float) -> Controller:
    """Keep the pole upright while the cart is drawn to a place, at a steady speed from afar."""

    def control(seen: Mapping[str, Tensor], step: int) -> Tensor:
        lean, rate = seen["pole_angle"], seen["pole_angular_velocity"]
        place = (seen["cart_position"] - goal).clamp(-1.0, 1.0)
        push = 2.0 * lean + 0.5 * rate + 0.4 * place + 0.3 * seen["cart_velocity"]
        return push[:, None]

    return control


FORWARD = gait(
    2.84,
    *((1.5, 0.5, 0.1), (3.2, 0.8, 0.2), (4.4, 0.3, 0.1)),
    *((3.4, 0.7, 0.0), (3.4, 0.4, 0.0), (3.5, 0.6, -0.2)),
)
BACKWARD = gait(
    3.67,
    *((4.7, 0.6, -0.3), (4.9, 0.9, -0.3), (1.2, 0.6, 0.0)),
    *((4.0, 0.7, -0.2), (2.0, 0.4, -0.3), (5.6, 0.9, 0.0)),
)
BOUNCE = gait(1.0, *[(0.0, 0.25, 0.0)] * 6)

SETS = (
    Set(
        "half_cheetah",
        150,
        (
            Case("gallop", GOOD, FORWARD),
            Case("gallop backward", "wrong way", BACKWARD),
            Case("gallop, then rest", "stuck", until(FORWARD, 60, constant(*[0.0] * 6))),
            Case("rest", "idle", constant(*[0.0] * 6)),
            Case("bounce on the spot", "nowhere", BOUNCE),
            Case("all motors at full", "saturated", constant(*[1.0] * 6)),
            Case("shake", "jitter", to_and_fro(6)),
        ),
    ),
    Set(
        "reacher",
        50,
        (
            Case("reach", GOOD, reach(3.0, 0.3)),
            Case("push away", "wrong way", push_away),
            Case("reach without damping", "overshoot", reach(1.0, 0.0)),
            Case("reach half way", "never reached", reach(3.0, 0.3, part=0.5)),
            Case("turn on", "spinning", constant(0.5, 0.0)),
            Case("rest", "idle", constant(0.0, 0.0)),
            Case("shake", "jitter", to_and_fro(2)),
        ),
    ),
    Set(
        "cartpole",
        250,
        (
            Case("swing up and catch", GOOD, swing(0.0, True)),
            Case("rest", "idle", constant(0.0)),
            Case("swing low", "never reached", swing(-1.3, False)),
            Case("swing round", "spinning", swing(4.0, False)),
            Case("swing up and let go", "overshoot", swing(0.05, False)),
        ),
    ),
    Set(
        "cartpole_balance",
        300,
        (
            Case("balance", GOOD, balance(0.0)),
            Case("rest", "fell", constant(0.0)),
            Case("drive off", "ended early", balance(9.0)),
        ),
    ),
    Set(
        "swimmer",
        400,
        (
            Case("swim", GOOD, swim(-1.0)),
            Case("swim aside", "sideways", swim(-1.0, heading=2.0)),
            Case("swim backward", "wrong way", swim(1.0)),
            Case("rest", "idle", constant(0.0, 0.0)),
        ),
    ),
    Set(
        "hopper",
        250,
        (
            Case("rest", "fell", constant(0.0, 0.0, 0.0)),
            Case("kick", "fell", constant(1.0, 0.0, 0.0)),
        ),
    ),
)


def record(
    environment: Environment, controllers: list[Controller], steps: int, first_stream: int = 0
) -> Trajectories:
    """Run controllers, `EACH` episodes of each, one after the other in the order given."""
    count = EACH * len(controllers)
    worlds = make_worlds(environment, count, threads=1)
    streams = first_stream + torch.arange(EACH)
    worlds.start(slice(0, count), streams.repeat(len(controllers)), torch.zeros(count))
    states, actions = [worlds.signals], []
    lengths, terminated = torch.full((count,), steps), torch.zeros(count, dtype=torch.bool)
    diverged = torch.zeros(count, dtype=torch.bool)
    layout = environment.layout
    for t in range(steps):
        seen = {s.name: layout.read(worlds.signals, s.name) for s in layout.signals}
        parts = [
            control({n: v[EACH * i : EACH * (i + 1)] for n, v in seen.items()}, t)
            for i, control in enumerate(controllers)
        ]
        actions.append(torch.cat(parts).clamp(-1.0, 1.0))
        step = worlds.step(actions[-1])
        states.append(step.after)
        diverged |= step.diverged & ~terminated
        for world in (step.terminated & ~terminated).nonzero()[:, 0].tolist():
            terminated[world], lengths[world] = True, t + 1
            worlds.stop(slice(world, world + 1))
    episodes = Episodes(torch.stack(states), torch.stack(actions), lengths, terminated)
    evaluated = EvaluatedEpisodes(measured(environment, episodes), diverged.numpy(), episodes)
    return Trajectories(evaluated, tuple(environment.signals_described), environment.control_step)


def trajectories(
    signals: Sequence[Signal],
    *,
    states: np.ndarray,
    actions: np.ndarray,
    lengths: np.ndarray,
    terminated: np.ndarray | None = None,
    fitness: np.ndarray | None = None,
    diverged: np.ndarray | None = None,
    before: np.ndarray | None = None,
    component_rewards: Mapping[str, np.ndarray] = MappingProxyType({}),
    control_step: float = 0.05,
) -> Trajectories:
    """Made-up episodes; those that are shorter than the actions have ended early."""
    arrays = {
        "states": states,
        "actions": actions,
        "lengths": lengths,
        "terminated": lengths < len(actions) if terminated is None else terminated,
    }
    if before is not None:
        arrays["before"] = before
    evaluated = EvaluatedEpisodes(
        np.full(len(lengths), np.nan) if fitness is None else fitness,
        np.zeros(len(lengths), dtype=np.bool_) if diverged is None else diverged,
        Episodes.from_arrays(arrays),
        component_rewards=component_rewards,
    )
    return Trajectories(evaluated, tuple(signals), control_step)


def altered(known: Trajectories, **arrays: Any) -> Trajectories:
    """The same with other arrays, by their names in `trajectories`."""
    given = {
        **known.evaluated.episodes.arrays(),
        "fitness": known.fitness,
        "diverged": known.evaluated.diverged,
        "component_rewards": known.evaluated.component_rewards,
        **arrays,
    }
    return trajectories(known.signals, control_step=known.control_step, **given)


def measured(environment: Environment, episodes: Episodes) -> np.ndarray:
    """Fitness of each episode [E]."""
    fitness = load_fitness(environment.fitness_path)
    arguments = episodes.arguments(environment.layout, fitness.parameters)
    steps = fitness(arguments).total.view(episodes.actions.shape[:2])
    return fitness.episode(steps, episodes.lengths).numpy()


def recorded(chosen: Set, gain: float = 1.0, first_stream: int = 0) -> Trajectories:
    """All controllers of a set, in its order.

    Args:
        chosen: the set.
        gain: of all actions.
        first_stream: source of randomness of the first episode of each controller.
    """

    def scaled(control: Controller) -> Controller:
        return lambda seen, step: gain * control(seen, step)

    environment = find_environment(chosen.environment)
    controllers = [scaled(case.control) for case in chosen.cases]
    return record(environment, controllers, chosen.steps, first_stream)


def of_case(chosen: Set, index: int) -> np.ndarray:
    """Mask of the episodes of one case of a set [E] bool."""
    return np.repeat(np.arange(len(chosen.cases)) == index, EACH)
