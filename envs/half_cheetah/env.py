"""A planar two-legged robot that runs: Gymnasium's packaged HalfCheetah model."""

import mujoco
import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal
from eureka_agent.environment.gymnasium_models import gymnasium_model

JOINTS = ("back thigh", "back shin", "back foot", "front thigh", "front shin", "front foot")


class HalfCheetah(Environment):
    """Observation, reset and time limit as in Gymnasium's HalfCheetah-v5; it never ends early.

    The integrator is `implicitfast` instead of Euler.
    """

    task = "Run forward as fast as possible."
    robot = (
        "A two-legged robot that moves in a vertical plane: a horizontal torso of 1 m with a head "
        "at its front end, a back leg and a front leg of three driven joints each. It cannot fall "
        "sideways, but it can tip over and lie on its back."
    )
    start = (
        "It stands on its feet in the rest pose, its torso 0.7 m above the ground, with a "
        "little noise on pose and velocities."
    )
    substeps = 5
    episode_steps = 1000
    training = TrainingSettings(target_kl=0.03, n_epochs=8, initial_log_std=-0.7)

    def build(self) -> mujoco.MjSpec:
        """Gymnasium's model."""
        return gymnasium_model("half_cheetah.xml")

    @signal(
        unit="m", kind="position", size=2, axes=("forward (x)", "up (z), from the start height")
    )
    def torso_position(self, state: State) -> Tensor:
        """Position of the torso."""
        return state.qpos[:, 0:2]

    @signal(unit="m/s", kind="velocity", size=2, axes=("forward (x)", "up (z)"))
    def torso_velocity(self, state: State) -> Tensor:
        """Velocity of the torso."""
        return state.qvel[:, 0:2]

    @signal(unit="rad", kind="angle")
    def torso_pitch(self, state: State) -> Tensor:
        """Pitch of the torso: 0 level, positive nose down, not wrapped."""
        return state.qpos[:, 2]

    @signal(unit="rad/s", kind="angular_velocity")
    def torso_pitch_rate(self, state: State) -> Tensor:
        """Rate of the torso's pitch, positive nose down."""
        return state.qvel[:, 2]

    @signal(unit="rad", kind="angle", size=6, axes=JOINTS)
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the leg joints, 0 in the rest pose."""
        return state.qpos[:, 3:9]

    @signal(unit="rad/s", kind="angular_velocity", size=6, axes=JOINTS)
    def joint_velocities(self, state: State) -> Tensor:
        """Angular velocities of the leg joints."""
        return state.qvel[:, 3:9]

    @signal(unit="m", kind="position", size=2, axes=("back foot", "front foot"))
    def foot_heights(self, state: State) -> Tensor:
        """Height of the feet's centres above the ground."""
        back, front = state.geom_position("bfoot"), state.geom_position("ffoot")
        return torch.stack([back[:, 2], front[:, 2]], dim=1)

    def observation(self, state: State) -> Tensor:
        """Positions without the forward one, and velocities, `[N, 17]`."""
        return torch.cat([state.qpos[:, 1:], state.qvel], dim=1)

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """The rest pose with a little noise on every coordinate."""
        return noise.uniform(9, -0.1, 0.1), noise.normal(9, 0.1)
