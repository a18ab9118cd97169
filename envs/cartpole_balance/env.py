"""A pole on a cart, which has to stay up: Isaac Gym's Cartpole."""

import math

import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal


class CartpoleBalance(Environment):
    """Observation, reset, early end and time limit as in Isaac Gym's Cartpole."""

    task = "Balance the pole upright on the cart, which must not leave the rail."
    robot = (
        "A cart of 1 kg on a straight horizontal rail with a pole of 1 m and 1 kg on a free hinge. "
        "Only the cart is driven, by a motor that is strong for its weight."
    )
    start = (
        "Cart within 0.1 m of the middle and pole within 0.1 rad of upright, at velocities of at "
        "most 0.25 m/s and 0.25 rad/s."
    )
    substeps = 2
    episode_steps = 500
    termination = "The cart is more than 3 m from the middle or the pole lower than level."
    training = TrainingSettings(worlds=128, initial_log_std=-1.0, budget=100_000)

    @signal(unit="m", kind="position")
    def cart_position(self, state: State) -> Tensor:
        """Position of the cart along the rail: 0 in the middle, positive to the right."""
        return state.qpos[:, 0]

    @signal(unit="m/s", kind="velocity")
    def cart_velocity(self, state: State) -> Tensor:
        """Velocity of the cart along the rail, positive to the right."""
        return state.qvel[:, 0]

    @signal(unit="rad", kind="angle")
    def pole_angle(self, state: State) -> Tensor:
        """Angle of the pole: 0 upright, positive leaning to the right, not wrapped."""
        return state.qpos[:, 1]

    @signal(unit="rad/s", kind="angular_velocity")
    def pole_angular_velocity(self, state: State) -> Tensor:
        """Angular velocity of the pole, positive when its upper side falls to the right."""
        return state.qvel[:, 1]

    def observation(self, state: State) -> Tensor:
        """Position and velocity of the cart, angle and velocity of the pole, `[N, 4]`."""
        return torch.stack([state.qpos, state.qvel], dim=2).flatten(1)

    def terminated(self, state: State) -> Tensor:
        """The cart too far out, or the pole fallen."""
        return (state.qpos[:, 0].abs() > 3.0) | (state.qpos[:, 1].abs() > math.pi / 2)

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """Near the middle and nearly upright, moving a little."""
        return noise.uniform(2, -0.1, 0.1), noise.uniform(2, -0.25, 0.25)
