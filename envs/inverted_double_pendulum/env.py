"""Two poles, one upon the other, on a cart: Gymnasium's packaged model."""

import mujoco
import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal
from eureka_agent.environment.gymnasium_models import gymnasium_model


class InvertedDoublePendulum(Environment):
    """Reset, early end and time limit as in Gymnasium's InvertedDoublePendulum-v5.

    The integrator is `implicitfast` instead of RK4. The observation lacks the force of the rail's
    ends on the cart: the physics knows it only as it was one step before the state.
    """

    task = "Balance the two poles upright on the cart for as long as possible."
    robot = (
        "A cart of 10.5 kg on a straight horizontal rail, 1 m to either side of its middle. A pole "
        "of 0.6 m on a free hinge stands on it, and another such pole on a free hinge on that "
        "one's top. Only the cart is driven."
    )
    start = "Near the middle, each hinge within 0.1 rad of straight, moving a little."
    substeps = 5
    episode_steps = 1000
    termination = "The top of the upper pole is 1 m above the rail or lower (1.2 m is upright)."
    training = TrainingSettings(target_kl=0.02, initial_log_std=-1.0, budget=150_000)

    def build(self) -> mujoco.MjSpec:
        """Gymnasium's model with a camera."""
        spec = gymnasium_model("inverted_double_pendulum.xml")
        spec.worldbody.add_camera(name="side", pos=[0.0, -3.5, 0.5], quat=[1.0, 1.0, 0.0, 0.0])
        return spec

    @signal(unit="m", kind="position")
    def cart_position(self, state: State) -> Tensor:
        """Position of the cart along the rail: 0 in the middle, positive to the right."""
        return state.qpos[:, 0]

    @signal(unit="m/s", kind="velocity")
    def cart_velocity(self, state: State) -> Tensor:
        """Velocity of the cart along the rail, positive to the right."""
        return state.qvel[:, 0]

    @signal(
        unit="rad",
        kind="angle",
        size=2,
        axes=("lower pole, 0 upright", "upper pole, 0 in line with the lower one"),
    )
    def pole_angles(self, state: State) -> Tensor:
        """Angles of the hinges, positive when the pole above leans to the right, not wrapped."""
        return state.qpos[:, 1:3]

    @signal(
        unit="rad/s",
        kind="angular_velocity",
        size=2,
        axes=("lower pole", "upper pole, relative to the lower one"),
    )
    def pole_angular_velocities(self, state: State) -> Tensor:
        """Angular velocities of the hinges, with the signs of their angles."""
        return state.qvel[:, 1:3]

    @signal(unit="m", kind="position", size=2, axes=("right (x)", "up (z), above the rail"))
    def tip_position(self, state: State) -> Tensor:
        """Position of the upper pole's top, from the middle of the rail."""
        return state.site_xpos[:, 0, ::2]

    def observation(self, state: State) -> Tensor:
        """Cart, sines and cosines of the angles, velocities cut at 10, `[N, 8]`."""
        angles = state.qpos[:, 1:]
        velocities = state.qvel.clamp(-10.0, 10.0)
        return torch.cat([state.qpos[:, :1], angles.sin(), angles.cos(), velocities], dim=1)

    def terminated(self, state: State) -> Tensor:
        """The top of the poles is too low."""
        return state.site_xpos[:, 0, 2] <= 1.0

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """Nearly upright, with noise on every coordinate."""
        return noise.uniform(3, -0.1, 0.1), noise.normal(3, 0.1)
