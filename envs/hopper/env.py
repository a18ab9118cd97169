"""A planar one-legged robot that hops: Gymnasium's packaged Hopper model."""

import mujoco
import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal
from eureka_agent.environment.gymnasium_models import gymnasium_model

MOTORS = ("hip", "knee", "ankle")  # the model does not name them
JOINTS = (
    "hip (negative: thigh swung back)",
    "knee (negative: bent, shin swung back)",
    "ankle (positive: toe up)",
)


class Hopper(Environment):
    """Observation, reset, early end and time limit as in Gymnasium's Hopper-v5.

    The integrator is `implicitfast` instead of RK4.
    """

    task = "Hop forward as fast as possible without falling."
    robot = (
        "A one-legged robot that moves in a vertical plane: an upright torso of 0.5 m, below it "
        "a thigh of 0.55 m, a shin of 0.58 m and a foot of 0.51 m that points forward, joined by "
        "a driven hip, knee and ankle. It cannot fall sideways."
    )
    start = (
        "Upright with a straight leg, its torso's centre 1.25 m and its sole 0.04 m above the "
        "ground, nearly at rest."
    )
    substeps = 4
    episode_steps = 1000
    termination = (
        "The torso's centre is 0.7 m above the ground or lower, the torso is pitched by 0.2 rad "
        "or more either way, or a joint angle (rad) or any velocity (m/s, rad/s) reaches 100."
    )
    training = TrainingSettings(target_kl=0.03, n_epochs=8, initial_log_std=-0.7, budget=500_000)

    def build(self) -> mujoco.MjSpec:
        """Gymnasium's model with names for its motors."""
        return gymnasium_model("hopper.xml", MOTORS)

    @signal(unit="m", kind="position", size=2, axes=("forward (x)", "up (z), above the ground"))
    def torso_position(self, state: State) -> Tensor:
        """Position of the torso's centre."""
        return state.qpos[:, 0:2]

    @signal(unit="m/s", kind="velocity", size=2, axes=("forward (x)", "up (z)"))
    def torso_velocity(self, state: State) -> Tensor:
        """Velocity of the torso's centre."""
        return state.qvel[:, 0:2]

    @signal(unit="rad", kind="angle")
    def torso_pitch(self, state: State) -> Tensor:
        """Pitch of the torso: 0 upright, positive leaning forward, not wrapped."""
        return state.qpos[:, 2]

    @signal(unit="rad/s", kind="angular_velocity")
    def torso_pitch_rate(self, state: State) -> Tensor:
        """Rate of the torso's pitch, positive tipping forward."""
        return state.qvel[:, 2]

    @signal(unit="rad", kind="angle", size=3, axes=JOINTS)
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the leg joints, 0 with a straight leg and a level foot."""
        return state.qpos[:, 3:6]

    @signal(unit="rad/s", kind="angular_velocity", size=3, axes=MOTORS)
    def joint_velocities(self, state: State) -> Tensor:
        """Angular velocities of the leg joints, with the signs of their angles."""
        return state.qvel[:, 3:6]

    @signal(unit="m", kind="position")
    def foot_height(self, state: State) -> Tensor:
        """Height of the foot's centre above the ground: 0.06 when it lies flat on it."""
        return state.geom_position("foot_geom")[:, 2]

    @signal(unit="m", kind="position")
    def foot_ahead(self, state: State) -> Tensor:
        """How far the foot's centre is ahead of the torso's centre, negative behind it."""
        return state.geom_position("foot_geom")[:, 0] - state.qpos[:, 0]

    def observation(self, state: State) -> Tensor:
        """Positions without the forward one, and velocities cut at 10, `[N, 11]`."""
        return torch.cat([state.qpos[:, 1:], state.qvel.clamp(-10.0, 10.0)], dim=1)

    def terminated(self, state: State) -> Tensor:
        """Too low, too much pitch, or far out of any range of hopping."""
        height, pitch = state.qpos[:, 1], state.qpos[:, 2]
        in_range = (state.qpos[:, 2:].abs() < 100.0).all(1) & (state.qvel.abs() < 100.0).all(1)
        return ~((height > 0.7) & (pitch.abs() < 0.2) & in_range)

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """Upright with a straight leg, with a little noise on every coordinate."""
        pose = noise.uniform(6, -0.005, 0.005)
        return self.rest_pose(noise) + pose, noise.uniform(6, -0.005, 0.005)
