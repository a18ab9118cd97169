"""Swing-up of a pole on a cart, which starts hanging down."""

import math

import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal


class CartpoleSwingUp(Environment):
    """Observation and reset as in dm_control's cart-pole swing-up; it never ends early."""

    task = "Swing the pole up and keep it balanced upright near the middle of the rail."
    subtasks = (
        "swing the pole up from hanging",
        "keep it balanced upright",
        "stay near the middle of the rail",
    )
    robot = (
        "A cart on a straight horizontal rail, 1.8 m to either side of its middle, with a pole of "
        "1 m and 0.1 kg on a free hinge. Only the cart is driven; the motor cannot simply lift the "
        "pole."
    )
    start = "The cart stands in the middle and the pole hangs straight down, both nearly at rest."
    substeps = 4
    episode_steps = 250
    training = TrainingSettings(worlds=32, gamma=0.98, budget=200_000)

    @signal(unit="m", kind="position")
    def cart_position(self, state: State) -> Tensor:
        """Position of the cart along the rail: 0 in the middle, positive to the right."""
        return state.qpos[:, 0]

    @signal(unit="m/s", kind="velocity")
    def cart_velocity(self, state: State) -> Tensor:
        """Velocity of the cart along the rail, positive to the right."""
        return state.qvel[:, 0]

    @signal(unit="1", kind="orientation")
    def pole_up(self, state: State) -> Tensor:
        """Vertical component of the pole's direction: 1 upright, 0 level, -1 hanging down."""
        return torch.cos(state.qpos[:, 1])

    @signal(unit="1", kind="orientation")
    def pole_right(self, state: State) -> Tensor:
        """Horizontal component of the pole's direction: 1 when the pole points to the right."""
        return torch.sin(state.qpos[:, 1])

    @signal(unit="rad/s", kind="angular_velocity")
    def pole_angular_velocity(self, state: State) -> Tensor:
        """Angular velocity of the pole, positive when its upper side falls to the right."""
        return state.qvel[:, 1]

    def observation(self, state: State) -> Tensor:
        """Position, direction of the pole and velocities, `[N, 5]`."""
        angle = state.qpos[:, 1:2]
        return torch.cat([state.qpos[:, 0:1], angle.cos(), angle.sin(), state.qvel], dim=1)

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """Cart in the middle, pole hanging, nearly at rest."""
        pose = noise.normal(2, 0.01)
        pose[:, 1] += math.pi
        return pose, noise.normal(2, 0.01)
